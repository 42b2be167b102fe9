"""How losses scatter about a law of curves: alike within a run, and alike from one reading to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.fit.loss_curves.chosen_curves import counted_once
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.guards import groups_of

Array = NDArray[np.float64]

FAR = 3.0
"""Robust standard deviations at which residuals are cut off: the first losses of a run are missed by many."""

MOST_ALIKE = 0.95
"""Largest correlation that is believed."""


@dataclass(frozen=True)
class CurveScatter:
    """Scatter of log losses about a law of curves.

    Attributes
    ----------
    sigma : float
        Standard deviation of one log loss.
    shared : float
        Share of its variance that all losses of a run (a trunk and its branches) have in common.
    stretch : float
        Readings that count as one in what is left: (1 + c) / (1 - c), c the correlation of neighbours.
    """

    sigma: float
    shared: float
    stretch: float

    @property
    def common(self) -> float:
        """Variance that the losses of a run share."""
        return self.shared * self.sigma**2

    @property
    def own(self) -> float:
        """Variance of a loss's rest, for readings that count one by one."""
        return (1 - self.shared) * self.stretch * self.sigma**2

    @classmethod
    def of(cls, fit: CurveFit, curves: Sequence[Curve]) -> CurveScatter:
        """Measure it on the fitted curves.

        The common share is the one-way intraclass correlation by run (Shrout and Fleiss 1979, Psychol. Bull.
        86:420, eq. 1); neighbours' correlation is taken within curves, about the means of their runs.
        """
        weights = counted_once(curves) or [np.ones(len(curve)) for curve in curves]
        limit = FAR * fit.residual_sigma
        parts = [np.log(curve.loss) - np.log(fit.mean(curve)) for curve in curves]
        parts = [np.clip(part, -limit, limit) for part in parts]
        groups = groups_of(curves)
        weight, residual = np.concatenate(weights), np.concatenate(parts)
        names = list(dict.fromkeys(groups))
        place = np.repeat([names.index(group) for group in groups], [len(curve) for curve in curves])
        total = float(weight @ residual**2 / weight.sum())
        counts = np.bincount(place, weight).astype(np.float64)
        means = np.bincount(place, weight * residual) / counts
        shared = _intraclass(weight, residual, place, counts, means)
        pairs = [
            (part[:-1] - means[names.index(group)], part[1:] - means[names.index(group)])
            for part, group in zip(parts, groups, strict=True)
        ]
        before, after = (np.concatenate(side) for side in zip(*pairs, strict=True))
        alike = float(before @ after / max(np.sqrt(float(before @ before) * float(after @ after)), 1e-300))
        alike = min(max(alike, 0.0), MOST_ALIKE)
        return cls(max(float(np.sqrt(total)), 1e-12), shared, (1 + alike) / (1 - alike))


def _intraclass(
    weight: Array, residual: Array, place: NDArray[np.int64], counts: Array, means: Array
) -> float:
    runs, n = len(counts), float(counts.sum())
    if runs < 2 or n - runs < 1:
        return 0.0
    within = float(weight @ (residual - means[place]) ** 2) / (n - runs)
    between = float(counts @ (means - residual @ weight / n) ** 2) / (runs - 1)
    size = (n - float((counts**2).sum()) / n) / (runs - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0.0, MOST_ALIKE)) if total > 0 else 0.0
