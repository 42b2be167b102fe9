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


def offset_draws(draws: Array, log_sd: float, rng: np.random.Generator) -> Array:
    """Shift every draw's curve by one log offset: an error of the law common to all ratios.

    Parameters
    ----------
    draws : ndarray, shape (draws, n)
        Mean losses of each draw.
    log_sd : float
        Standard deviation of the logarithm of an observation about the law at this target: run-to-run
        scatter and error of extrapolation.
    rng : Generator
        Source of the offsets.

    Returns
    -------
    ndarray, shape (draws, n)
    """
    return np.asarray(draws * np.exp(log_sd * rng.standard_normal(len(draws)))[:, None])


def spread_ratios(
    grid: Array, general: Array, domain: Array, ceilings: Array, r: float, domain_mean: Array, level: float
) -> RatioSpread:
    """Solve the trade-off in every draw on a grid.

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
    excess = general - ceilings[:, None]
    inside = excess <= 0
    feasible = inside.any(axis=1)
    masked = np.where(inside, domain, np.inf)
    best = np.where(feasible, masked.argmin(axis=1), general.argmin(axis=1))
    ratios = grid[best].astype(float)
    rows = np.arange(len(best))
    for side in (-1, 1):  # the best grid point lies next to a crossing: go on to it, if it pays
        neighbour = np.clip(best + side, 0, len(grid) - 1)
        crosses = feasible & ~inside[rows, neighbour] & (domain[rows, neighbour] < domain[rows, best])
        here, there = excess[rows, best], excess[rows, neighbour]
        part = np.divide(-here, there - here, out=np.zeros(len(best)), where=crosses)
        ratios = np.where(crosses, grid[best] + part * (grid[neighbour] - grid[best]), ratios)
    tail = (1 - level) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    kept = inside.mean(axis=0)
    sure = kept >= level
    cautious = float(grid[np.where(sure, domain_mean, np.inf).argmin()]) if sure.any() else None
    at_r = np.array([np.interp(r, grid, row) for row in excess])
    return RatioSpread(
        r=ratios,
        feasible=np.asarray(feasible, dtype=np.bool_),
        r_lo=float(low),
        r_hi=float(high),
        kept_at_r=float((at_r <= 1e-12).mean()),
        r_cautious=cautious,
    )
