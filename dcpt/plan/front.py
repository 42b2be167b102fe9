"""The Pareto front of two losses along the ratio, with a band from the draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

COLUMNS = ("r", "general", "general_lo", "general_hi", "domain", "reached")


def efficient(losses: Sequence[Array]) -> Flags:
    """Which points no other point beats in one loss without losing in another.

    Parameters
    ----------
    losses : sequence of ndarray, shape (..., n)
        Two losses or more, along the last axis.

    Returns
    -------
    ndarray of bool, shape (..., n)
    """
    stack = np.stack([np.asarray(item, dtype=np.float64) for item in losses])
    here, there = stack[..., :, None], stack[..., None, :]
    beaten = (there <= here).all(axis=0) & (there < here).any(axis=0)
    return np.asarray(~beaten.any(axis=-1))


def pareto_front(
    r: Array, general: Array, domain: Array, drawn_general: Array, drawn_domain: Array, level: float
) -> pd.DataFrame:
    """The non-dominated ratios, and how low the general loss can be at each of their domain losses.

    Parameters
    ----------
    r, general, domain : ndarray, shape (n,)
        Ratios and the point fits' losses.
    drawn_general, drawn_domain : ndarray, shape (draws, n)
        Losses of paired draws; no rows give no band.
    level : float
        Probability of the band.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, by ascending domain loss. ``general_lo`` and ``general_hi`` enclose, over the
        draws that reach the row's domain loss at any ratio, the least general loss at which they do;
        ``reached`` is the share of the draws that do.
    """
    kept = np.flatnonzero(efficient([general, domain]))
    kept = kept[np.argsort(domain[kept], kind="stable")]
    rows = {"r": r[kept], "general": general[kept], "domain": domain[kept]}
    low, high, reached = (np.full(len(kept), np.nan) for _ in range(3))
    if len(drawn_domain) > 1:
        order = np.argsort(drawn_domain, axis=1)
        ordered = np.take_along_axis(drawn_domain, order, axis=1)
        least = np.minimum.accumulate(np.take_along_axis(drawn_general, order, axis=1), axis=1)
        counts = np.array([np.searchsorted(row, rows["domain"], side="right") for row in ordered])
        reached = (counts > 0).mean(axis=0)
        best = np.where(counts > 0, np.take_along_axis(least, np.maximum(counts - 1, 0), axis=1), np.inf)
        low, high = _quantiles(np.sort(best, axis=0), (counts > 0).sum(axis=0), level)
    frame = pd.DataFrame({**rows, "general_lo": low, "general_hi": high, "reached": reached})
    return frame[list(COLUMNS)]


def _quantiles(ordered: Array, counts: NDArray[np.int64], level: float) -> tuple[Array, Array]:
    """Ends of the middle `level` of the first `counts` values of each ascending column; NaN without any."""
    columns = np.arange(ordered.shape[1])
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = share * np.maximum(counts - 1, 0)
        below = place.astype(int)
        above = np.minimum(below + 1, np.maximum(counts - 1, 0))
        start, end = ordered[below, columns], ordered[above, columns]
        with np.errstate(invalid="ignore"):
            value = start + (place - below) * (end - start)
        ends.append(np.where(counts > 0, value, np.nan))
    return ends[0], ends[1]
