"""Files that are whole or absent, and journals that only grow."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from dcpt.core import files
from dcpt.core.errors import DataError


def refuse(*arguments: Any) -> None:
    """A disk that has no space left."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_refused_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write_text(tmp_path / "deep" / "a.txt", "old")
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, refuse)
            with pytest.raises(DataError, match="could not be written: No space left on device") as refused:
                files.write_text(path, "new")
        assert isinstance(refused.value.__cause__, OSError)
        assert refused.value.__cause__.errno == errno.ENOSPC
        assert path.read_text() == "old"
        assert [item.name for item in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_that_cannot_be_made_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        files.write_text(tmp_path / "file" / "a.txt", "")
    with pytest.raises(DataError, match="could not be written"):
        files.append_line(tmp_path / "file" / "a.jsonl", {})


def test_a_refused_append_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    files.append_line(path, {"step": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(DataError, match="No space left"):
            files.append_lines(path, [{"step": 2}, {"step": 3}])
    assert list(files.read_lines(path)) == [{"step": 1}]
    files.append_lines(path, [{"step": 2}, {"step": 3}])
    assert [row["step"] for row in files.read_lines(path)] == [1, 2, 3]


def test_rows_are_pushed_to_the_disk_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append(handle), sync(handle)))
    files.append_lines(tmp_path / "a.jsonl", ({"step": step} for step in range(8)))
    assert len(calls) == 1
    files.append_lines(tmp_path / "b.jsonl", [])
    assert not (tmp_path / "b.jsonl").exists()


def test_a_torn_tail_longer_than_a_piece_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"x" * 200_000)
    files.append_line(path, {"a": 2})
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'
    path.write_bytes(b"x" * 200_000)
    files.append_line(path, {"a": 3})
    assert path.read_bytes() == b'{"a":3}\n'


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff", b"", b"null"])
def test_a_whole_line_that_is_no_object_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    for data, number in ((b'{"a":1}\n' + line + b'\n{"a":2}\n', 2), (b'{"a":1}\n{}\n' + line + b"\n", 3)):
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"journal.jsonl line {number}: got .* wanted a JSON object"):
            list(files.read_lines(path))


def test_an_absent_journal_has_no_rows(tmp_path: Path) -> None:
    assert list(files.read_lines(tmp_path / "none.jsonl")) == []
    with pytest.raises(DataError, match="cannot be read"):
        list(files.read_lines(tmp_path))


def test_json_documents_carry_their_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="schema_version"):
        files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"schema_version": 1, "a": float("nan")})
    assert not path.exists()
    files.write_json(path, {"schema_version": 2, "a": 1})
    assert files.read_json(path, "a plan", 2) == {"schema_version": 2, "a": 1}
    with pytest.raises(DataError, match="schema_version is 2; this dcpt reads version 1 of a plan"):
        files.read_json(path, "a plan", 1)
    for content in (b"{", b"\xff", b"[]", b"3"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="expected a plan"):
            files.read_json(path, "a plan", 1)
    for place in (tmp_path, tmp_path / "none.json", path / "below"):
        with pytest.raises(DataError, match="expected a plan"):
            files.read_json(place, "a plan", 1)


def test_a_hash_does_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    assert files.content_hash({"a": 1, "b": [2]}) == files.content_hash({"b": [2], "a": 1})
    assert files.content_hash({"a": 1}) != files.content_hash({"a": 1.5})
    # SHA-256 of the empty string, FIPS 180-4.
    (tmp_path / "empty").touch()
    assert files.file_hash(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")
