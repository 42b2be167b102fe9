"""Files that are either whole or absent: atomic writes, versioned JSON, journals that only grow."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any

from dcpt.core.errors import DataError


def write_bytes(path: Path | str, data: bytes) -> Path:
    """Write `data` to `path` so that a reader sees the old file or the new one, never half of one.

    Raises
    ------
    DataError
        When the disk refuses the write; the old file is left as it was.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _refused(path, error) from error
    return path


def write_text(path: Path | str, text: str) -> Path:
    """Write UTF-8 `text` atomically (see `write_bytes`)."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, document: Mapping[str, Any]) -> Path:
    """Write a JSON document atomically; it must carry a ``schema_version``."""
    if "schema_version" not in document:
        raise ValueError(f"{path}: a JSON document needs a schema_version")
    return write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str, kind: str, version: int) -> dict[str, Any]:
    """Read a JSON document of a known kind and schema version.

    Parameters
    ----------
    path : path
        File to read.
    kind : str
        What the file should be, in words, for the error message ("a plan").
    version : int
        The schema version this code reads.

    Raises
    ------
    DataError
        When the file is absent, not JSON, not an object, or of another schema version.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected {kind}.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a directory; expected {kind}.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); expected {kind}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); expected {kind}.") from None
    if not isinstance(document, dict):
        raise DataError(f"{path}: holds a {type(document).__name__}; expected {kind}, a JSON object.")
    found = document.get("schema_version")
    if found != version:
        raise DataError(
            f"{path}: schema_version is {found!r}; this dcpt reads version {version} of {kind}.",
            hint="write the file again with this version of dcpt",
        )
    return document


def canonical_json(document: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, no NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(document: Any, length: int = 16) -> str:
    """First `length` hex digits of the SHA-256 of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical_json(document).encode("utf-8")).hexdigest()[:length]


def file_hash(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def append_line(path: Path | str, row: Mapping[str, Any]) -> None:
    """Append one JSON row to a journal and push it to the disk (see `append_lines`)."""
    append_lines(path, [row])


def append_lines(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append JSON rows to a journal and push them to the disk together.

    A torn last line, left by a killed writer, is cut off first. A writer killed in the middle of this
    leaves the first few rows and at most one torn line.

    Raises
    ------
    DataError
        When the disk refuses the write; the journal is then as long as before.
    """
    path = Path(path)
    lines = (json.dumps(dict(row), separators=(",", ":"), allow_nan=False) + "\n" for row in rows)
    data = "".join(lines).encode("utf-8")
    if not data:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what the disk refuses must not come back when the file is closed.
        with open(path, "ab+", buffering=0) as file:
            start = _end_of_last_line(file)
            file.truncate(start)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(start)
                raise
    except OSError as error:
        raise _refused(path, error) from error


def _end_of_last_line(file: RawIOBase) -> int:
    """Offset behind the last line break of an open file; it is left anywhere."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - (1 << 16))
        file.seek(begin)
        found = (file.read(end - begin) or b"").rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def read_lines(path: Path | str) -> Iterator[dict[str, Any]]:
    """Rows of a journal, oldest first; a last line without its line break is torn and passed over.

    Raises
    ------
    DataError
        When the journal cannot be read, or a whole line is not a JSON object.
    """
    path = Path(path)
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (UnicodeDecodeError, json.JSONDecodeError):
            row = None
        if not isinstance(row, dict):
            raise DataError(
                f"{path} line {number}: got {line[:60]!r}; wanted a JSON object.",
                hint=f"delete the folder {path.parent}: the run is then trained again",
            )
        yield row


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: could not be written: {error.strerror or error}.",
        hint="free some disk space or check the permissions, then run the same command again",
    )
