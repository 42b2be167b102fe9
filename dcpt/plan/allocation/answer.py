"""The answer to a budget: size, tokens and share, every size beside it, how sure, and what binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dcpt.plan.caveat import Caveat
from dcpt.plan.supply.answer import CONSTRAINT_WORDS, Constraint, Draws, Price

How = Literal["closed form", "numerical"]


@dataclass(frozen=True, eq=False)
class AllocationAnswer:
    """Best size, tokens and share of a run within a budget.

    Attributes
    ----------
    N, D, r : float
        Size, training tokens and domain share.
    flops : float
        What the run costs: the budget, or less where a pool or a limit ends it earlier.
    flops_per_domain_token : float
        Cost of each domain token, replay included.
    value : float
        The weighted loss that is minimised.
    losses, epochs, worth : mapping
        As in `SupplyAnswer`.
    at_budget : mapping
        "low" and "high" to the (N, D, r) for the ends of an uncertain budget; empty where it is certain or
        an end allows no run.
    draws : Draws or None
        The answer in every draw.
    interval : mapping
        "N", "r", "D", "value" and every loss to its (lowest, highest) value at the level.
    by_size : DataFrame
        One row per size tried: N, D, r, replay, value, each loss, feasible; flops_per_domain_token;
        best_share, the share of the draws in which no other size of the table is better; difference,
        difference_lo, difference_hi: its value minus that of the answer, paired in the draws. Sizes
        without a feasible run keep nan.
    binding, binding_name, prices
        As in `SupplyAnswer`; a range of sizes that ends is ``range N``.
    how : {"closed form", "numerical"}
        Where N comes from.
    at_decay, outside, caveats
        As in `SupplyAnswer`.
    """

    N: float
    D: float
    r: float
    flops: float
    flops_per_domain_token: float
    value: float
    losses: Mapping[str, float]
    epochs: Mapping[str, float]
    worth: Mapping[str, float]
    at_budget: Mapping[str, tuple[float, float, float]]
    draws: Draws | None
    interval: Mapping[str, tuple[float, float]]
    by_size: pd.DataFrame
    binding: Constraint
    binding_name: str
    prices: tuple[Price, ...]
    how: How
    at_decay: Mapping[float, tuple[float, float]]
    outside: tuple[str, ...]
    caveats: tuple[Caveat, ...]

    @property
    def replay(self) -> float:
        """General share of the tokens."""
        return 1.0 - self.r

    @property
    def binding_words(self) -> str:
        """What binds, in words."""
        return CONSTRAINT_WORDS[self.binding]
