"""How an error measured on a hold-out grows towards a target that lies farther out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

GROWTH = 0.25
"""Power of the log distance that the error is taken to grow with. Between the largest proxy held out and a
target two to three times as far in log N, errors hardly grew (experiments/domains_cpu): the fit to all
sizes is better than the one without the largest."""


def distance_outside(values: ArrayLike, lo: float, hi: float) -> Array:
    """Log distance of values beyond a fitted range; 0 inside."""
    size = np.log(np.asarray(values, dtype=np.float64))
    return np.asarray(np.maximum(np.maximum(size - np.log(hi), np.log(lo) - size), 0.0))


def error_beyond(rms_log: float, reach: float, beyond: Array) -> Array:
    """Root mean square log error to expect at a log distance `beyond` the fitted range.

    Parameters
    ----------
    rms_log : float
        Root mean square log error on a hold-out.
    reach : float
        Log distance of that hold-out beyond the rest of the data.
    beyond : ndarray
        Log distance of the targets beyond all data.
    """
    return np.asarray(rms_log * (beyond / reach) ** GROWTH)


def widened(sigma: float, errors: Iterable[Array]) -> Array:
    """Standard deviation of a log measurement: the scatter, or the errors of extrapolation where larger.

    The errors of a hold-out hold the scatter of its measurements already.
    """
    total = np.sqrt(np.sum([error**2 for error in errors], axis=0))
    return np.asarray(np.maximum(sigma, total))
