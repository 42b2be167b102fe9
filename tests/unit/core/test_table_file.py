"""Files of three formats, and what is said of those that are none of them."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pandas as pd
import pytest

from dcpt.core.errors import DataError, DoubtWarning
from dcpt.core.table_file import read_frame, write_frame

FRAME = pd.DataFrame({"N": [70_553_706_496, 2], "loss": [0.1 + 0.2, 1e-300], "run": ["007", "1e5"]})


def refusal(path: Path, data: bytes) -> DataError:
    path.write_bytes(data)
    with pytest.raises(DataError) as refused:
        read_frame(path, "a table")
    assert str(path) in refused.value.message
    return refused.value


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.ndjson", "a.parquet"])
def test_every_format_keeps_digits_and_words(tmp_path: Path, name: str) -> None:
    again = read_frame(write_frame(tmp_path / name, FRAME), "a table", ["run"])
    assert again["N"].astype(int).tolist() == FRAME["N"].tolist()
    assert again["loss"].tolist() == FRAME["loss"].tolist()
    assert again["run"].tolist() == FRAME["run"].tolist()


def test_compression_is_seen_in_the_bytes(tmp_path: Path) -> None:
    text = b"# note\n\nN,loss\n1,2.5\n"
    for name, data in {
        "a.csv": gzip.compress(text),
        "b.csv.gz": text,
        "c.csv.xz": lzma.compress(text),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert read_frame(tmp_path / name, "a table")["loss"].tolist() == [2.5]


def test_a_comma_at_the_end_of_every_line_is_no_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("N,loss\n1,2.5,\n3,4.5,\n")
    assert read_frame(tmp_path / "a.csv", "a table").to_dict("list") == {"N": [1, 3], "loss": [2.5, 4.5]}


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    text = "\ufeffN,loss\n1,2.5\n".replace(",", separator)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert read_frame(tmp_path / "a.csv", "a table").to_dict("list") == {"N": [1], "loss": [2.5]}


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ("N,loss\n1,ü\n".encode("latin-1"), "line 2 holds the byte 0xfc, which is not UTF-8", "as UTF-8"),
        ("N,loss\n1,2\n".encode("utf-16"), "not a text file", "UTF-16"),
        (b"PK\x03\x04rest", "not a text file", "zip"),
        (b"PAR1rest", "not a text file", "name it .parquet"),
        (b"N,loss\n1,\x002\n", "not a text file", None),
        (b"N,loss,N\n1,2,3\n", "column 'N' stands twice", "rename or drop"),
        (b"N,loss\n1,2,9\n3,4,8\n", "more fields than the header has names", "name every column"),
        (b'N,loss\n1,"2\n', "cannot be read as a table", None),
        (b"", "cannot be read as a table: No columns", None),
    ],
)
def test_what_is_no_csv(tmp_path: Path, data: bytes, message: str, hint: str | None) -> None:
    error = refusal(tmp_path / "a.csv", data)
    assert message in error.message
    assert (hint or "") in (error.hint or "")


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b'{"a": 1}\n{"a": {"loss": 2}}\n', "line 2: key 'a' holds an object", '"a/loss": 2.5'),
        (b'{"a": [1]}\n', "line 1: key 'a' holds a list", ""),
        (b'{"a": 1, "a": 2}\n', "line 1: key 'a' stands twice", "keep one"),
        (b'[{"a": 1}]\n', "line 1: got '[{\"a\": 1}]'; wanted a JSON object", "without the brackets"),
        (b'{"a": 1\n{"a": 2}\n', "line 1: got", ""),
        (b'{"a": 1', "line 1: got", ""),
        (b"[" * 100_000, "line 1: got", "without the brackets"),
    ],
)
def test_what_is_no_json_lines(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    error = refusal(tmp_path / "a.jsonl", data)
    assert message in error.message
    assert hint in (error.hint or "")


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": "x"}\n\n{"a": 2}\n{"a": 3, "b')
    with pytest.warns(DoubtWarning, match="line 4, the last one, is torn and left out"):
        frame = read_frame(tmp_path / "a.jsonl", "a table")
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [False, True]


def test_an_index_that_pandas_saved_is_a_column(tmp_path: Path) -> None:
    FRAME.set_index("run").to_parquet(tmp_path / "a.parquet")
    assert read_frame(tmp_path / "a.parquet", "a table")["run"].tolist() == ["007", "1e5"]


def test_a_device_is_refused() -> None:
    with pytest.raises(DataError, match="is a device"):
        read_frame("/dev/zero", "a table")
