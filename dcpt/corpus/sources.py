"""Documents from files, folders and datasets, one at a time, with errors that say where."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcpt.core.errors import DataError
from dcpt.corpus.embedded import code_documents, library_files, prose_documents
from dcpt.corpus.spec import SourceSpec
from dcpt.corpus.text_file import text_documents

_SUFFIXES = {"text": (".txt",), "jsonl": (".jsonl", ".jsonl.gz"), "parquet": (".parquet",)}


def read_documents(source: SourceSpec, root: Path, dropped: Counter[str] | None = None) -> Iterator[str]:
    """Documents of a source, in the order of its files and rows.

    Parameters
    ----------
    source : SourceSpec
        What to read.
    root : Path
        Folder that relative paths start at.
    dropped : Counter, optional
        ``dropped["empty"]`` grows by the documents passed over because they hold only white space or nothing.

    Raises
    ------
    DataError
        When a file is absent or unreadable, bytes are not UTF-8, a row is not JSON, the column is missing or
        not text, or there is no document at all; the message names the file and the line, row or byte.
    """
    found = 0
    for document in _read(source, root):
        if document and not document.isspace():
            found += 1
            yield document
        elif dropped is not None:
            dropped["empty"] += 1
    if not found:
        raise DataError(
            f"source {describe(source)}: holds no document with text.",
            hint="check the path and the column; every document may be empty",
        )


def describe(source: SourceSpec) -> str:
    """A source in a few words, for messages."""
    return f"embedded {source.part}" if source.kind == "embedded" else f"{source.path} ({source.kind})"


def source_files(source: SourceSpec, root: Path) -> list[Path]:
    """Files a source is read from, sorted; empty for a dataset that is not on this disk.

    Raises
    ------
    DataError
        When a file, folder or glob names nothing.
    """
    if source.kind == "embedded":
        return library_files()
    assert source.path is not None
    path = Path(root) / Path(source.path).expanduser()
    if source.kind == "dataset":
        return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else []
    suffixes = _SUFFIXES[source.kind]
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file() and item.name.endswith(suffixes))
        if not files:
            raise DataError(f"{path}: holds no {' or '.join(suffixes)} file; wanted at least one.")
        return files
    files = sorted(item for name in glob.glob(str(path), recursive=True) if (item := Path(name)).is_file())
    if not files:
        raise DataError(
            f"{path}: no such file, folder or glob match; wanted {source.kind} documents.",
            hint=f"relative paths start at {root}",
        )
    return files


def _read(source: SourceSpec, root: Path) -> Iterator[str]:
    if source.kind == "embedded":
        yield from prose_documents() if source.part == "prose" else code_documents()
        return
    if source.kind == "dataset":
        yield from _dataset(source, root)
        return
    files = source_files(source, root)
    for path in files:
        try:
            if source.kind == "text":
                yield from text_documents(_decode(path.read_bytes(), path, 0), alone=len(files) == 1)
            elif source.kind == "jsonl":
                yield from _jsonl(path, source.column)
            else:
                yield from _parquet(path, source.column)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _decode(data: bytes, path: Path, offset: int) -> str:
    try:
        return data.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        # The codec that drops the byte order mark counts from behind it.
        mark = 3 if offset == 0 and data.startswith(b"\xef\xbb\xbf") else 0
        raise DataError(
            f"{path} byte {offset + mark + error.start}: is not UTF-8 ({error.reason}).",
            hint="convert the file to UTF-8, for example with iconv",
        ) from None


def _jsonl(path: Path, column: str) -> Iterator[str]:
    offset = 0
    opened = gzip.open(path, "rb") if path.name.endswith(".gz") else open(path, "rb")  # noqa: SIM115
    with opened as file:
        lines = enumerate(file, start=1)
        while True:
            try:
                number, line = next(lines)
            except StopIteration:
                return
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(
                    f"{path}: the compressed file is damaged ({error}).", hint="it may have been cut short"
                ) from None
            text = _decode(line, path, offset)
            offset += len(line)
            if not text.isspace():
                yield _field(_json_row(text, path, number), column, f"{path} line {number}")


def _json_row(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{path} line {number}: is not JSON ({error}); wanted one object per line.",
            hint="the file may be one JSON list, or cut short",
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{path} line {number}: holds a {type(row).__name__}; wanted a JSON object.")
    return row


def _field(row: dict[str, Any], column: str, where: str) -> str:
    if column not in row:
        raise DataError(
            f"{where}: no column {column!r}; there are {', '.join(map(str, row)) or 'none'}.",
            hint="name the text column in the source: column: ...",
        )
    return _checked(row[column], column, where)


def _checked(value: Any, column: str, where: str) -> str:
    """The text of a value; null is an empty document."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: column {column!r} holds a {type(value).__name__}; wanted text.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: column {column!r} has half a surrogate pair at character {error.start}, which is not "
            "Unicode text.",
            hint="drop or repair that row",
        ) from None
    return value


def _parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if column not in names:
                raise DataError(
                    f"{path}: no column {column!r}; there are {', '.join(names)}.",
                    hint="name the text column in the source: column: ...",
                )
            row = 0
            for batch in file.iter_batches(columns=[column]):
                for value in batch.column(0).to_pylist():
                    row += 1
                    yield _checked(value, column, f"{path} row {row}")
    except pa.ArrowException as error:
        raise DataError(f"{path}: is not a readable Parquet file ({error}).") from None


def _dataset(source: SourceSpec, root: Path) -> Iterator[str]:
    rows = _open_dataset(source, root)
    names = rows.column_names
    if source.column not in names:
        raise DataError(
            f"dataset {source.path}: no column {source.column!r}; there are {', '.join(names)}.",
            hint="name the text column in the source: column: ...",
        )
    for number, row in enumerate(rows.select_columns([source.column]), start=1):
        yield _checked(row[source.column], source.column, f"dataset {source.path} row {number}")


def _open_dataset(source: SourceSpec, root: Path) -> Any:
    import datasets

    assert source.path is not None
    local = Path(root) / Path(source.path).expanduser()
    bars = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        if (local / "dataset_dict.json").is_file() or (local / "state.json").is_file():
            loaded = datasets.load_from_disk(str(local))
        else:
            loaded = datasets.load_dataset(
                str(local) if local.exists() else source.path,
                source.config,
                data_files=list(source.data_files) if source.data_files else None,
            )
    except (OSError, ValueError, RuntimeError, ImportError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise DataError(
            f"dataset {source.path}: cannot be loaded ({type(error).__name__}: {reason}).",
            hint=f"a local path starts at {root}; a hub name needs the network or a filled cache",
        ) from error
    finally:
        if bars:
            datasets.enable_progress_bars()
    if isinstance(loaded, dict):
        if source.split not in loaded:
            raise DataError(
                f"dataset {source.path}: no split {source.split!r}; there are {', '.join(map(str, loaded))}."
            )
        return loaded[source.split]
    return loaded
