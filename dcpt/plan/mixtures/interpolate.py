"""Many functions of the mixture, known at the same points, interpolated together, and followed downhill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]

LENGTHS = (0.4, 0.8, 1.6, 3.2)
"""Length scales tried, in cube roots of shares: without a common corpus two are sqrt(2) apart or more."""

RIDGE = 1e-6
"""Added to the kernel's diagonal against rounding."""

STEPS, FIRST, LAST = 60, 0.25, 0.02
"""Steps of the descent, and the change of a share's logarithm in the first and the last."""

_SQRT5 = 5**0.5
_FLOOR = 1e-6


def feature(shares: Array) -> Array:
    """Cube roots of shares: losses change with the logarithm or a root of a small share, not with itself."""
    return np.asarray(np.cbrt(np.maximum(shares, 0.0)))


@dataclass(frozen=True)
class Interpolant:
    """Functions through values at common points, by a Matern-5/2 kernel.

    Attributes
    ----------
    points : ndarray, shape (q, p)
        Cube roots of the shares.
    centre : ndarray, shape (m,)
        Mean of each function's values.
    weights : ndarray, shape (q, m)
        Coefficients of the kernels.
    length : float
        Length scale.
    """

    points: Array
    centre: Array
    weights: Array
    length: float

    @classmethod
    def through(cls, shares: Array, values: Array) -> Interpolant:
        """Fit m functions, values of shape (q, m), with the length scale of the greatest likelihood."""
        points = feature(shares)
        centre = values.mean(axis=0)
        best: tuple[float, float, Array] | None = None
        for length in LENGTHS:
            kernel = _kernel(points, points, length)[0]
            kernel.ravel()[:: len(kernel) + 1] += RIDGE
            factor = cho_factor(kernel, lower=True)
            weights = cho_solve(factor, values - centre)
            # The variance that fits best is put in, one for all functions.
            variance = float(((values - centre) * weights).mean())
            height = np.log(np.diagonal(factor[0])).mean() + 0.5 * np.log(variance + 1e-300)
            if best is None or height < best[0]:
                best = (float(height), length, weights)
        assert best is not None
        return cls(points, centre, best[2], best[1])

    def value_and_slope(self, shares: Array, which: NDArray[np.int64]) -> tuple[Array, Array]:
        """Function `which[i]` at mixture i, shape (n,), and its slope by the logarithms of shares, (n, p)."""
        at = feature(shares)
        kernel, pull = _kernel(at, self.points, self.length)
        weights = self.weights[:, which].T
        value = self.centre[which] + np.einsum("nq,nq->n", kernel, weights)
        pull = pull * weights
        by_feature = pull @ self.points - at * pull.sum(axis=1)[:, None]
        # d feature / d log share = feature / 3.
        return value, by_feature * at / 3


def _kernel(one: Array, two: Array, length: float) -> tuple[Array, Array]:
    """Kernel, and the factor of (two - one) in its derivative by `one`."""
    squared = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2 * one @ two.T
    distance = np.sqrt(np.maximum(squared, 0.0)) * (_SQRT5 / length)
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, (5 / 3 / length**2) * (1 + distance) * decay


def follow_down(
    goal: Interpolant, over: Interpolant | None, penalty: float, start: Array, which: NDArray[np.int64]
) -> Array:
    """From mixtures of the simplex downhill on functions of one's own (Adam on logarithms of shares).

    Parameters
    ----------
    goal : Interpolant
        What each mixture follows.
    over : Interpolant or None
        Excess over ceilings, which is penalised where it is positive.
    penalty : float
        Its weight.
    start : ndarray, shape (n, p)
        Mixtures.
    which : ndarray of int, shape (n,)
        Function of each.

    Returns
    -------
    ndarray, shape (n, p)
        The lowest mixture on each way.

    References
    ----------
    Kingma and Ba 2015, arXiv:1412.6980.
    """
    logs = np.log(start + _FLOOR)
    first, second = np.zeros_like(logs), np.zeros_like(logs)
    best, least = start.copy(), np.full(len(start), np.inf)
    for step in range(1, STEPS + 1):
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        value, slope = goal.value_and_slope(shares, which)
        if over is not None:
            excess, rise = over.value_and_slope(shares, which)
            broken = excess > 0
            value = value + penalty * np.where(broken, excess, 0.0)
            slope = slope + penalty * np.where(broken[:, None], rise, 0.0)
        better = value < least
        best[better], least[better] = shares[better], value[better]
        # On the simplex: moving all logarithms alike changes nothing.
        slope = slope - shares * slope.sum(axis=1, keepdims=True)
        first = 0.8 * first + 0.2 * slope
        second = 0.95 * second + 0.05 * slope**2
        move = first / (1 - 0.8**step) / (np.sqrt(second / (1 - 0.95**step)) + 1e-12)
        # Coordinates without a slope must not drift at full speed on rounding.
        size = np.abs(slope).max(axis=1, keepdims=True) + 1e-300
        logs = logs - FIRST * (LAST / FIRST) ** (step / STEPS) * move * np.minimum(
            np.abs(slope) / size * 30, 1.0
        )
        logs = np.maximum(logs - logs.max(axis=1, keepdims=True), np.log(_FLOOR) - 2)
    return best
