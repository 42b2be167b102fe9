"""Files that are either whole or absent: atomic writes, versioned JSON, journals that only grow."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DataError(
                f"{path}: could not be written: {error.strerror or error}.",
                hint="free some disk space or check the permissions, then run the same command again",
            ) from error
        raise
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
    """Append one JSON row to a journal and push it to the disk.

    A torn last line, left by a killed writer, is cut off first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (json.dumps(dict(row), separators=(",", ":"), allow_nan=False) + "\n").encode("utf-8")
    try:
        with open(path, "ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            start = file.tell()
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(start)
                raise
    except OSError as error:
        raise DataError(
            f"{path}: could not be written: {error.strerror or error}.",
            hint="free some disk space or check the permissions, then run the same command again",
        ) from error


def read_lines(path: Path | str) -> Iterator[dict[str, Any]]:
    """Rows of a journal, oldest first; a torn last line is passed over.

    Raises
    ------
    DataError
        When a line that is not the last one is not a JSON object.
    """
    path = Path(path)
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    torn = lines.pop()  # b"" after a whole last line
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (UnicodeDecodeError, json.JSONDecodeError):
            row = None
        if not isinstance(row, dict):
            if number == len(lines) and not torn:
                return
            raise DataError(
                f"{path} line {number}: is not a JSON object: {line[:60]!r}.",
                hint="delete that line, or the run's folder to run it again",
            )
        yield row
