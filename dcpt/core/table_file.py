"""Tables on disk: CSV and JSON lines, plain or compressed, and Parquet."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dcpt.core import files
from dcpt.core.errors import DataError, DoubtWarning
from dcpt.core.json_lines import read_json_lines, write_json_lines

# pandas 3 reads every digit, and warns when asked to; before, it had to be asked.
_OLD = int(pd.__version__.partition(".")[0]) < 3
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _OLD else {}

JSON_LINES = (".jsonl", ".ndjson", ".json")
_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
"""First bytes of a compressed file, and what unpacks it."""

_FOREIGN = {
    b"PK\x03\x04": "it is a zip archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd; unpack it first, or use gzip",
    b"PAR1": "it is a Parquet file; name it .parquet",
    b"\xff\xfe": "save it as UTF-8; this looks like UTF-16",
    b"\xfe\xff": "save it as UTF-8; this looks like UTF-16",
}


def read_frame(path: Path | str, kind: str, words: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV, JSON lines or Parquet file; numbers come back as they were written.

    The ending says which it is (.parquet, .jsonl, anything else is CSV); gzip, bzip2 and xz are
    recognised by themselves. Lines that begin with ``#`` at the head of a CSV file are comments; its
    fields are separated by commas, or by tabs or semicolons where the header has no comma.

    Parameters
    ----------
    path : path
        File to read.
    kind : str
        What the file should be, for the error message ("a loss table").
    words : iterable of str
        Columns that are text even where they look like numbers.

    Raises
    ------
    DataError
        When the file is absent or not a table.

    Warns
    -----
    DoubtWarning
        When the last line of a JSON lines file is torn; it is left out.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file; expected {kind} (CSV, JSON lines or Parquet).")
    if path.is_char_device():
        raise DataError(f"{path}: is a device; expected {kind}, a file.")
    try:
        data = path.read_bytes()
        if path.suffix == ".parquet":
            return _read_parquet(data)
        unpack = next((unpack for magic, unpack in _PACKED.items() if data.startswith(magic)), None)
        text = _checked_text(path, data if unpack is None else unpack(data))
        if _inner_suffix(path) in JSON_LINES:
            frame, torn = read_json_lines(text, str(path), frozenset(words))
            if torn:
                message = f"{path}: line {torn}, the last one, is torn and left out."
                warnings.warn(message, DoubtWarning, stacklevel=2)
            return frame
        return _read_csv(path, text, words)
    except DataError:
        raise
    # What a parser makes of foreign bytes is not ours to foresee: pyarrow, zlib and pandas raise dozens
    # of types. Whatever it was, the file is no table.
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DataError(f"{path}: cannot be read as a table: {reason[:300]}.") from None


def write_frame(path: Path | str, frame: pd.DataFrame) -> Path:
    """Write a frame as CSV or, by the file's ending, JSON lines or Parquet; atomically, every digit kept.

    A CSV or JSON lines file whose name ends in .gz is compressed.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        return files.write_bytes(path, frame.to_parquet(index=False))
    if _inner_suffix(path) in JSON_LINES:
        text = write_json_lines(frame)
    else:
        text = frame.to_csv(index=False, float_format=_spell, lineterminator="\n")
    if path.suffix == ".gz":
        return files.write_bytes(path, gzip.compress(text.encode("utf-8"), mtime=0))
    return files.write_text(path, text)


def _inner_suffix(path: Path) -> str:
    """Ending of a file's name without that of its compression."""
    return Path(path.stem).suffix if path.suffix in (".gz", ".bz2", ".xz") else path.suffix


def _spell(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _read_parquet(data: bytes) -> pd.DataFrame:
    import pyarrow.parquet

    # Without pandas' own notes in the file, an index it was saved with is a column like the others.
    return pyarrow.parquet.read_table(io.BytesIO(data)).to_pandas(ignore_metadata=True)


def _checked_text(path: Path, data: bytes) -> bytes:
    """UTF-8 without its byte-order mark; anything else is refused."""
    hint = next((hint for magic, hint in _FOREIGN.items() if data.startswith(magic)), None)
    if hint is None and b"\0" not in data:
        data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{path}: cannot be read as a table: line {line} holds the byte "
                f"0x{data[error.start]:02x}, which is not UTF-8.",
                hint="save the file as UTF-8; other encodings are not guessed",
            ) from None
        return data
    raise DataError(f"{path}: cannot be read as a table: it is not a text file.", hint=hint)


def _read_csv(path: Path, text: bytes, words: Iterable[str]) -> pd.DataFrame:
    comments, header = _head(text)
    separator = next((mark for mark in (",", "\t", ";") if mark in header), ",")
    names = [name for name in next(csv.reader([header], delimiter=separator), []) if name]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} stands twice.", hint="rename or drop one of them")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                io.BytesIO(text),
                sep=separator,
                skiprows=comments,
                dtype=dict.fromkeys(words, str),
                # Otherwise fields that the header has no name for shift every column to its neighbour's.
                index_col=False,
                low_memory=False,
                encoding="utf-8",
                **_EXACT,
            )
        except pd.errors.ParserWarning:
            raise DataError(
                f"{path}: cannot be read as a table: its rows have more fields than the header has names.",
                hint="name every column in the header",
            ) from None


def _head(text: bytes) -> tuple[int, str]:
    """Number of comment lines, and the header line behind them (blank lines passed over)."""
    count, behind, header = 0, 0, b""
    for line in io.BytesIO(text):
        if line.startswith(b"#") and behind == 0:
            count += 1
            continue
        behind += 1
        if line.strip():
            header = line
            break
    return count, header.decode("utf-8").strip("\r\n")
