"""What a bought loss says beyond the law: scatter of runs, and how much the losses of one run share it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import prepare
from dcpt.fit.law_fit import LawFit
from dcpt.fit.noise import SeedNoise, seed_noise

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class RunNoise:
    """Scatter of log losses about the law of one side.

    Attributes
    ----------
    sigma : float
        Standard deviation of one log loss: the scatter of the residuals, seed noise at least.
    shared : float
        Correlation of the residuals of one run, in [0, 1): branches of a trunk miss together.
    seeds : SeedNoise or None
        Scatter between repeated runs, where there are any.
    """

    sigma: float
    shared: float
    seeds: SeedNoise | None

    @property
    def floor(self) -> float:
        """What one run varies by: seed noise where it was measured, else the scatter about the law."""
        return self.sigma if self.seeds is None else self.seeds.sigma

    def covariance(self, runs: Integers) -> Array:
        """Covariance of the noise of losses, shape (n, n); `runs` names the run of each, shape (n,)."""
        same = runs[:, None] == runs[None, :]
        return np.asarray(self.sigma**2 * (self.shared * same + (1 - self.shared) * np.eye(len(runs))))


def run_noise(fit: LawFit, table: LossTable) -> RunNoise:
    """Measure the scatter about a fit on the table it was made from.

    The correlation inside a run is the one-way intraclass correlation (Shrout and Fleiss 1979, Psychol.
    Bull. 86:420, eq. 1) of the residuals by run.
    """
    data, _ = prepare(table, fit.eval_set, metric=fit.metric, law=fit.law)
    data = replace(data, units=fit.units)
    residual = data.log_loss - np.log(fit.law.evaluate(fit.theta, data.inputs))
    return RunNoise(fit.residual_sigma, _intraclass(residual, data.groups), seed_noise(data))


def _intraclass(residual: Array, groups: Integers) -> float:
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    runs, n = len(counts), len(residual)
    if runs < 2 or n - runs < 1:
        return 0.0
    means = np.bincount(place, residual) / counts
    within = float(((residual - means[place]) ** 2).sum()) / (n - runs)
    between = float((counts * (means - residual.mean()) ** 2).sum()) / (runs - 1)
    size = (n - float((counts**2).sum()) / n) / (runs - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0.0, 0.95)) if total > 0 else 0.0
