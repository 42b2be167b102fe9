"""Many refits at once: a bounded Levenberg-Marquardt method over a batch of weight vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.objective import Problem, huber

Array = NDArray[np.float64]

ITERATIONS = 2000
GAIN = 1e-8
"""Relative gain of the objective that a step must promise for the refit to go on."""

_PATIENCE = 3
_DAMPING = (1e-6, 1e8)


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """Ends of a batch of refits.

    Attributes
    ----------
    u : ndarray, shape (b, q)
        Free parameters.
    objective : ndarray, shape (b,)
        Weighted sum of the Huber losses.
    converged : ndarray of bool, shape (b,)
        Whether the last steps promised no more than `GAIN`.
    """

    u: Array
    objective: Array
    converged: NDArray[np.bool_]


def solve_batch(
    problem: Problem,
    starts: Array,
    weights: Array,
    delta: float | None = None,
    gain: float = GAIN,
) -> BatchSolution:
    """Minimise the weighted objective for every weight vector.

    The Huber loss is a parabola for the rows inside the threshold and has no curvature outside it.
    Each step solves with the curvature of the rows inside (Newton's step) plus a damping in the
    metric of all rows, reweighted as in iteratively reweighted least squares; large damping gives a
    short reweighted step, which always descends.

    Parameters
    ----------
    problem : Problem
        Law, data and free parameters.
    starts : ndarray, shape (b, q)
        Where each refit starts.
    weights : ndarray, shape (b, n)
        How often each row counts.
    delta : float, optional
        Huber threshold, the problem's own by default.
    gain : float
        Relative gain below which a refit ends.
    """
    delta = problem.delta if delta is None else delta
    lower, upper = problem.space.box
    ends = np.clip(starts, lower, upper).astype(np.float64)
    count = len(ends)
    objective = np.empty(count)
    converged = np.zeros(count, dtype=bool)
    live = np.arange(count)
    u = ends.copy()
    w = weights
    residual, jacobian = problem.residual_and_jacobian(u)
    value = (huber(residual, delta) * w).sum(axis=1)
    damping = np.full(count, 1.0)
    quiet = np.zeros(count, dtype=np.int64)
    for _ in range(ITERATIONS):
        step, promised = _step(residual, jacobian, w, u, lower, upper, damping, delta)
        trial = np.clip(u + step, lower, upper)
        new_residual, new_jacobian = problem.residual_and_jacobian(trial)
        new_value = (huber(new_residual, delta) * w).sum(axis=1)
        better = new_value < value
        gained = np.where(better, value - new_value, 0.0)
        small = np.maximum(promised, gained) <= gain * value + 1e-18
        quiet = np.where(small, quiet + 1, np.where(better, 0, quiet))
        faithful = gained > 0.25 * promised
        damping = np.where(better, np.where(faithful, damping / 5, damping), damping * 4)
        damping = np.clip(damping, *_DAMPING)
        u[better] = trial[better]
        residual[better] = new_residual[better]
        jacobian[better] = new_jacobian[better]
        value[better] = new_value[better]
        done = quiet >= _PATIENCE
        if done.any():
            finished = live[done]
            ends[finished], objective[finished], converged[finished] = u[done], value[done], True
            stay = ~done
            live, u, w, damping, quiet = live[stay], u[stay], w[stay], damping[stay], quiet[stay]
            residual, jacobian, value = residual[stay], jacobian[stay], value[stay]
            if not len(live):
                break
    ends[live], objective[live] = u, value
    return BatchSolution(ends, objective, converged)


def _step(
    residual: Array,
    jacobian: Array,
    w: Array,
    u: Array,
    lower: Array,
    upper: Array,
    damping: Array,
    delta: float,
) -> tuple[Array, Array]:
    """Steps of shape (b, q) inside the bounds, and the gains they promise, (b,)."""
    size = np.abs(residual)
    inside = size <= delta
    pull = w * np.where(inside, 1.0, delta / np.maximum(size, delta))
    gradient = np.einsum("bnq,bn->bq", jacobian, pull * residual)
    weighted = jacobian.transpose(0, 2, 1)
    metric = (weighted * pull[:, None, :]) @ jacobian
    newton = (weighted * (w * inside)[:, None, :]) @ jacobian
    scale = np.sqrt(np.maximum(np.einsum("bqq->bq", metric), 1e-300))
    metric = metric / (scale[:, :, None] * scale[:, None, :])
    newton = newton / (scale[:, :, None] * scale[:, None, :])
    eye = np.eye(u.shape[1])
    matrix = newton + damping[:, None, None] * (metric + 1e-3 * eye) + 1e-13 * eye
    slope = gradient / scale
    low, high = (lower - u) * scale, (upper - u) * scale  # the step's own bounds
    stuck = ((low >= 0) & (slope > 0)) | ((high <= 0) & (slope < 0))
    step = np.zeros_like(u)
    for _ in range(3):  # solve, hold what would cross a bound at the bound, solve the rest again
        held = np.where(stuck, step, 0.0)
        right = -slope - np.einsum("bij,bj->bi", matrix, held)
        system = np.where(stuck[:, :, None] | stuck[:, None, :], 0.0, matrix) + stuck[:, :, None] * eye
        answer = np.linalg.solve(system, np.where(stuck, held, right)[..., None])[..., 0]
        step = np.clip(answer, low, high)
        crossed = (answer < low) | (answer > high)
        if not crossed.any():
            break
        stuck = stuck | crossed
    bent = np.einsum("bij,bj->bi", matrix, step)
    promised = -(slope * step).sum(axis=1) - 0.5 * (step * bent).sum(axis=1)
    return step / scale, np.maximum(promised, 0.0)
