"""The answer to a budget: that to limited data, with every size beside it and what the budget's ends give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dcpt.plan.supply.answer import SupplyAnswer

How = Literal["closed form", "numerical"]


@dataclass(frozen=True, eq=False)
class AllocationAnswer(SupplyAnswer):
    """Best size, tokens and share of a run within a budget.

    The fields of `SupplyAnswer`, and what a budget adds.

    Attributes
    ----------
    flops : float
        What the run costs: the budget, or less where a pool or a limit ends it earlier.
    flops_per_domain_token : float
        Cost of each domain token, replay included.
    at_budget : mapping
        "low" and "high" to the (N, D, r) for the ends of an uncertain budget; empty where it is certain or
        an end allows no run. The intervals of N, D and r hold them.
    by_size : DataFrame
        One row per size tried: N, D, r, replay, value, each loss, feasible; flops_per_domain_token;
        best_share, the share of the draws in which no other size of the table is better; difference,
        difference_lo, difference_hi: its value minus that of the answer, paired in the draws. Sizes
        without a feasible run keep nan.
    how : {"closed form", "numerical"}
        Where N comes from.
    """

    flops: float
    flops_per_domain_token: float
    at_budget: Mapping[str, tuple[float, float, float]]
    by_size: pd.DataFrame
    how: How
