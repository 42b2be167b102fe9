"""What runs are bought for: a narrower interval of the ratio, or less regret of acting on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.next_runs.belief import Belief
from dcpt.plan.next_runs.stopping import regrets

Array = NDArray[np.float64]
Metric = Literal["width", "regret"]
METRICS: tuple[str, ...] = get_args(Metric)

_FACTORS = np.linspace(0.0, 1.5, 31)
"""Deviations of the ratio, relative to now, at which the expected regret is taken; straight lines between."""


@dataclass(frozen=True, eq=False)
class Measure:
    """What a variance of the ratio amounts to.

    Attributes
    ----------
    metric : {"width", "regret"}
        The variance itself, which narrows the interval; or the expected regret, in the unit of the losses.
    start : float
        Variance of the ratio now.
    regret : ndarray
        Expected regret at each of the factors on today's deviations.
    """

    metric: Metric
    start: float
    regret: Array

    @classmethod
    def of(cls, belief: Belief, metric: str) -> Measure:
        """The measure of a name.

        Raises
        ------
        ConfigError
            When there is none of that name.
        """
        if metric not in METRICS:
            raise ConfigError(f"next runs: metric is {metric!r}; wanted width or regret.")
        found = np.array([float(regrets(belief, belief.r, factor).mean()) for factor in _FACTORS])
        start = belief.parameter_sd**2 + belief.law_sd**2
        return cls("width" if metric == "width" else "regret", start, found)

    def factor(self, variance: Array | float) -> Array:
        """Deviations of the ratio, relative to now."""
        return np.sqrt(np.maximum(np.asarray(variance, dtype=np.float64), 0.0) / max(self.start, 1e-300))

    def expected_regret(self, variance: Array | float) -> Array:
        """Expected regret once the ratio has a variance."""
        return np.asarray(np.interp(self.factor(variance), _FACTORS, self.regret))

    def amount(self, variance: Array | float) -> Array:
        """What is to be made smaller."""
        return np.asarray(variance if self.metric == "width" else self.expected_regret(variance))

    def within(self, variance: float, slack: float) -> float:
        """The amount a share `slack` above that of a variance: of the width, or of the regret."""
        least = float(self.amount(variance))
        return least * ((1 + slack) ** 2 if self.metric == "width" else 1 + slack)
