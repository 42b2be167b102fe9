"""The loss of a base whose size lies near measured ones: the curve through all, led to the nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dcpt.fit.bases import SAME_SIZE, Bases

_OUTSIDE = SAME_SIZE * (1 + 1e-6)
"""Distance in log N at which a size has just ceased to be a measured one."""


@dataclass(frozen=True)
class NearBase:
    """Loss of a base that was not measured.

    Attributes
    ----------
    value, log_sd : float
        Loss, and the standard deviation of its logarithm.
    size : float
        The nearest measured size.
    weight : float
        How much of what that base differs from the curve is taken over: 1 beside it, 0 from half-way to the
        next measured size on.
    """

    value: float
    log_sd: float
    size: float
    weight: float


def loss_near(bases: Bases, N: float) -> NearBase:
    """The loss at a size between or beyond the measured ones, without a jump where those begin.

    A measured loss differs from E + A*N**-alpha through all by what that base is, not by an error of
    measurement: its windows are those of every other loss. A model of nearly its size, trained alike, shares
    most of the difference. With w falling smoothly from 1 at the measured base to 0 half-way to its neighbour
    in log N, the difference counts by w and the curve's variance by 1 - w**2, as for two quantities
    correlated by w. Beyond the smallest and the largest size the distance to the next one inward stands for
    that outward.

    Parameters
    ----------
    bases : Bases
        Measured losses, of three sizes or more.
    N : float
        Size, none of the measured ones.

    Raises
    ------
    FitError
        When there are fewer than three sizes.
    """
    logs, x = np.log(bases.sizes), float(np.log(N))
    value, log_sd = (float(found[0]) for found in bases.at(N))
    nearest = int(np.abs(logs - x).argmin())
    side = 1 if x > logs[nearest] else -1
    neighbour = nearest + side if 0 <= nearest + side < len(logs) else nearest - side
    half = 0.5 * abs(float(logs[neighbour] - logs[nearest]))
    part = (abs(x - float(logs[nearest])) - _OUTSIDE) / max(half - _OUTSIDE, 1e-12)
    part = float(np.clip(part, 0.0, 1.0))
    weight = 1.0 - part**2 * (3.0 - 2.0 * part)
    beside = float(bases.at(bases.sizes[nearest] * np.exp(side * _OUTSIDE))[0][0])
    residual = float(np.log(bases.losses[nearest] / beside))
    return NearBase(
        value * float(np.exp(weight * residual)),
        log_sd * float(np.sqrt(1.0 - weight**2)),
        bases.sizes[nearest],
        weight,
    )
