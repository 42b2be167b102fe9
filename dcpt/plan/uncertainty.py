"""How sure the ratio is: the trade-off solved once per bootstrap draw of the two laws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RatioSpread:
    """Distribution of the best ratio over the draws.

    Attributes
    ----------
    r : ndarray, shape (draws,)
        Best domain share of each draw; of an infeasible draw, the share of its lowest general loss.
    feasible : ndarray of bool, shape (draws,)
        Whether any share of the range keeps the ceiling in that draw.
    r_lo, r_hi : float
        Quantiles of `r` that enclose the level.
    kept_at_r : float
        Share of the draws in which the planned ratio keeps the ceiling.
    r_cautious : float or None
        The ratio with the lowest mean domain loss among those that keep the ceiling in at least the
        level's share of the draws; None when no ratio does.
    """

    r: Array
    feasible: NDArray[np.bool_]
    r_lo: float
    r_hi: float
    kept_at_r: float
    r_cautious: float | None

    @property
    def infeasible_share(self) -> float:
        """Share of the draws in which no ratio keeps the ceiling."""
        return float(1.0 - self.feasible.mean())


def spread_ratios(
    grid: Array, general: Array, domain: Array, ceilings: Array, r: float, domain_mean: Array, level: float
) -> RatioSpread:
    """Solve a trade-off with one ceiling in every draw on a grid; see `spread_answers`.

    Parameters
    ----------
    grid : ndarray, shape (n,)
        Ascending domain shares.
    general, domain : ndarray, shape (draws, n)
        Losses of each draw; row i of both comes from the same resample of the runs.
    ceilings : ndarray, shape (draws,)
        Highest general loss allowed in each draw; it varies when the base's loss is estimated.
    r : float
        The planned ratio.
    domain_mean : ndarray, shape (n,)
        Domain loss of the point fit.
    level : float
        Probability enclosed by the interval.

    Returns
    -------
    RatioSpread
    """
    return spread_answers(grid, general - ceilings[:, None], domain, r, domain_mean, level)


def spread_answers(
    grid: Array, excess: Array, value: Array, r: float, value_mean: Array, level: float
) -> RatioSpread:
    """Solve a trade-off in every draw on a grid.

    Parameters
    ----------
    grid : ndarray, shape (n,)
        Ascending domain shares.
    excess : ndarray, shape (draws, n)
        How far the nearest ceiling is exceeded; a ratio is feasible where this is 0 or less.
    value : ndarray, shape (draws, n)
        What is minimised.
    r : float
        The planned ratio.
    value_mean : ndarray, shape (n,)
        What is minimised, under the point fits.
    level : float
        Probability enclosed by the interval.

    Returns
    -------
    RatioSpread
    """
    inside = excess <= 0
    feasible = np.asarray(inside.any(axis=1), dtype=np.bool_)
    best = np.where(feasible, np.where(inside, value, np.inf).argmin(axis=1), excess.argmin(axis=1))
    ratios = _between(grid, excess, value, inside, feasible, best)
    tail = (1 - level) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    sure = inside.mean(axis=0) >= level
    cautious = float(grid[np.where(sure, value_mean, np.inf).argmin()]) if sure.any() else None
    return RatioSpread(
        r=ratios,
        feasible=feasible,
        r_lo=float(low),
        r_hi=float(high),
        kept_at_r=kept_share(at_ratios(grid, excess, np.full(len(excess), r))),
        r_cautious=cautious,
    )


def at_ratios(grid: Array, curves: Array, r: Array) -> Array:
    """Each row of `curves`, shape (draws, n), at its own ratio of `r`, shape (draws,), linearly."""
    place = np.clip(np.searchsorted(grid, r, side="right") - 1, 0, len(grid) - 2)
    part = np.clip((r - grid[place]) / (grid[place + 1] - grid[place]), 0.0, 1.0)
    rows = np.arange(len(curves))
    low, high = curves[rows, place], curves[rows, place + 1]
    return np.asarray(np.where(part == 0, low, low + part * (high - low)))


def last_kept(grid: Array, excess: Array) -> Array:
    """Largest ratio of each row of `excess`, shape (draws, n), that keeps every ceiling; else NaN."""
    inside = excess <= 0
    last = len(grid) - 1 - inside[:, ::-1].argmax(axis=1)
    rows = np.arange(len(excess))
    following = np.minimum(last + 1, len(grid) - 1)
    here, there = excess[rows, last], excess[rows, following]
    part = np.divide(-here, there - here, out=np.zeros(len(rows)), where=following > last)
    edge = grid[last] + part * (grid[following] - grid[last])
    return np.asarray(np.where(inside.any(axis=1), edge, np.nan))


def kept_share(excess: Array) -> float:
    """Share of the draws whose excess, shape (draws,), is 0 or less, up to rounding."""
    return float((excess <= 1e-12).mean())


def _between(
    grid: Array,
    excess: Array,
    value: Array,
    inside: NDArray[np.bool_],
    feasible: NDArray[np.bool_],
    best: NDArray[np.int64],
) -> Array:
    """The best ratio of each draw between the grid points: at a crossing, or at a minimum of its own."""
    rows = np.arange(len(best))
    ratios = grid[best].astype(float)
    crossed = np.zeros(len(best), dtype=bool)
    for side in (-1, 1):  # the best grid point lies next to a crossing: go on to it, if it pays
        neighbour = np.clip(best + side, 0, len(grid) - 1)
        crosses = feasible & ~inside[rows, neighbour] & (value[rows, neighbour] < value[rows, best])
        here, there = excess[rows, best], excess[rows, neighbour]
        part = np.divide(-here, there - here, out=np.zeros(len(best)), where=crosses)
        ratios = np.where(crosses, grid[best] + part * (grid[neighbour] - grid[best]), ratios)
        crossed |= crosses
    inner = feasible & ~crossed & (best > 0) & (best < len(grid) - 1)
    left, right = np.clip(best - 1, 0, None), np.clip(best + 1, None, len(grid) - 1)
    inner &= inside[rows, left] & inside[rows, right]
    a, b, c = value[rows, left], value[rows, best], value[rows, right]
    bend = a - 2 * b + c
    shift = np.divide(0.5 * (a - c), bend, out=np.zeros(len(best)), where=inner & (bend > 0))
    return np.asarray(ratios + np.clip(shift, -0.5, 0.5) * np.where(inner, grid[1] - grid[0], 0.0))
