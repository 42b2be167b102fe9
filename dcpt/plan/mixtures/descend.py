"""From one mixture downhill along the slopes of a predictor, to where no rule lets it go further."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from dcpt.plan.mixtures.problem import Problem

Array = NDArray[np.float64]

_STEPS = 150


class _Losses:
    """Losses and slopes at the last mixture asked for: solver and constraints ask for the same one."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._at: Array | None = None
        self._found: tuple[Array, Array] = (np.empty(0), np.empty((0, 0)))

    def __call__(self, x: Array) -> tuple[Array, Array]:
        if self._at is None or not np.array_equal(x, self._at):
            # Steps of the solver keep the sum up to rounding; predictors want it to hold.
            shares = np.clip(x, 0.0, 1.0)
            losses, slopes = self._problem.surface.smooth_losses((shares / shares.sum())[None])
            self._at, self._found = x.copy(), (losses[0], slopes[0])
        return self._found


def descend(problem: Problem, start: Array, done: float) -> Array:
    """Sequential quadratic programming (scipy's SLSQP) from a mixture of the region.

    Parameters
    ----------
    problem : Problem
        Its surface must have a smooth part, which is what is followed.
    start : ndarray, shape (p,)
        A mixture of the region.
    done : float
        Change of the goal, in units of its scale, at which it ends.

    Returns
    -------
    ndarray, shape (p,)
        A mixture of the region; of `worst` and of ceilings the solver may have stopped a rounding beyond.
    """
    at, region, goal = _Losses(problem), problem.region, problem.goal
    width, scale = len(start), problem.scale
    extra = 1 if goal.worst else 0
    e, f = region.equalities
    # Shares that are fixed stand in the bounds; as equalities beside them they make the steps singular.
    free = region.low < region.high
    keep = np.abs(e[:, free]).sum(axis=1) > 0
    constraints: list[dict[str, Any]] = [_linear("eq", e[keep], f[keep], extra)]
    members, low, high = region.rows
    open_rows = low < high
    if open_rows.any():
        a = np.vstack([members[open_rows], -members[open_rows]])
        constraints.append(_linear("ineq", a, np.r_[low[open_rows], -high[open_rows]], extra))
    if problem.columns:
        columns = list(problem.columns)
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda x: (problem.ceilings - at(x[:width])[0][columns]) / scale,
                "jac": lambda x: _padded(-at(x[:width])[1][columns] / scale, extra),
            }
        )
    if not goal.worst:

        def objective(x: Array) -> tuple[float, Array]:
            losses, slopes = at(x)
            return float(losses @ goal.factor) / scale, goal.factor @ slopes / scale

        begin = start
    else:
        counts = goal.columns

        def objective(x: Array) -> tuple[float, Array]:
            return float(x[-1]), np.r_[np.zeros(width), 1.0]

        constraints.append(
            {
                "type": "ineq",
                "fun": lambda x: (
                    x[-1] - (at(x[:width])[0][counts] * goal.factor[counts] + goal.offset[counts]) / scale
                ),
                "jac": lambda x: np.column_stack(
                    [-at(x[:width])[1][counts] * goal.factor[counts, None] / scale, np.ones(len(counts))]
                ),
            }
        )
        begin = np.r_[start, float(goal.value(at(start)[0])) / scale]
    bounds = [*zip(region.low, region.high, strict=True), *[(None, None)] * extra]
    found = minimize(
        objective,
        begin,
        jac=True,
        method="SLSQP",
        bounds=bounds,
        constraints=constraints,
        options={"maxiter": _STEPS, "ftol": done},
    )
    end = np.asarray(found.x[:width], dtype=np.float64)
    return region.snap(end) if np.isfinite(end).all() else start


def _linear(kind: str, a: Array, b: Array, extra: int) -> dict[str, Any]:
    slopes = _padded(a, extra)
    return {"type": kind, "fun": lambda x: a @ x[: a.shape[1]] - b, "jac": lambda x: slopes}


def _padded(slopes: Array, extra: int) -> Array:
    return np.column_stack([slopes, np.zeros((len(slopes), extra))]) if extra else np.asarray(slopes)
