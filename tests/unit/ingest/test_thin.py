"""Long tables lose rows evenly, and the same ones every time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.loss_table import LossTable
from dcpt.ingest.thin import thin_rows


def long_table(seed: int) -> LossTable:
    rng = np.random.default_rng(seed)
    N, r, D = (part.ravel() for part in np.meshgrid([1e6, 2e6], [0.2, 0.5, 0.8], np.linspace(1e6, 1e8, 500)))
    base = pd.DataFrame({"N": [1e6, 2e6], "D": 0.0, "r": 0.5, "value": 3.0})
    frame = pd.concat([pd.DataFrame({"N": N, "D": D, "r": r, "value": 2 + 1 / D}), base], ignore_index=True)
    other = frame.head(50).assign(eval_set="domain")
    both = pd.concat([frame.assign(eval_set="general"), other], ignore_index=True)
    return LossTable.from_frame(both.sample(frac=1, random_state=rng.integers(99)))


def test_every_size_and_ratio_keeps_its_share() -> None:
    thin, counts = thin_rows(long_table(0), 300)
    assert counts == {"general": (3000, 300)}
    rows = thin.select("general").frame
    per_cell = rows.groupby(["N", "r"])["D"].agg(["count", "min", "max"])
    assert per_cell["count"].between(49, 51).all()
    assert (per_cell["min"] < 4e6).all()
    assert (per_cell["max"] > 9.6e7).all()
    assert len(thin.select("domain")) == 50
    assert len(thin.select("general", phases=("base",))) == 2


def test_which_rows_stay_does_not_depend_on_their_order() -> None:
    assert thin_rows(long_table(0), 300)[0].fingerprint == thin_rows(long_table(1), 300)[0].fingerprint


def test_a_short_table_is_left_alone() -> None:
    table = long_table(0)
    assert thin_rows(table, 3000) == (table, {})
