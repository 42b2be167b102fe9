"""The mixtures that cannot be told from the answer, and some that stand for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.drawn import Drawn
from dcpt.plan.mixtures.problem import KEPT

Array = NDArray[np.float64]

SHOWN, APART = 4, 0.1
"""Mixtures shown, and the share of tokens that differs between any two of them at least."""


@dataclass(frozen=True)
class Alike:
    """A mixture that cannot be told from the answer.

    Attributes
    ----------
    shares : ndarray, shape (p,)
        The mixture.
    moved : float
        Share of tokens that differs from the answer.
    difference, lo, hi : float
        Goal less the answer's, and the interval over paired draws.
    """

    shares: Array
    moved: float
    difference: float
    lo: float
    hi: float


def paired(difference: Array, level: float) -> tuple[Array, Array]:
    """Interval of differences of shape (d, ...) over draws."""
    ends = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(ends[0]), np.asarray(ends[1])


def find_alike(drawn: Drawn, level: float, noise: float) -> tuple[tuple[Alike, ...], Array, Array]:
    """Mixtures whose goal exceeds the answer's by less than a run's noise, in some draws at least.

    A mixture is told apart when the lower end of its paired difference lies above the noise of one run:
    then it is worse, and by more than chance moves a run.

    Parameters
    ----------
    drawn : Drawn
        Mixtures looked at; the first is the answer.
    level : float
        Probability of the paired interval.
    noise : float
        Standard deviation of the goal between runs of one mixture.

    Returns
    -------
    alike : tuple of Alike
        Some far from each other, the farthest from the answer first.
    low, high : ndarray, shape (p,)
        Least and greatest share of each corpus among all of them.
    """
    difference = drawn.goal - drawn.goal[:, :1]
    lo, hi = paired(difference, level)
    inside = (lo <= noise) & ((drawn.excess <= KEPT).mean(axis=0) >= 0.5)
    inside[0] = True
    places = np.flatnonzero(inside)
    shares = drawn.pool[places]
    gap = 0.5 * np.abs(shares - drawn.pool[0]).sum(axis=1)
    moved = gap.copy()
    found: list[Alike] = []
    while len(found) < SHOWN and gap.max() > APART:
        at = int(np.argmax(gap))
        place = places[at]
        found.append(
            Alike(
                drawn.pool[place],
                float(moved[at]),
                float(difference[:, place].mean()),
                float(lo[place]),
                float(hi[place]),
            )
        )
        gap = np.minimum(gap, 0.5 * np.abs(shares - shares[at]).sum(axis=1))
    return tuple(found), shares.min(axis=0), shares.max(axis=0)
