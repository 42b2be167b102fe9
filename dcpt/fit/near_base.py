"""How much the loss of a measured base says of sizes beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Nearest:
    """The measured bases nearest to some sizes.

    Attributes
    ----------
    size, loss : ndarray, shape (n,)
        Of the nearest measured base.
    weight : ndarray, shape (n,)
        How much of what that base differs from the curve is taken over: 1 beside it, 0 from half-way to the
        next measured size on.
    edge : ndarray, shape (n,)
        The size at which the nearest base has just ceased to be measured, on the side of each size.
    """

    size: Array
    loss: Array
    weight: Array
    edge: Array

    def led(self, value: Array, at_edge: Array, log_sd: Array) -> tuple[Array, Array]:
        """Losses of the curve led to the measured ones, and the standard deviation of their logarithm.

        Parameters
        ----------
        value, log_sd : ndarray, shape (n,)
            The curve's, at the sizes.
        at_edge : ndarray, shape (n,)
            The curve's loss at `edge`.
        """
        residual = np.log(self.loss / at_edge)
        return value * np.exp(self.weight * residual), log_sd * np.sqrt(1.0 - self.weight**2)


def find_nearest(sizes: tuple[float, ...], losses: tuple[float, ...], N: Array, same: float) -> Nearest:
    """The nearest measured base of each size, and its weight.

    A measured loss differs from a curve through all of them by what that base is, not by an error of
    measurement: its windows are those of every other loss. A model of nearly its size, trained alike, shares
    most of the difference. With w falling smoothly from 1 at the measured base to 0 half-way to its neighbour
    in log N, the difference counts by w and the curve's variance by 1 - w**2, as for two quantities
    correlated by w. Beyond the smallest and the largest size the distance to the next one inward stands for
    that outward.

    Parameters
    ----------
    sizes, losses : tuple of float
        Of two measured bases or more, sizes ascending.
    N : ndarray, shape (n,)
        Sizes, none of them measured.
    same : float
        Distance in log N up to which a size counts as a measured one.
    """
    logs, x = np.log(sizes), np.log(N)
    outside = same * (1 + 1e-6)
    nearest = np.abs(x[:, None] - logs).argmin(axis=1)
    side = np.where(x > logs[nearest], 1, -1)
    beyond = (nearest + side < 0) | (nearest + side >= len(logs))
    neighbour = np.where(beyond, nearest - side, nearest + side)
    half = 0.5 * np.abs(logs[neighbour] - logs[nearest])
    part = np.clip((np.abs(x - logs[nearest]) - outside) / np.maximum(half - outside, 1e-12), 0.0, 1.0)
    size = np.array(sizes)[nearest]
    return Nearest(
        size, np.array(losses)[nearest], 1.0 - part**2 * (3.0 - 2.0 * part), size * np.exp(side * outside)
    )
