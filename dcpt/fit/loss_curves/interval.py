"""The interval of a predicted loss: one rule for predictions along a curve and for decisions."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEAST_LOSS = 1e-3
"""A draw that falls below counts as this loss, nats per token: it has no logarithm."""


def loss_spread(mean: Array, draws: Array | None, unseen: ArrayLike) -> Array:
    """Standard deviation of the logarithm of predicted losses, shape (n,).

    Draws show how far resampled curves move the parameters, not what the law misses on schedules it has not
    seen, which is usually more: both count.

    Parameters
    ----------
    mean : ndarray, shape (n,)
        Predicted losses.
    draws : ndarray, shape (m, n), or None
        Those of the refits.
    unseen : array_like, a number or shape (n,)
        Log error on curves left out.
    """
    spread = np.zeros_like(mean)
    if draws is not None and len(draws) > 1:
        spread = np.std(np.log(np.maximum(draws, LEAST_LOSS)), axis=0)
    return np.asarray(np.hypot(spread, unseen))


def loss_interval(mean: Array, spread: Array, level: float) -> tuple[Array, Array]:
    """Lower and upper end, each of shape (n,): log-normal around the prediction."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return mean * np.exp(-z * spread), mean * np.exp(z * spread)
