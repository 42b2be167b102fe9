"""When more runs will not change the answer, and when it is the law, not the runs, that is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.next_runs.belief import Belief
from dcpt.plan.uncertainty import at_ratios

Array = NDArray[np.float64]
StopKind = Literal["regret", "shrink", "decision"]

SEED_SHARE = 0.5
"""Share of the seed noise of the minimised loss below which expected regret is not worth a run: one more run
of the target would scatter by twice that. A judgement."""

LEAST_SHRINK = 0.05
"""Share of the interval's width that a candidate must be expected to take away to be worth its price; 400
draws show covariances to about a fifth of that in variance."""

PRACTICE = (0.75, 0.95)
"""Domain shares of the replay rates in common use, 25 % and 5 % (Ibrahim et al. 2024, arXiv:2403.08763)."""

LAW_SHARE = 0.5
"""Share of the ratio's variance from which the law's error is what limits the answer."""


@dataclass(frozen=True)
class StoppingRule:
    """When to stop buying runs.

    Attributes
    ----------
    tolerance : float, optional
        Expected regret of acting now, in the unit of the minimised loss, that is not worth another run; by
        default `SEED_SHARE` of what one run scatters by.
    least_shrink : float
        Share of the interval's width that the best candidate must be expected to take away.
    decision : bool
        Also stop once the planned ratio is surely better than every baseline.
    """

    tolerance: float | None = None
    least_shrink: float = LEAST_SHRINK
    decision: bool = False

    def __post_init__(self) -> None:
        if self.tolerance is not None and not (np.isfinite(self.tolerance) and self.tolerance > 0):
            raise ConfigError(f"stopping rule: tolerance is {self.tolerance}; wanted a positive loss.")
        if not 0 <= self.least_shrink < 1:
            raise ConfigError(f"stopping rule: least_shrink is {self.least_shrink}; wanted a share below 1.")


@dataclass(frozen=True)
class Baseline:
    """A ratio one could take without a law, and how sure the plan is to beat it.

    Attributes
    ----------
    name : str
        What it is.
    r : float
        Domain share.
    beaten : float
        Share of the draws in which the planned ratio has the smaller regret.
    regret : float
        Expected regret of the baseline, in the unit of the minimised loss.
    """

    name: str
    r: float
    beaten: float
    regret: float


def regrets(belief: Belief, r: float, factor: float = 1.0) -> Array:
    """Regret of training at a ratio, draw by draw, shape (draws,), in the unit of the minimised loss.

    The difference of the minimised loss between that ratio and the draw's best one. Where the ratio breaks
    the ceiling, the difference is what the breach gained and should not have: it counts the same.

    Parameters
    ----------
    belief : Belief
        The draws.
    r : float
        Domain share.
    factor : float
        Factor on the deviations of the best ratios from `r`: 0.5 once they are known twice as well.
    """
    best = r + factor * (belief.draws - r)
    here = at_ratios(belief.grid, belief.value, np.full(len(best), r))
    return np.abs(here - at_ratios(belief.grid, belief.value, best))


def baselines(belief: Belief) -> tuple[Baseline, ...]:
    """The replay rates of common practice against the plan; none outside the searched range."""
    low, high = belief.grid[0], belief.grid[-1]
    own = regrets(belief, belief.r)
    found = []
    for r in PRACTICE:
        if not low <= r <= high:
            continue
        theirs = regrets(belief, r)
        found.append(
            Baseline(f"{100 * (1 - r):.0f} % replay", r, float((own < theirs).mean()), float(theirs.mean()))
        )
    return tuple(found)


def tolerance_of(rule: StoppingRule, belief: Belief) -> float:
    """Regret that is not worth a run, in the unit of the minimised loss."""
    if rule.tolerance is not None:
        return rule.tolerance
    scatter = np.hypot.reduce([w * belief.noise[name].floor for name, w in belief.weights.items()])
    return float(SEED_SHARE * scatter / sum(belief.weights.values()) * belief.at_r)
