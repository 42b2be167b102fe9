"""Profile intervals: how far one parameter can move while the others make up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dcpt.core.errors import ConfigError
from dcpt.fit.batch import minimise
from dcpt.fit.objective import Problem
from dcpt.fit.sandwich import Sandwich, sandwich_by_run
from dcpt.fit.solve import Solution
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]

POINTS = 31
"""Values of each parameter."""

_FIRST_REACH = 4.0
_FURTHER = 4.0
_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Profile:
    """The best objective at given values of one parameter.

    Attributes
    ----------
    name : str
        The parameter.
    values : ndarray, shape (m,)
        Its values, ascending.
    objective : ndarray, shape (m,)
        Least objective over the other parameters.
    limit : float
        Objective up to which a value is inside the interval.
    lo, hi : float
        Ends of the interval.
    open_lo, open_hi : bool
        Whether it ends at the parameter's bound only because that is where the parameter ends.
    converged : bool
        Whether every point converged.
    """

    name: str
    values: Array
    objective: Array
    limit: float
    lo: float
    hi: float
    open_lo: bool
    open_hi: bool
    converged: bool


def profile(
    problem: Problem,
    solution: Solution,
    names: Sequence[str] | None = None,
    points: int = POINTS,
    level: float = 0.95,
) -> dict[str, Profile]:
    """Profile the objective in some parameters, all their values in one batch.

    The Huber loss is not a likelihood, so a rise of the objective has no chi-squared law of its own.
    To second order the rise at the truth is z^2 / 2 times the ratio of the parameter's variance
    (runs as independent units, `sandwich_by_run`) to the inverse curvature; the limit is set from that
    ratio with the quantile of Student's t for the number of runs. The profile then gives the
    interval the shape, and the ends at bounds, that a standard error cannot give. For independent
    rows this is the tau test of Ronchetti (Hampel et al. 1986, Robust Statistics, Sec. 7.2). What its
    95 % intervals cover on sweeps with correlated runs stands in benchmarks/RESULTS.md: 92 to 98 %.

    Parameters
    ----------
    problem, solution
        The point fit.
    names : sequence of str, optional
        Free parameters; all of them by default.
    points : int
        Values of each parameter, 5 or more.
    level : float
        Probability of the intervals.

    Returns
    -------
    dict
        Parameter name to its profile.

    Raises
    ------
    ConfigError
        When a name is not a free parameter, or `points` or `level` is out of range.
    """
    free = problem.space.free_names
    chosen = tuple(free if names is None else names)
    for name in chosen:
        if name not in free:
            raise ConfigError(f"profile: {name!r} is not a free parameter; there are {', '.join(free)}.")
    if points < 5 or not 0 < level < 1:
        raise ConfigError(f"profile: points is {points}, level {level}; wanted 5 or more and 0 < level < 1.")
    with one_thread():
        sandwich = sandwich_by_run(problem, solution.u, hold_bounds=False)
        limits = _limits(solution, sandwich, level)
        found: dict[str, Profile] = {}
        reach = np.array([_reach(problem, solution, sandwich, free.index(name)) for name in chosen])
        left = list(range(len(chosen)))
        for _ in range(_ROUNDS):
            grids = [_grid(problem, solution, free.index(chosen[i]), reach[i], points) for i in left]
            curves = _curves(problem, solution, sandwich, [free.index(chosen[i]) for i in left], grids)
            again = []
            for i, grid, (objective, converged) in zip(left, grids, curves, strict=True):
                index = free.index(chosen[i])
                item = _interval(problem, chosen[i], index, grid, objective, limits[index], converged)
                found[chosen[i]] = item
                lower, upper = (bound[index] for bound in problem.space.box)
                short = [item.open_lo and grid[0] > lower, item.open_hi and grid[-1] < upper]
                if any(short):
                    reach[i] *= np.where(short, _FURTHER, 1.0)
                    again.append(i)
            left = again
            if not left:
                break
    return {name: found[name] for name in chosen}


def _limits(solution: Solution, sandwich: Sandwich, level: float) -> Array:
    """Objective at the ends of each parameter's interval, shape (q,)."""
    variance, curvature = np.diag(sandwich.covariance), np.diag(sandwich.inverse_curvature)
    known = curvature > 0
    ratio = np.divide(variance, curvature, out=np.zeros_like(variance), where=known)
    # A parameter whose term is off has no variance of its own; it takes the others' usual ratio.
    ratio = np.where(known, ratio, np.median(ratio[known]) if known.any() else 0.0)
    quantile = float(stdtrit(max(sandwich.runs - 1, 1), 0.5 + level / 2))
    return np.asarray(solution.objective + 0.5 * ratio * quantile**2)


def _reach(problem: Problem, solution: Solution, sandwich: Sandwich, index: int) -> tuple[float, float]:
    """First reach of a grid to either side."""
    lower, upper = (bound[index] for bound in problem.space.box)
    step = _FIRST_REACH * float(sandwich.standard_errors[index])
    if step <= 0:
        step = 0.1 * max(abs(float(solution.u[index])), 1e-3 * (upper - lower))
    return step, step


def _grid(problem: Problem, solution: Solution, index: int, reach: Array, points: int) -> Array:
    lower, upper = (float(bound[index]) for bound in problem.space.box)
    centre = float(solution.u[index])
    below = np.linspace(max(lower, centre - reach[0]), centre, points // 2 + 1)[:-1]
    above = np.linspace(centre, min(upper, centre + reach[1]), points - points // 2)
    return np.unique(np.concatenate([below, above]))


def _curves(
    problem: Problem, solution: Solution, sandwich: Sandwich, indices: list[int], grids: list[Array]
) -> list[tuple[Array, bool]]:
    """Least objectives on every grid, with the others starting where the curvature sends them."""
    lower, upper = problem.space.box
    sizes = [len(grid) for grid in grids]
    owner = np.repeat(np.arange(len(grids)), sizes)
    index, value = np.repeat(indices, sizes), np.concatenate(grids)
    rows = np.arange(len(value))
    low, high = np.tile(lower, (len(value), 1)), np.tile(upper, (len(value), 1))
    low[rows, index] = high[rows, index] = value
    inverse = sandwich.inverse_curvature
    diagonal = np.diag(inverse)[index]
    slope = np.divide(inverse[index], diagonal[:, None], out=np.zeros_like(low), where=diagonal[:, None] > 0)
    move = (value - solution.u[index])[:, None] * slope
    starts = np.clip(solution.u + move, low, high)
    best = minimise(problem.evaluator, starts, (low, high), (problem.delta,))
    objective, u, converged = best.objective, best.u, best.converged
    for step in (1, -1):  # a neighbour's end may lead into a better valley
        other = rows + step
        beside = (other >= 0) & (other < len(rows))
        beside[beside] = owner[other[beside]] == owner[beside]
        mine, theirs = rows[beside], other[beside]
        second = minimise(
            problem.evaluator,
            np.clip(u[theirs], low[mine], high[mine]),
            (low[mine], high[mine]),
            (problem.delta,),
        )
        lower_now = second.objective < objective[mine]
        objective[mine] = np.where(lower_now, second.objective, objective[mine])
        converged[mine] = np.where(lower_now, second.converged, converged[mine])
        u[mine[lower_now]] = second.u[lower_now]
    return [(objective[owner == i], bool(converged[owner == i].all())) for i in range(len(grids))]


def _interval(
    problem: Problem, name: str, index: int, values: Array, objective: Array, limit: float, converged: bool
) -> Profile:
    least = int(objective.argmin())
    lo, open_lo = _crossing(values[: least + 1][::-1], objective[: least + 1][::-1], limit)
    hi, open_hi = _crossing(values[least:], objective[least:], limit)
    return Profile(name, values, objective, limit, lo, hi, open_lo, open_hi, converged)


def _crossing(values: Array, objective: Array, limit: float) -> tuple[float, bool]:
    """Where the objective first passes the limit, going away from its minimum."""
    above = np.flatnonzero(objective > limit)
    if not len(above):
        return float(values[-1]), True
    i = int(above[0])
    if i == 0:
        return float(values[0]), False
    # The root of the rise is nearly straight in the parameter.
    base = min(float(objective[0]), limit)
    inner, outer, wanted = (np.sqrt(max(x - base, 0.0)) for x in (objective[i - 1], objective[i], limit))
    share = (wanted - inner) / (outer - inner)
    return float(values[i - 1] + share * (values[i] - values[i - 1])), False
