"""What the runs tell of a law's parameters, to first order: their covariance without a single refit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import prepare
from dcpt.fit.law_fit import LawFit
from dcpt.plan.next_runs.noise import RunNoise

Array = NDArray[np.float64]

STEP = 0.02
"""Standard deviations of a parameter's draws either way over which derivatives are taken."""


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A law near its point fit.

    Attributes
    ----------
    fit : LawFit
        The fit.
    steps : ndarray, shape (p,)
        Step of each parameter; 0 for those that do not vary.
    root : ndarray, shape (p, p)
        Square root of the covariance of the parameters: covariance = root @ root.T.
    """

    fit: LawFit
    steps: Array
    root: Array

    @classmethod
    def of(cls, fit: LawFit, table: LossTable, noise: RunNoise) -> LinearFit:
        """The covariance that the runs of a table leave, for residuals that runs share as `noise` says.

        The information of the rows and of a prior: a parameter is taken to be known to its own size.
        """
        data, _ = prepare(table, fit.eval_set, metric=fit.metric, law=fit.law)
        data = replace(data, units=fit.units)
        value, jacobian = fit.law.evaluate_with_jacobian(fit.theta, data.inputs)
        slopes = jacobian / value[:, None]
        spread = fit.draws.std(axis=0)
        free = spread > 1e-9 * np.maximum(np.abs(fit.theta), 1e-300)
        size = np.where(free, np.maximum(np.abs(fit.theta), spread), 1.0)
        information = np.diag(1 / size**2)
        for run in np.unique(data.groups):
            mine = slopes[data.groups == run]
            around = noise.covariance(np.zeros(len(mine), dtype=np.int64))
            information += mine.T @ np.linalg.solve(around, mine)
        scaled = information * np.outer(size, size)
        values, vectors = np.linalg.eigh(scaled[np.ix_(free, free)])
        root = np.zeros((len(size), len(size)))
        part = size[free][:, None] * vectors / np.sqrt(np.maximum(values, 1e-12))
        root[np.ix_(free, np.flatnonzero(free))] = part
        return cls(fit, STEP * spread * free, root)

    @property
    def moved(self) -> LawFit:
        """The fit with draws that move one parameter each, up and down in turn, inside its bounds."""
        p = len(self.steps)
        draws = np.repeat(self.fit.theta[None], 2 * p, axis=0)
        draws[np.arange(0, 2 * p, 2), np.arange(p)] = self._ends[0]
        draws[np.arange(1, 2 * p, 2), np.arange(p)] = self._ends[1]
        return replace(self.fit, draws=draws, resamples=np.arange(2 * p))

    @property
    def _ends(self) -> tuple[Array, Array]:
        """Parameters a step up and down, as far as the bounds let them."""
        lo, hi = (np.array([getattr(item, end) for item in self.fit.law.parameters]) for end in ("lo", "hi"))
        theta = self.fit.theta
        return np.maximum(np.minimum(theta + self.steps, hi), theta), np.minimum(
            np.maximum(theta - self.steps, lo), theta
        )

    def derivatives(self, values: Array) -> Array:
        """Derivatives by the whitened parameters, shape (p, ...), of values under the draws of `moved`."""
        up, down = self._ends
        change = values[0::2] - values[1::2]
        width = (up - down).reshape(-1, *[1] * (change.ndim - 1))
        slope = np.divide(change, width, out=np.zeros_like(change), where=width > 0)
        return np.asarray(np.tensordot(self.root.T, np.nan_to_num(slope), axes=1))

    def log_losses(self, N: ArrayLike, D: ArrayLike, r: ArrayLike, given: dict[str, Array]) -> Array:
        """Derivatives of log losses by the whitened parameters, shape (p, n)."""
        return self.derivatives(np.log(self.moved.draw_means(N, D, r, given)))
