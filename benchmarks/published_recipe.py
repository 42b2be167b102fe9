"""The published recipe for a Chinchilla fit, written again: what most papers do.

Hoffmann et al. 2022 (arXiv:2203.15556), Sec. 3.3 and App. D.3: minimise the sum of Huber(1e-3) of
logsumexp(a - alpha log N, b - beta log D, e) - log L by L-BFGS from a grid of starts and keep the best.
The grid is theirs (4,500 starts); the optimiser is scipy's L-BFGS-B with its default tolerances and
difference quotients for the gradient.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from benchmarks.measure import Seconds, timed

GRID = tuple(
    itertools.product(
        np.arange(0.0, 26.0, 5.0),  # a
        np.arange(0.0, 26.0, 5.0),  # b
        np.arange(-1.0, 1.01, 0.5),  # e
        np.arange(0.0, 2.01, 0.5),  # alpha
        np.arange(0.0, 2.01, 0.5),  # beta
    )
)


@dataclass(frozen=True)
class RecipeResult:
    """What the recipe gives.

    Attributes
    ----------
    starts, of : int
        Starts that were run, and all of the grid.
    seconds : Seconds
        For those that were run.
    objective : float
        The least one.
    objectives : ndarray, shape (starts,)
    """

    starts: int
    of: int
    seconds: Seconds
    objective: float
    objectives: np.ndarray

    @property
    def for_all(self) -> Seconds:
        """Seconds of the whole grid: measured, or in proportion when it was sampled."""
        share = self.starts / self.of
        return Seconds(self.seconds.wall / share, self.seconds.cpu / share)


def run_recipe(N: np.ndarray, D: np.ndarray, loss: np.ndarray, starts: int, delta: float) -> RecipeResult:
    """Run every start, or an evenly spread sample of `starts` of them."""
    log_N, log_D, log_loss = np.log(N), np.log(D), np.log(loss)

    def objective(x: np.ndarray) -> float:
        a, b, e, alpha, beta = x
        # The sum of exponentials is taken as it is: on this grid it overflows nowhere, and scipy's
        # logsumexp would take several times as long.
        total = np.exp(a - alpha * log_N) + np.exp(b - beta * log_D) + np.exp(e)
        size = np.abs(np.log(total) - log_loss)
        return float(np.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta)).sum())

    chosen = np.unique(np.linspace(0, len(GRID) - 1, min(starts, len(GRID))).round().astype(int))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        seconds, ends = timed(
            lambda: [minimize(objective, np.array(GRID[i]), method="L-BFGS-B").fun for i in chosen]
        )
    found = np.array(ends)
    return RecipeResult(len(chosen), len(GRID), seconds, float(np.nanmin(found)), found)
