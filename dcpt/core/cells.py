"""Columns of somebody's table as numbers: what is a number, what is none, and what only looks like one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import LETTERS, parse_quantity

Array = NDArray[np.float64]


def as_numbers(column: pd.Series) -> tuple[Array, NDArray[np.bool_]]:
    """Read the cells of a column as numbers.

    Truth values, dates, times and lists are no numbers, although some of them convert to one; a number with
    a letter of magnitude (100M) is one.

    Parameters
    ----------
    column : pandas.Series, shape (n,)
        Cells of any kind.

    Returns
    -------
    values : ndarray, shape (n,)
        The numbers; nan where a cell is empty or is none. An integer beyond the range of a float is infinite.
    wrong : ndarray of bool, shape (n,)
        Cells that hold something that is not a number.
    """
    empty = column.isna().to_numpy(bool)
    kinds = pd.api.types
    if kinds.is_bool_dtype(column.dtype) or kinds.is_datetime64_any_dtype(column.dtype):
        return np.full(len(column), np.nan), ~empty
    if kinds.is_float_dtype(column.dtype) or kinds.is_integer_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool)
    if isinstance(column.dtype, pd.StringDtype):
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    else:
        values = np.array([_number(cell) for cell in column], dtype=np.float64)
    odd = np.flatnonzero(np.isnan(values) & ~empty)
    if len(odd):
        values, cells = values.copy(), column.to_numpy(object)
        values[odd] = [_quantity(cells[row]) for row in odd]
    return values, np.isnan(values) & ~empty


def _quantity(cell: Any) -> float:
    """A number with a letter of magnitude, as people write sizes and tokens: 100M."""
    if not isinstance(cell, str) or cell.strip()[-1:] not in LETTERS:
        return float("nan")
    try:
        return parse_quantity(cell)
    except ConfigError:
        return float("nan")


def _number(cell: Any) -> float:
    if isinstance(cell, (bool, np.bool_)):
        return float("nan")
    if isinstance(cell, (int, float, np.integer, np.floating)):
        try:
            return float(cell)
        except OverflowError:
            return float("inf") if cell > 0 else float("-inf")
    if isinstance(cell, str) or type(cell).__name__ == "Decimal":
        try:
            # float() would read 1_000 as a thousand; no table means that.
            return float("nan") if "_" in str(cell) else float(str(cell))
        except ValueError:
            pass
    return float("nan")
