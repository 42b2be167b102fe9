"""One bounded step of the batched solver: many small systems, each held inside its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RIDGE = 1e-14


@dataclass(frozen=True, eq=False)
class Step:
    """Steps of a batch and what is needed to bend them.

    Attributes
    ----------
    u : ndarray, shape (b, q)
        The steps, inside the box.
    promised : ndarray, shape (b,)
        What the quadratic model says they gain.
    scale : ndarray, shape (b, q)
        Length of each Jacobian column, the unit the systems are solved in.
    system : ndarray, shape (b, q, q)
        The damped matrices, with rows of 0 and 1 for held parameters.
    held : ndarray of bool, shape (b, q)
        Parameters that the bounds hold.
    """

    u: Array
    promised: Array
    scale: Array
    system: Array
    held: Mask


def bounded_step(gram: Array, gradient: Array, damping: Array, low: Array, high: Array) -> Step:
    """Minimise gradient * step + step * (gram + damping * diagonal) * step / 2 inside a box.

    Parameters that would leave the box are put on its wall and the others solved for again, as in an
    active-set method; a parameter on a wall whose gradient points out of the box is not moved.

    Parameters
    ----------
    gram : ndarray, shape (b, q, q)
        Curvature.
    gradient : ndarray, shape (b, q)
    damping : ndarray, shape (b,)
        Share of the diagonal that is added to it.
    low, high : ndarray, shape (b, q)
        Bounds of the step; low <= 0 <= high.
    """
    q = gradient.shape[1]
    scale = np.sqrt(np.einsum("bqq->bq", gram))
    scale = np.where(scale > 0, scale, 1.0)
    matrix = gram / scale[:, :, None]
    matrix /= scale[:, None, :]
    matrix[:, range(q), range(q)] += damping[:, None] + _RIDGE
    slope = gradient / scale
    low, high = low * scale, high * scale
    stuck = ((low >= 0) & (slope >= 0)) | ((high <= 0) & (slope <= 0))
    step = _solve(matrix, -slope, np.zeros_like(slope), stuck)
    crossed = ((step < low) | (step > high)).any(axis=1)
    if crossed.any():
        some = np.flatnonzero(crossed)
        parts = (matrix[some], slope[some], low[some], high[some])
        step[some], stuck[some] = _stop_at_walls(step[some], stuck[some], *parts)
    return Step(step / scale, _promise(matrix, slope, step), scale, matrix, stuck)


def _promise(matrix: Array, slope: Array, step: Array) -> Array:
    bent = (matrix @ step[..., None])[..., 0]
    return np.asarray(-(slope * step).sum(axis=1) - 0.5 * (step * bent).sum(axis=1))


def _stop_at_walls(
    step: Array, stuck: Mask, matrix: Array, slope: Array, low: Array, high: Array
) -> tuple[Array, Mask]:
    """Replace steps that leave the box.

    The parameter that meets its wall first is put on it and the others solved for again, until all
    are inside; where that promises less than stopping at the first wall, the step stops there.
    """
    share = _reach(step, low, high)
    short = np.clip(step * share.min(axis=1)[:, None], low, high)
    for _ in range(step.shape[1]):
        share = _reach(step, low, high)
        first = share.argmin(axis=1)
        some = np.flatnonzero(share[np.arange(len(step)), first] < 1.0)
        if not len(some):
            break
        stuck[some, first[some]] = True
        step[some] = np.clip(step[some], low[some], high[some])
        step[some] = _solve(matrix[some], -slope[some], step[some], stuck[some])
    step = np.clip(step, low, high)
    better = _promise(matrix, slope, step) >= _promise(matrix, slope, short)
    return np.where(better[:, None], step, short), stuck


def _reach(step: Array, low: Array, high: Array) -> Array:
    """Share of each step until its wall; 1 for those inside."""
    wall = np.where(step < 0, low, high)
    outside = (step < low) | (step > high)
    return np.divide(wall, step, out=np.ones_like(step), where=outside)


def bend(step: Step, gradient: Array) -> Array:
    """Solve the same systems for another gradient, shape (b, q), with the held parameters still."""
    right = -gradient / step.scale
    return _solve(step.system, right, np.zeros_like(right), step.held) / step.scale


def _solve(matrix: Array, right: Array, step: Array, stuck: Mask) -> Array:
    """Solve for the parameters that are not stuck; those keep their value in `step`."""
    if stuck.any():
        fixed = np.where(stuck, step, 0.0)
        right = np.where(stuck, fixed, right - (matrix @ fixed[..., None])[..., 0])
        loose = ~stuck
        matrix = matrix * (loose[:, :, None] & loose[:, None, :])
        matrix[:, range(stuck.shape[1]), range(stuck.shape[1])] += stuck
    try:
        return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        size = np.abs(np.einsum("bqq->bq", matrix))
        extra = 1e-8 * size[:, :, None] * np.eye(stuck.shape[1])
        return np.asarray(np.linalg.solve(matrix + extra, right[..., None])[..., 0])
