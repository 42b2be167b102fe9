"""What a fit minimises: the sum over rows of the Huber loss of the log residual."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData
from dcpt.fit.evaluator import Evaluator
from dcpt.fit.space import Space
from dcpt.laws.law import HUBER_DELTA, Law

Array = NDArray[np.float64]

_TINY = 1e-300


def huber(residual: Array, delta: float) -> Array:
    """Huber loss of each residual: r^2 / 2 up to delta, delta |r| - delta^2 / 2 beyond."""
    size = np.abs(residual)
    return np.asarray(np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta)))


class Problem:
    """Log residuals of one law on one data set, by the free parameters.

    Parameters
    ----------
    law, data, space, delta
        What is fitted to what, over which parameters, with which Huber threshold.
    """

    def __init__(self, law: Law, data: FitData, space: Space, delta: float = HUBER_DELTA) -> None:
        self.law = law
        self.data = data
        self.space = space
        self.delta = delta
        self._inputs = data.inputs
        self._target = data.log_loss

    @cached_property
    def evaluator(self) -> Evaluator:
        """The rows as the batched solver wants them; made at the first use."""
        return Evaluator(self.law, self.data, self.space)

    def residual(self, u: Array) -> Array:
        """log(law) - log(loss), shape (..., n), for free parameters of shape (..., q)."""
        value = self.law.evaluate(self.space.expand(u)[0], self._inputs)
        return np.asarray(np.log(np.maximum(value, _TINY)) - self._target)

    def residual_and_jacobian(self, u: Array) -> tuple[Array, Array]:
        """Residuals, shape (..., n), and their derivatives by the free parameters, (..., n, q)."""
        theta, slope = self.space.expand(u)
        value, jacobian = self.law.evaluate_with_jacobian(theta, self._inputs)
        sound = value > _TINY
        value = np.where(sound, value, _TINY)
        jacobian = jacobian[..., self.space.free] if slope is None else jacobian @ slope
        # Where the law is 0 or below, its logarithm is held at a floor, which has no slope.
        inverse = np.where(sound, 1.0 / value, 0.0)
        return np.log(value) - self._target, jacobian * inverse[..., None]

    def objective(self, u: Array, weights: Array | None = None) -> Array:
        """Sum of the Huber losses, shape (...); `weights` of shape (..., n) count rows repeatedly."""
        losses = huber(self.residual(u), self.delta)
        return np.asarray((losses if weights is None else losses * weights).sum(axis=-1))

    def sorted_objective(self, u: Array) -> float:
        """The objective of one vector, summed in an order that a shuffled table does not change."""
        return float(huber(self.evaluator.residual(u[None])[0], self.delta).sum())
