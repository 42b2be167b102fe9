"""Conditions on rows: what they mean, and the sentences for those that mean nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.ingest.row_filter import keep_rows

FRAME = pd.DataFrame(
    {
        "lr": [1e-5, 3e-5, None, 1e-4],
        "eval": ["c4", "pile", "c4", None],
        "size": ["70M", "1", "70000000", "1B"],
        "cell": ["a|b", "a", "b", "a<b"],
        "done": [True, False, True, True],
        "run=x": [1, 2, 3, 4],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("lr=1e-5", [0]),
        ("lr == 0.00001", [0]),
        ("lr<=3e-5", [0, 1]),
        ("lr>1e-5", [1, 3]),
        ("lr!=1e-5", [1, 2, 3]),
        ("lr=1e-5|1e-4", [0, 3]),
        ("lr=", [2]),
        ("lr!=", [0, 1, 3]),
        ("eval=c4", [0, 2]),
        ("eval=c4|pile", [0, 1, 2]),
        ("eval!=c4", [1, 3]),
        ("size=70M", [0, 2]),
        ("size=1.0", [1]),
        ("cell=a|b", [0, 1, 2]),
        ("cell=a<b", [3]),
        ("done=true", [0, 2, 3]),
        ("run=x>=3", [2, 3]),
    ],
)
def test_what_a_condition_keeps(text: str, rows: list[int]) -> None:
    kept, dropped = keep_rows(FRAME, [text], "t")
    assert kept.nonzero()[0].tolist() == rows
    assert dropped == {f"not {text}": 4 - len(rows)}


def test_all_conditions_must_hold() -> None:
    kept, dropped = keep_rows(FRAME, ["eval=c4", "lr<1"], "t")
    assert kept.tolist() == [True, False, False, False]
    assert dropped == {"not eval=c4": 2, "not lr<1": 1}
    with pytest.raises(DataError, match="t: no row is left by --where lr>1e-4; lr is 1e-05"):
        keep_rows(FRAME, ["eval=c4", "lr>1e-4"], "t")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("lr", "wanted COLUMN=VALUE", "quote it"),
        ("=3", "wanted COLUMN=VALUE", None),
        ("eva=c4", "column 'eva' is not in the file", "did you mean 'eval'?"),
        ("lr<small", "got 'small'; wanted a number", None),
        ("lr=small", "lr is a column of numbers; got 'small'", None),
        ("lr<", "wanted a number after <", None),
        ("eval<3", "eval is 'c4' in row 1; < compares numbers", "--where eval=A|B"),
        ("__import__('os')=1", "column \"__import__('os')\" is not in the file", None),
    ],
)
def test_conditions_that_mean_nothing(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        keep_rows(FRAME, [text], "t")
    assert message in refused.value.message
    assert (hint or "") in (refused.value.hint or "")
