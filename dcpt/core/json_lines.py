"""Tables as JSON lines: one flat object per row."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

import pandas as pd

from dcpt.core.errors import DataError

_CHUNK = 100_000
"""Rows that stand in memory as Python objects at a time."""


def read_json_lines(text: bytes, where: str, words: Collection[str] = ()) -> tuple[pd.DataFrame, int | None]:
    """Read one JSON object per line; a key that a line lacks is an empty cell.

    Parameters
    ----------
    text : bytes
        UTF-8. Blank lines are passed over.
    where : str
        Name of the file, for error messages.
    words : collection of str
        Keys whose values are text even where they are numbers.

    Returns
    -------
    frame : pandas.DataFrame
    torn : int or None
        Number of the last line when it is cut off in its middle, hence not a row.

    Raises
    ------
    DataError
        When a line is not a flat JSON object, or a key stands twice in one.
    """
    lines = text.split(b"\n")
    frames: list[pd.DataFrame] = []
    rows: list[dict[str, Any]] = []
    torn = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_flat)
        except _NotFlatError as error:
            raise DataError(f"{where} line {number}: {error}.", hint=error.hint) from None
        except (ValueError, RecursionError):
            if number == len(lines) and (rows or frames):
                torn = number
                break
            row = None
        if not isinstance(row, dict):
            whole = line.lstrip().startswith(b"[")
            raise DataError(
                f"{where} line {number}: got {line[:60].decode('utf-8', 'replace')!r}; wanted a JSON object.",
                hint="write one object per line, without the brackets of a list" if whole else None,
            )
        for name in words:
            if not isinstance(row.get(name), (str, type(None))):
                row[name] = json.dumps(row[name])
        rows.append(row)
        if len(rows) == _CHUNK:
            frames.append(pd.DataFrame(rows))
            rows = []
    if rows or not frames:
        frames.append(pd.DataFrame(rows))
    return (frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)), torn


def write_json_lines(frame: pd.DataFrame) -> str:
    """Rows of a frame as JSON lines; empty cells are left out."""
    lines = []
    for row in frame.to_dict("records"):
        full = {
            str(name): cell.item() if hasattr(cell, "item") else cell
            for name, cell in row.items()
            if cell is not None and not (isinstance(cell, float) and math.isnan(cell))
        }
        lines.append(json.dumps(full, ensure_ascii=False, allow_nan=False))
    return "".join(f"{line}\n" for line in lines)


class _NotFlatError(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _flat(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotFlatError(f"key {twice!r} stands twice", "keep one of them")
    for value in row.values():
        if value.__class__ is dict or value.__class__ is list:
            name = next(name for name, cell in pairs if cell is value)
            kind = "an object" if isinstance(value, dict) else "a list"
            hint = f'write one key per value, such as "{name}/loss": 2.5, or leave {name!r} out'
            raise _NotFlatError(f"key {name!r} holds {kind}; wanted a number or a text", hint)
    return row
