"""Draws as they are used: in strips of equal likelihood, without wild ones, in their leading directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

FAR = 4.0
"""Robust standard deviations at which a draw's prediction is cut off: a few wild refits would otherwise be
the whole covariance at sizes beyond the range."""

LEADING = 24
"""Directions kept of draws: more than the laws of two sides have parameters."""


def leading(anomalies: Array) -> Array:
    """The directions in which the losses of draws move most, and what is left of the ratio, (k, columns)."""
    left, _, _ = np.linalg.svd(anomalies[:, 1:], full_matrices=False)
    some = left[:, :LEADING].T @ anomalies
    rest = np.zeros(anomalies.shape[1])
    rest[0] = np.sqrt(max(float((anomalies[:, 0] ** 2).sum() - (some[:, 0] ** 2).sum()), 0.0))
    return np.vstack([some, rest])


def even_normals(rng: np.random.Generator, count: int) -> Array:
    """Two sets of normals, shape (2, count), one in each of `count` equally likely strips.

    The law's error is most of an interval; drawn at random it would scatter the interval's width by more
    than the runs one more batch adds (McKay, Beckman and Conover 1979, Technometrics 21:239).
    """
    even = ndtri((np.arange(count) + 0.5) / count)
    return np.stack([rng.permutation(even), rng.permutation(even)])


def cut_off(values: Array) -> Array:
    """Columns cut off at `FAR` robust standard deviations about their medians."""
    middle = np.median(values, axis=0)
    spread = FAR * 1.4826 * np.median(np.abs(values - middle), axis=0)
    return np.clip(values, middle - spread, middle + spread)
