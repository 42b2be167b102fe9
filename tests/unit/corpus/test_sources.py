from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from dcpt.core.errors import DataError
from dcpt.corpus.sources import read_documents, source_files
from dcpt.corpus.spec import SourceSpec


def read(root, **fields):
    return list(read_documents(SourceSpec(**fields), Path(root)))


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_text_file_is_a_document_and_folders_and_globs_are_sorted(tmp_path):
    (tmp_path / "b.txt").write_text("second", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes("\ufefffirst é\n".encode())
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.txt").write_text("third", encoding="utf-8")
    (tmp_path / "note.md").write_text("other", encoding="utf-8")
    assert read(tmp_path, kind="text", path=".") == ["first é\n", "second", "third"]
    assert read(tmp_path, kind="text", path="*.txt") == ["first é\n", "second"]
    assert read("/", kind="text", path=str(tmp_path / "note.md")) == ["other"]


def test_a_long_text_file_or_the_only_one_is_cut_into_documents(tmp_path):
    paragraph = "a line of words\n" * 20 + "\n"
    (tmp_path / "short.txt").write_text(paragraph * 30, encoding="utf-8")
    assert len(read(tmp_path, kind="text", path=".")) > 1
    (tmp_path / "long.txt").write_text(paragraph * 300, encoding="utf-8")
    documents = read(tmp_path, kind="text", path=".")
    assert documents[-1] == paragraph * 30  # one of several, and below 64 000 characters
    assert "".join(documents[:-1]) == paragraph * 300
    assert len(documents) > 10


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_jsonl_rows_are_documents(tmp_path, name):
    data = b'{"text": "one", "id": 1}\n\n{"text": "two\\n\\u00e9"}\n'
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read(tmp_path, kind="jsonl", path=name) == ["one", "two\né"]


def test_empty_documents_are_dropped_and_counted(tmp_path):
    jsonl(tmp_path / "x.jsonl", [{"text": ""}, {"text": " \n"}, {"text": None}, {"text": "kept"}])
    dropped: Counter[str] = Counter()
    source = SourceSpec(kind="jsonl", path="x.jsonl")
    assert list(read_documents(source, tmp_path, dropped)) == ["kept"]
    assert dropped == {"empty": 3}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"text": "a"}\n{"text": \n', r"x\.jsonl line 2: is not JSON"),
        (b'[{"text": "a"}]\n', r"x\.jsonl line 1: holds a list"),
        (b'{"text": "a"}\n{"body": "b", "id": 2}\n', r"line 2: no column 'text'; there are body, id"),
        (b'{"text": 7}\n', r"line 1: column 'text' holds a int"),
        (b'{"text": "a"}\n{"text": "\xff"}\n', r"x\.jsonl byte 24: is not UTF-8"),
        (b'\xef\xbb\xbf{"text": "\xff"}\n', r"x\.jsonl byte 13: is not UTF-8"),
        (b'{"text": "\\ud800"}\n', r"half a surrogate pair at character 0"),
        (b'{"text": ""}\n', r"holds no document with text"),
        (b"", r"holds no document with text"),
    ],
)
def test_bad_rows_are_named(tmp_path, data, words):
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(DataError, match=words):
        read(tmp_path, kind="jsonl", path="x.jsonl")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jsonl: no such file"):
        read(tmp_path, kind="jsonl", path="gone.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"holds no \.parquet file"):
        read(tmp_path, kind="parquet", path="folder")
    whole = gzip.compress(b'{"text": "a"}\n' * 1000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="compressed file is damaged"):
        read(tmp_path, kind="jsonl", path="cut.jsonl.gz")
    (tmp_path / "plain.jsonl.gz").write_bytes(b'{"text": "a"}\n')
    with pytest.raises(DataError, match="compressed file is damaged"):
        read(tmp_path, kind="jsonl", path="plain.jsonl.gz")
    (tmp_path / "bad.txt").write_bytes(b"abc\xff")
    with pytest.raises(DataError, match=r"bad\.txt byte 3: is not UTF-8"):
        read(tmp_path, kind="text", path="bad.txt")


def test_parquet_rows_are_documents(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"body": ["one", None, "two"], "n": [1, 2, 3]}), tmp_path / "x.parquet")
    assert read(tmp_path, kind="parquet", path="x.parquet", column="body") == ["one", "two"]
    with pytest.raises(DataError, match="no column 'text'; there are body, n"):
        read(tmp_path, kind="parquet", path="x.parquet")
    with pytest.raises(DataError, match=r"row 1: column 'n' holds a int"):
        read(tmp_path, kind="parquet", path="x.parquet", column="n")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read(tmp_path, kind="parquet", path="bad.parquet")


def test_datasets_are_read_from_disk_and_from_a_folder_of_files(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = datasets.Dataset.from_dict({"text": ["one", "", "two"], "n": [1, 2, 3]})
    rows.save_to_disk(str(tmp_path / "flat"))
    datasets.DatasetDict({"train": rows, "test": rows.select([2])}).save_to_disk(str(tmp_path / "parted"))
    (tmp_path / "files").mkdir()
    jsonl(tmp_path / "files" / "a.jsonl", [{"text": "three"}])
    assert read(tmp_path, kind="dataset", path="flat") == ["one", "two"]
    assert read(tmp_path, kind="dataset", path="parted", split="test") == ["two"]
    assert read(tmp_path, kind="dataset", path="files") == ["three"]
    with pytest.raises(DataError, match="no split 'valid'; there are train, test"):
        read(tmp_path, kind="dataset", path="parted", split="valid")
    with pytest.raises(DataError, match="no column 'body'; there are text, n"):
        read(tmp_path, kind="dataset", path="flat", column="body")
    with pytest.raises(DataError, match="cannot be loaded"):
        read(tmp_path, kind="dataset", path="nowhere/at-all")


def test_source_files_of_a_dataset_that_is_not_here_are_none(tmp_path):
    assert source_files(SourceSpec(kind="dataset", path="some/hub-name"), tmp_path) == []
