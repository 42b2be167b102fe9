"""Uncertainty by resampling runs: what the law would be, had other runs of the same design been drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from dcpt.fit.batch import BatchSolution, minimise
from dcpt.fit.dataset import FitData
from dcpt.fit.objective import Problem
from dcpt.fit.solve import AGREEMENT, snap, solve, solve_from
from dcpt.fit.starts import start_grid
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS = 400
"""Default number of refits: the ends of a 90 % interval are then good to about 0.12 standard deviations."""

WIDE = 30.0
"""Factor of the Huber threshold of the other ways: nearly least squares, where the valleys have no kinks."""

LONE_SIZES = 5
"""Sizes with a single run from which these are drawn together. Among fewer, a resample would too often
hold one or two of them only."""

PILOT = 64
"""Refits that show whether another way finds anything."""

RIVAL, MOST_RIVALS = 1.5, 2
"""Objective, relative to the least, up to which another optimum is a rival, and how many are tried."""

SHARE = 0.75
"""Runs drawn from a stratum of k, in k - 1. At all of them intervals of rare mixtures were too wide, at
less than two thirds those at the edge of the ratios too narrow."""

ROUGH = 1e-3
"""Relative gain at which those starts are good enough."""


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
    """Weight of each row in every resample, shape (draws, n).

    Of the k runs of a stratum m, about `SHARE` of k - 1, are drawn with replacement, and their counts are
    mixed with equal weights so that the variance of a weight is k / (k - 1) times that of a plain
    bootstrap, which understates it with few runs per size (Rao, Wu and Yue 1992, Survey Methodology
    18:209; with m = k - 1 it is Rao and Wu 1988, J. Am. Stat. Assoc. 83:231). Drawing fewer leaves every
    run some weight: a resample without the only run of a rare mixture would send a steep coefficient
    to its bound. The weights spread a little more where few runs in all tell their scatter, by `few_runs`.
    When every row is a run of its own this resamples points.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((draws, len(data)))
    groups = strata(data)
    stretch = few_runs(sum(map(len, groups)) - len(groups))
    for runs in groups:
        k = len(runs)
        if k < 2:
            continue
        m = max(1, min(round(SHARE * (k - 1)), int((k - 1) / stretch**2)))
        part = min(1.0, stretch * np.sqrt(m / (k - 1)))
        counts = rng.multinomial(m, np.full(k, 1 / k), size=draws) * (k / m)
        place = np.searchsorted(runs, data.groups)
        mine = np.isin(data.groups, runs)
        weights[:, mine] = (1 - part + part * counts)[:, place[mine]]
    return weights


def few_runs(freedom: int) -> float:
    """How much wider a 95 % interval of Student's t is than the normal one; 1 without any freedom."""
    return float(stdtrit(freedom, 0.975) / ndtri(0.975)) if freedom > 0 else 1.0


def strata(data: FitData) -> list[Integers]:
    """Runs that are drawn among each other: those of one model size.

    Sizes with one run each, as in designs where every run has its own N, are drawn together when
    there are `LONE_SIZES` of them; fewer are kept as they are, with weight 1.
    """
    sizes = [np.unique(data.groups[size == data.N]) for size in np.unique(data.N)]
    several = [runs for runs in sizes if len(runs) > 1]
    alone = [runs for runs in sizes if len(runs) == 1]
    if len(alone) >= LONE_SIZES:
        return [*several, np.unique(np.concatenate(alone))]
    return [*several, *alone]


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


def refit(problem: Problem, u: Array, weights: Array) -> BatchSolution:
    """Refit to every weight vector, shape (b, n), starting near the point fit `u`.

    Each refit starts at the point fit. Others come by way of a wide Huber threshold, whose optimum
    has no kinks, and from the point fit's other optima where there are any; where they find less than
    the first they are kept. A way that never does so among the first `PILOT` refits is not gone by the
    rest. The few refits that do not converge go on in the slower trust-region solver.
    """
    box, delta = problem.space.box, problem.delta
    near = minimise(problem.evaluator, np.tile(u, (len(weights), 1)), box, (delta,), weights)
    ends, objective, converged, steps = near.u, near.objective, near.converged, near.steps

    def go(start: Array, members: Integers) -> int:
        rough = minimise(
            problem.evaluator,
            np.tile(start, (len(members), 1)),
            box,
            (WIDE * delta, delta),
            weights[members],
            ROUGH,
        )
        steps[members] += rough.steps
        better = (rough.objective < objective[members] * (1 - AGREEMENT)) | ~converged[members]
        members = members[better]
        fine = minimise(problem.evaluator, rough.u[better], box, (delta,), weights[members])
        steps[members] += fine.steps
        lower = fine.objective < objective[members] * (1 - AGREEMENT)
        equal = fine.objective <= objective[members] * (1 + AGREEMENT)
        chosen = lower | (equal & fine.converged & ~converged[members])
        members = members[chosen]
        ends[members], objective[members] = fine.u[chosen], fine.objective[chosen]
        converged[members] = fine.converged[chosen]
        return int(lower.sum())

    pilot = np.arange(min(PILOT, len(weights)))
    for start in [u, *_rivals(problem)]:
        rest = np.arange(len(pilot), len(weights))
        go(start, rest if go(start, pilot) else rest[~converged[rest]])
    for index in np.flatnonzero(~converged):
        end, value, good = solve_from(problem, ends[index], weights=weights[index])
        if value <= objective[index] * (1 + AGREEMENT):
            ends[index] = snap(problem, end, weights[index])
            objective[index], converged[index] = value, good
    return BatchSolution(ends, objective, converged, steps)


def _rivals(problem: Problem) -> Array:
    """Other optima of the point fit that a resample might prefer, shape (k, q)."""
    solution = solve(problem, start_grid(problem.law, problem.data, problem.space))
    level = [float(problem.objective(end)) for end in solution.ends]
    near = np.array(level) <= RIVAL * level[0]
    near[0] = False
    return np.asarray(solution.ends[near][:MOST_RIVALS])
