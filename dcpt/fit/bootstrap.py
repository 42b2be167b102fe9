"""Uncertainty by resampling runs: what the law would be, had other runs of the same design been drawn."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.batch import BatchSolution, solve_batch
from dcpt.fit.dataset import FitData
from dcpt.fit.objective import Problem
from dcpt.fit.solve import AGREEMENT, snap, solve_from

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS = 400
"""Default number of refits: the ends of a 90 % interval are then good to about 0.12 standard deviations."""

WIDE = 30.0
"""Factor of the second start's Huber threshold: nearly least squares, where the valleys have no kinks."""

ROUGH = 1e-4
"""Relative gain at which that start is good enough."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Parameters refitted to resampled runs.

    Attributes
    ----------
    theta : ndarray, shape (n_draws, p)
        Parameters of the refits that converged.
    resamples : ndarray of int, shape (n_draws,)
        Number of the resample each of them was refitted to, ascending from 0. It is the same resample
        in every fit of the same runs in the same order and of the same seed, whichever refits fail.
    converged : float
        Share of the refits that converged.
    """

    theta: Array
    resamples: Integers
    converged: float


def run_weights(data: FitData, draws: int, seed: int) -> Array:
    """How often each row counts in every resample, shape (draws, n).

    Runs are drawn with replacement among the runs of their model size, one fewer than there are,
    and scaled up to the full number: with few runs per size a plain bootstrap understates the
    variance by (k - 1) / k (Rao and Wu 1988, J. Am. Stat. Assoc. 83:231). A size with one run keeps it.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((draws, len(data)))
    for size in np.unique(data.N):
        runs = np.unique(data.groups[size == data.N])
        k = len(runs)
        if k < 2:
            continue
        counts = rng.multinomial(k - 1, np.full(k, 1 / k), size=draws) * (k / (k - 1))
        for column, run in enumerate(runs):
            weights[:, data.groups == run] = counts[:, column : column + 1]
    return weights


def resample(problem: Problem, u: Array, draws: int, seed: int) -> Draws:
    """Refit to resampled runs, each refit starting from the point fit.

    Parameters
    ----------
    problem : Problem
        The point fit's problem.
    u : ndarray, shape (q,)
        Its solution.
    draws, seed : int
        Number of resamples and the seed they are drawn with.
    """
    p = len(problem.law.names)
    if draws == 0:
        return Draws(np.empty((0, p)), np.empty(0, dtype=np.int64), 1.0)
    with one_thread():
        solution = refit(problem, u, run_weights(problem.data, draws, seed))
    theta = problem.space.expand(solution.u[solution.converged])[0]
    return Draws(theta, np.flatnonzero(solution.converged), float(solution.converged.mean()))


def one_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread: on many small matrices more threads only wait for each other.

    Without threadpoolctl nothing is changed; OMP_NUM_THREADS in the environment does the same.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def refit(problem: Problem, u: Array, weights: Array) -> BatchSolution:
    """Refit to every weight vector, shape (b, n), starting near the point fit `u`.

    Each refit is solved twice, straight from the point fit and by way of a wider Huber threshold,
    and keeps the better end; the few that do not converge go on in the slower trust-region solver.
    """
    starts = np.tile(u, (len(weights), 1))
    near = solve_batch(problem, starts, weights)
    wide = solve_batch(problem, starts, weights, delta=WIDE * problem.delta, gain=ROUGH)
    far = solve_batch(problem, wide.u, weights)
    better = far.objective < near.objective * (1 - AGREEMENT)
    ends = np.where(better[:, None], far.u, near.u)
    objective = np.where(better, far.objective, near.objective)
    converged = np.where(better, far.converged, near.converged)
    for index in np.flatnonzero(~converged):
        end, value, good = solve_from(problem, ends[index], weights=weights[index])
        if value <= objective[index] * (1 + AGREEMENT):
            ends[index] = snap(problem, end, weights[index])
            objective[index], converged[index] = value, good
    return BatchSolution(ends, objective, converged)
