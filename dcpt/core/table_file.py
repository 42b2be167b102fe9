"""Tables on disk: CSV, plain or compressed, and Parquet."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dcpt.core import files
from dcpt.core.errors import DataError

# pandas 3 reads every digit, and warns when asked to; before, it had to be asked.
_OLD = int(pd.__version__.partition(".")[0]) < 3
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _OLD else {}


def read_frame(path: Path | str, kind: str, words: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV (by its ending compressed) or Parquet file; numbers come back as they were written.

    Lines that begin with ``#`` at the head of a CSV file are comments.

    Parameters
    ----------
    path : path
        File to read.
    kind : str
        What the file should be, for the error message ("a loss table").
    words : iterable of str
        Columns of a CSV file that are text even where they look like numbers.

    Raises
    ------
    DataError
        When the file is absent or not a table.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file; expected {kind} (CSV or Parquet).")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, skiprows=_comments(path), dtype=dict.fromkeys(words, str), **_EXACT)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}.") from None


def write_frame(path: Path | str, frame: pd.DataFrame) -> Path:
    """Write a frame as CSV or, by the file's ending, Parquet; atomically and without loss of digits."""
    path = Path(path)
    if path.suffix == ".parquet":
        return files.write_bytes(path, frame.to_parquet(index=False))
    return files.write_text(path, frame.to_csv(index=False, float_format=_spell, lineterminator="\n"))


def _spell(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _comments(path: Path) -> int:
    """Lines before the header of a CSV file."""
    count = 0
    with pd.io.common.get_handle(path, "r", encoding="utf-8", compression="infer") as opened:
        for line in opened.handle:
            if not line.startswith("#"):
                break
            count += 1
    return count
