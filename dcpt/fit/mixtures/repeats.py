"""Noise of single runs, from runs of one mixture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def repeat_variance(mixtures: Integers, values: Array) -> tuple[float, int]:
    """Pooled variance of values within mixtures, and its degrees of freedom (0 without repeats).

    Parameters
    ----------
    mixtures : ndarray of int, shape (n,)
        Number of the mixture behind each run; see `MixtureTable.mixtures`.
    values : ndarray, shape (n,)
        A loss of each run.
    """
    counts = np.bincount(mixtures)
    freedom = int((counts - 1).clip(min=0).sum())
    if not freedom:
        return 0.0, 0
    means = np.bincount(mixtures, weights=values) / counts.clip(min=1)
    return float(((values - means[mixtures]) ** 2).sum() / freedom), freedom
