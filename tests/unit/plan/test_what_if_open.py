"""Tables of what if where a pool or a budget chooses tokens or size, and where the means themselves vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dcpt.fit.fit_file import FitSet
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.what_if import what_if
from dcpt.plan.what_if_rows import binds_shortly

POOL: dict[str, Any] = {"N": 0.5e6, "keep": "general <= 3.42", "pools": {"domain": 0.2e6}}
BUDGET: dict[str, Any] = {"N": 0.5e6, "keep": "general <= 3.42", "budget": {"flops": 2e12}}
OPEN: dict[str, Any] = {"keep": "general <= 3.42", "budget": {"flops": 2e12}, "sizes": ["0.2M", "0.5M"]}
MONEY = {"money": 2.0, "price": 0.02, "hardware": "cpu-core", "utilisation": 0.3}


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    return synthetic.fits(draws=40)


@pytest.mark.parametrize(
    ("asked", "axis", "values", "column", "changes"),
    [
        (POOL, "pool", ["0.1M", "0.4M"], "domain_pool", [{"pools": {"domain": x}} for x in (1e5, 4e5)]),
        (POOL, "keep", ["3.4", "3.45"], "keep", [{"keep": f"general <= {x}"} for x in (3.4, 3.45)]),
        (POOL, "N", ["0.3M", "0.5M"], "N", [{"N": x} for x in (3e5, 5e5)]),
        (POOL, "D", ["0.6M"], "D", [{"D": 6e5}]),
        (BUDGET, "budget", ["1e12", "flops=4e12"], "flops", [{"budget": {"flops": x}} for x in (1e12, 4e12)]),
        (OPEN, "budget", ["4e12"], "flops", [{"budget": {"flops": 4e12}}]),
        (OPEN, "D", ["0.6M"], "D", [{"D": 6e5}]),
        (OPEN, "N", ["0.3M"], "N", [{"N": 3e5, "sizes": None}]),
        (
            {**BUDGET, "budget": MONEY},
            "price",
            ["0.01", "0.04"],
            "price",
            [{"budget": {**MONEY, "price": x}} for x in (0.01, 0.04)],
        ),
        (
            {**POOL, "D": 0.8e6},
            "pool",
            ["domain=0.1M"],
            "domain_pool",
            [{"pools": {"domain": 1e5}}],
        ),
    ],
)
def test_a_row_is_what_the_plan_for_that_value_says(fits, asked, axis, values, column, changes) -> None:
    frame = what_if(fits, Objective.of(asked), axis, values)
    assert frame.columns[0] == column
    assert frame.attrs["unreachable"] == {}
    for change, row in zip(changes, frame.to_dict("records"), strict=True):
        plan = make_plan(fits, Objective.of({**asked, **change}))
        assert row["r"] == pytest.approx(plan.r, abs=1e-4)
        assert (row["r_lo"], row["r_hi"]) == pytest.approx((plan.r_lo, plan.r_hi), abs=2e-3)
        assert row["domain"] == pytest.approx(plan.domain.mean, abs=1e-4)
        assert row["binds"] == binds_shortly(plan.binding, plan.bound)
        for name in ("N", "D"):
            if name in row:
                assert row[name] == pytest.approx(getattr(plan, name), rel=1e-4)
            if f"{name}_lo" in row:
                assert (row[f"{name}_lo"], row[f"{name}_hi"]) == pytest.approx(plan.intervals[name], rel=1e-6)


def test_along_the_ratio_a_pool_or_budget_chooses_the_rest(fits) -> None:
    """The best of the rows is the plan; a share that no tokens keep the limit at has a reason instead."""
    for asked in (POOL, BUDGET, OPEN):
        plan = make_plan(fits, Objective.of(asked))
        shares = [f"{plan.r - 0.1:.9f}", f"{plan.r:.9f}", "0.9"]
        frame = what_if(fits, Objective.of(asked), "r", shares)
        assert frame["value"].iloc[1] == pytest.approx(plan.domain.mean, abs=1e-5)
        assert frame["value"].iloc[0] > plan.domain.mean
        for name in ("N", "D"):
            if name in frame:
                assert frame[name].iloc[1] == pytest.approx(getattr(plan, name), rel=1e-3)
        assert list(frame.attrs["unreachable"]) == [2]
        assert np.isnan(frame["domain"].iloc[2])


def test_a_budget_in_money_is_hours_by_the_price(fits) -> None:
    """Twice the price is half the hours, and so half the money at the old price."""
    asked = Objective.of({**BUDGET, "budget": MONEY})
    dearer = what_if(fits, asked, "price", ["0.04"])
    poorer = what_if(fits, asked, "budget", ["1"])
    assert list(dearer.columns[1:]) == list(poorer.columns[1:])
    numbers = dearer.select_dtypes("number").columns.drop("price")
    assert dearer[numbers].to_numpy() == pytest.approx(poorer[numbers].to_numpy(), rel=1e-12)


def test_more_of_any_means_never_raises_the_loss(fits) -> None:
    for asked, axis in ((POOL, "pool"), (BUDGET, "budget"), (OPEN, "budget")):
        frame = what_if(fits, Objective.of(asked), axis)
        assert len(frame) == 5
        assert frame["value"].diff().dropna().max() <= 1e-7
