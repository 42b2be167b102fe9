"""Ridge regression of all targets at once, its penalty chosen by leaving each run out in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PENALTIES = tuple(float(10.0**power) for power in np.arange(-8, 2.01, 0.5))
"""Penalties tried, in units of the largest squared singular value of the features."""


@dataclass(frozen=True)
class Ridge:
    """Linear fit of standardised features, per target.

    Attributes
    ----------
    centre : ndarray, shape (p,)
        Means of the features.
    level : ndarray, shape (k,)
        Means of the losses.
    slopes : ndarray, shape (p, k)
        Coefficients.
    root : ndarray, shape (k, p, p)
        Square root of the coefficients' covariance: root @ root.T.
    noise : ndarray, shape (k,)
        Variance of a run around the fit.
    left_out : ndarray, shape (n, k)
        Errors of the runs, each left out.
    penalty : ndarray, shape (k,)
        Penalty chosen per target.
    """

    centre: Array
    level: Array
    slopes: Array
    root: Array
    noise: Array
    left_out: Array
    penalty: Array

    def mean(self, features: Array) -> Array:
        """Predictions, shape (q, k)."""
        return np.asarray(self.level + (features - self.centre) @ self.slopes)


def fit_ridge(features: Array, losses: Array, penalties: tuple[float, ...] = PENALTIES) -> Ridge:
    """Fit every target, each with the penalty whose leave-one-out errors are least (Allen's PRESS).

    Parameters
    ----------
    features : ndarray, shape (n, p)
        Functions of the shares.
    losses : ndarray, shape (n, k)
        Losses.
    """
    rows = len(features)
    centre, level = features.mean(axis=0), losses.mean(axis=0)
    left, values, right = np.linalg.svd(features - centre, full_matrices=False)
    projected = left.T @ (losses - level)
    largest = float(values[0] ** 2) or 1.0
    keep = values**2 > 1e-13 * largest
    tried = []
    for penalty in penalties:
        shrink = np.where(keep, values**2 / (values**2 + penalty * largest), 0.0)
        # The mean counts as a free parameter: 1 / n of leverage.
        leverage = np.minimum((left**2) @ shrink + 1 / rows, 1 - 1e-9)
        tried.append((losses - level - left @ (shrink[:, None] * projected)) / (1 - leverage)[:, None])
    errors = np.stack(tried)
    best = np.argmin((errors**2).sum(axis=1), axis=0)
    targets = np.arange(losses.shape[1])
    penalty = np.array(penalties)[best]
    shrink = np.where(keep, values / (values**2 + penalty[:, None] * largest), 0.0)
    slopes = right.T @ (shrink.T * projected)
    fitted = level + (features - centre) @ slopes
    freedom = rows - 1 - (shrink * values).sum(axis=1)
    noise = ((losses - fitted) ** 2).sum(axis=0) / np.maximum(freedom, 1.0)
    scale = np.where(keep, np.sqrt(noise[:, None] / (values**2 + penalty[:, None] * largest)), 0.0)
    root = right.T[None] * scale[:, None, :]
    return Ridge(centre, level, slopes, root, noise, errors[best, :, targets].T, penalty)
