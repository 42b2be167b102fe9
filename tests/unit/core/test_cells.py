"""What is a number in a cell, and what only converts to one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dcpt.core.cells import as_numbers


@pytest.mark.parametrize(
    ("column", "values", "wrong"),
    [
        (pd.Series([1, 2]), [1, 2], []),
        (pd.Series([1.5, None]), [1.5, np.nan], []),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan], []),
        (pd.Series(["1e3", " 2 ", "", "7b"], dtype=object), [1000, 2, np.nan, np.nan], [2, 3]),
        (pd.Series(["100M", "1.5k", 2], dtype=object), [1e8, 1500, 2], []),
        (pd.Series(["100M", "B", None], dtype="str"), [1e8, np.nan, np.nan], [1]),
        (pd.Series(["1e3", "1,000", None], dtype="str"), [1000, np.nan, np.nan], [1]),
        (pd.Series([True, False]), [np.nan, np.nan], [0, 1]),
        (pd.Series([1, True], dtype=object), [1, np.nan], [1]),
        (pd.Series([10**400, -(10**400), 2**64], dtype=object), [np.inf, -np.inf, 2.0**64], []),
        (pd.Series(["1_000"], dtype=object), [np.nan], [0]),
        (pd.Series([Decimal("2.5")], dtype=object), [2.5], []),
        (pd.Series(pd.to_datetime(["2024-01-01"])), [np.nan], [0]),
        (pd.Series([[1.0], {"a": 1}, b"1"], dtype=object), [np.nan] * 3, [0, 1, 2]),
        (pd.Series([2.5, 3.5]).astype("category"), [2.5, 3.5], []),
    ],
)
def test_cells(column: pd.Series, values: list[Any], wrong: list[int]) -> None:
    found, bad = as_numbers(column)
    np.testing.assert_array_equal(found, np.array(values, dtype=float))
    assert np.flatnonzero(bad).tolist() == wrong
