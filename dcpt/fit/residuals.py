"""The scatter of measurements around a fitted law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

NORMAL = 1.4826
"""Standard deviation over median size of normal residuals (Rousseeuw and Croux 1993,
J. Am. Stat. Assoc. 88:1273)."""

FAR = 6.0
"""Median residual sizes from which a row is an outlier: 4 standard deviations of normal ones."""


FLAT = 1e-4
"""Relative scatter of losses below which they hardly vary: less than any evaluation's noise."""


def hardly_varies(losses: Array) -> bool:
    """Whether losses, shape (n,), scatter by less than `FLAT` of themselves."""
    return bool(np.log(losses).std() < FLAT)


def residual_sigma(residual: Array, parameters: int) -> float:
    """Robust standard deviation of log residuals: 1.4826 x their median size, for the freedom left.

    The square root of n / (n - parameters) makes up for fitting them.
    """
    freedom = max(len(residual) - parameters, 1)
    return float(NORMAL * np.median(np.abs(residual)) * np.sqrt(len(residual) / freedom))


def outliers(residual: Array, delta: float) -> Integers:
    """Rows farther than `FAR` median residual sizes and than the Huber threshold, the farthest first.

    Inside the threshold a row pulls like any other, however small the rest of the residuals are.
    """
    size = np.abs(residual)
    far = np.flatnonzero(size > max(FAR * float(np.median(size)), delta))
    return np.asarray(far[np.argsort(-size[far], kind="stable")], dtype=np.int64)


def lag_correlation(residual: Array, groups: Integers, order: Array) -> float | None:
    """Correlation of neighbouring residuals of a run, pooled over runs.

    Parameters
    ----------
    residual : ndarray, shape (n,)
        Log residuals.
    groups : ndarray of int, shape (n,)
        Run of each row.
    order : ndarray, shape (n,)
        What the rows of a run are ordered by: tokens.

    Returns
    -------
    float or None
        None without two rows in any run, or without scatter.
    """
    place = np.lexsort([order, groups])
    value, run = residual[place] - residual.mean(), groups[place]
    together = run[1:] == run[:-1]
    if not together.any():
        return None
    one, two = value[:-1][together], value[1:][together]
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum() / scale) if scale > 0 else None
