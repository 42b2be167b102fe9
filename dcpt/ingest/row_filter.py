"""Which rows of a file are wanted: ``COLUMN=VALUE`` and its like, without any expression language."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.cells import as_numbers
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import parse_quantity

Mask = NDArray[np.bool_]
Operator = Literal["=", "!=", "<", "<=", ">", ">="]

_OPERATOR = re.compile(r"!=|<=|>=|==|=|<|>")
_ORDER: dict[str, Callable[[Any, float], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class RowFilter:
    """One condition on a column of a file.

    Parameters
    ----------
    column : str
        The file's own name of it.
    operator : {"=", "!=", "<", "<=", ">", ">="}
    values : tuple of str
        What to compare with: several alternatives for = and !=, one number otherwise. The empty text
        stands for an empty cell.
    whole : str
        The values as they were written together: a cell of this very text is equal, too.
    text : str
        The condition as it was written.
    """

    column: str
    operator: Operator
    values: tuple[str, ...]
    whole: str
    text: str

    def holds(self, frame: pd.DataFrame) -> Mask:
        """Rows of a frame that the condition is true of, shape (rows,).

        Values that look like numbers are compared as numbers with cells that are numbers, and as text
        with all others. An empty cell is equal to nothing but ``COLUMN=``, hence satisfies every other !=.

        Raises
        ------
        ConfigError
            When a column of numbers is compared with a word, or words with < or >.
        """
        cells = frame[self.column]
        numbers, wrong = as_numbers(cells)
        numeric = not pd.api.types.is_bool_dtype(cells.dtype) and bool((~np.isnan(numbers)).any())
        if self.operator in _ORDER:
            limit = parse_quantity(self.values[0], f"--where {self.text}")
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise ConfigError(
                    f"--where {self.text}: {self.column} is {str(cells.iloc[row])[:60]!r} in row {row + 1}; "
                    f"{self.operator} compares numbers.",
                    hint=f"choose by name: --where {self.column}=A|B",
                )
            with np.errstate(invalid="ignore"):
                return np.asarray(_ORDER[self.operator](numbers, limit), dtype=bool)
        text = cells.astype(object).map(str, na_action="ignore")
        if pd.api.types.is_bool_dtype(cells.dtype):
            text = text.str.lower()
        equal = np.array(text == self.whole, dtype=bool)
        for value in self.values:
            if not value:
                equal |= cells.isna().to_numpy(bool)
                continue
            number = _number(value) if numeric else None
            if number is None and numeric and not wrong.any():
                raise ConfigError(
                    f"--where {self.text}: {self.column} is a column of numbers; got {value!r}.",
                    hint="magnitudes are k, M, B (or G) and T",
                )
            if number is not None:
                equal |= np.isclose(numbers, number, rtol=1e-12, atol=0.0)
            spelled = value.lower() if pd.api.types.is_bool_dtype(cells.dtype) else value
            equal |= (text == spelled).to_numpy(bool)
        return equal if self.operator == "=" else ~equal


def _number(value: str) -> float | None:
    try:
        return parse_quantity(value)
    except ConfigError:
        return None


def read_filter(text: str, columns: Sequence[str]) -> RowFilter:
    """Parse a condition: ``eval=c4``, ``lr<1e-5``, ``size!=70M``, ``eval=c4|pile``, ``loss!=``.

    Parameters
    ----------
    text : str
        COLUMN, one of = != < <= > >=, and a value; alternatives of = and != are separated by ``|``.
    columns : sequence of str
        The file's columns; the longest one that the text begins with, before an operator, is meant.

    Raises
    ------
    ConfigError
        When there is no operator, or the column is unknown.
    """
    marks = list(_OPERATOR.finditer(text))
    if not marks or not text[: marks[0].start()].strip():
        raise ConfigError(
            f"--where: got {text!r}; wanted COLUMN=VALUE, or another of != < <= > >=.",
            hint="quote it for the shell: --where 'lr<1e-5'",
        )
    known = [mark for mark in marks if text[: mark.start()].strip() in columns]
    if not known:
        name = text[: marks[0].start()].strip()
        near = get_close_matches(name, columns, n=1)
        raise ConfigError(
            f"--where {text}: column {name!r} is not in the file; found {', '.join(columns)}.",
            hint=f"did you mean {near[0]!r}?" if near else "it is the file's own name that is wanted here",
        )
    mark = known[-1]
    value = text[mark.end() :].strip()
    operator: Any = "=" if mark.group() == "==" else mark.group()
    if operator in _ORDER:
        if not value:
            raise ConfigError(f"--where {text}: wanted a number after {operator}.")
        values: tuple[str, ...] = (value,)
    else:
        values = tuple(dict.fromkeys(part.strip() for part in value.split("|")))
    return RowFilter(text[: mark.start()].strip(), operator, values, value, text)


def keep_rows(frame: pd.DataFrame, conditions: Sequence[str], where: str) -> tuple[Mask, dict[str, int]]:
    """Rows that satisfy every condition, and how many each of them dropped, in their order.

    Raises
    ------
    ConfigError
        When a condition is none, or names a column that is not there.
    DataError
        When no row is left; the message says what the column holds.
    """
    kept = np.ones(len(frame), dtype=bool)
    dropped: dict[str, int] = {}
    for text in conditions:
        condition = read_filter(text, [str(name) for name in frame])
        left = kept & condition.holds(frame)
        if kept.any() and not left.any():
            found = [str(value) for value in frame[condition.column][kept].dropna().unique()[:8]]
            raise DataError(
                f"{where}: no row is left by --where {text}; {condition.column} is {', '.join(found)}"
                + (" ..." if len(found) == 8 else "")
                + "."
            )
        if (kept & ~left).any():
            dropped[f"not {text}"] = int((kept & ~left).sum())
        kept = left
    return kept, dropped
