"""Curvature of the objective and the covariance that follows from it, with runs as the independent units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.objective import Problem
from dcpt.fit.residuals import residual_sigma
from dcpt.fit.solve import walls

Array = NDArray[np.float64]

MOST_JACKKNIFED = 2000
"""Runs beyond which none weighs enough for the difference to matter."""

_RANK = 1e-12


@dataclass(frozen=True, eq=False)
class Sandwich:
    """First-order uncertainty of the free parameters.

    Attributes
    ----------
    covariance : ndarray, shape (q, q)
        Covariance of the free parameters; 0 for those on a bound.
    inverse_curvature : ndarray, shape (q, q)
        Inverse of the expected second derivative of the objective.
    runs : int
        Independent runs it rests on.
    """

    covariance: Array
    inverse_curvature: Array
    runs: int

    @property
    def standard_errors(self) -> Array:
        """Square roots of the diagonal, shape (q,)."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))


def sandwich_by_run(problem: Problem, u: Array, hold_bounds: bool = True) -> Sandwich:
    """Covariance of an M-estimate whose rows are correlated within runs.

    The middle of the sandwich is the one-step jackknife over runs (MacKinnon, Nielsen and Webb 2023,
    J. Appl. Econometrics 38:671, their CV3): leaving out run g moves the estimate by about
    (A - A_g)^-1 s_g, with A the curvature and s the score. The plain sum of squared scores is too small
    when single runs weigh much, as they do with a dozen of them. It costs one evaluation; being
    of first order it knows nothing of bent valleys and bounds, which the refits do: 95 % intervals of
    the D-CPT law's parameters covered 73 to 93 % where profiles covered 92 to 98 %
    (benchmarks/RESULTS.md).

    Parameters
    ----------
    problem : Problem
        The point fit's problem.
    u : ndarray, shape (q,)
        Its solution.
    hold_bounds : bool
        Take parameters on a bound as known; otherwise as if the bound were not there.
    """
    residual, jacobian = problem.residual_and_jacobian(u)
    q = jacobian.shape[1]
    free = np.abs(jacobian).max(axis=0) > 0
    if hold_bounds:
        free &= ~np.isin(problem.space.free_names, walls(problem, u))
    columns = jacobian[:, free]
    length = np.linalg.norm(columns, axis=0)
    columns = columns / length
    order = np.argsort(problem.data.groups, kind="stable")
    runs, first = np.unique(problem.data.groups[order], return_index=True)
    columns, residual = columns[order], residual[order]
    share = inner_share(problem, residual)
    curvature = share * (columns.T @ columns)
    score = np.clip(residual, -problem.delta, problem.delta)[:, None] * columns
    sums = np.add.reduceat(score, first, axis=0)
    k = len(runs)
    inverse = np.linalg.pinv(curvature, rcond=_RANK, hermitian=True)
    moves = sums @ inverse
    if k <= MOST_JACKKNIFED:
        outer = columns[:, :, None] * columns[:, None, :]
        parts = share * np.add.reduceat(outer, first, axis=0)
        moves = (np.linalg.pinv(curvature - parts, rcond=_RANK, hermitian=True) @ sums[..., None])[..., 0]
    moves = moves - moves.mean(axis=0)  # a bound that presses leaves a score of its own
    covariance = (k - 1) / k * (moves.T @ moves)
    full = np.zeros((2, q, q))
    full[np.ix_([0, 1], free, free)] = np.stack([covariance, inverse]) / np.outer(length, length)
    return Sandwich(full[0], full[1], k)


def inner_share(problem: Problem, residual: Array) -> float:
    """Probability of a residual inside the Huber threshold: the mean curvature of the loss.

    Where the threshold is narrow against the scatter few rows lie inside; the density at 0 is then
    read off a wider band, whose width falls with the fifth root of the number of rows.
    """
    sigma = residual_sigma(residual, len(problem.space.free))
    band = max(problem.delta, sigma * len(residual) ** -0.2)
    inside = float((np.abs(residual) <= band).mean())
    return float(max(inside * problem.delta / band, 1.0 / len(residual)))
