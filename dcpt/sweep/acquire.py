"""Which mixtures to train next: where a predictor expects the best, and where it knows least of the good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.sweep.mixtures import Region
from dcpt.sweep.simplex import fill, spread

Array = NDArray[np.float64]
Acquisition = Literal["mixed", "climb"]

DRAWS = 128
POOL = 1024
_NEAR = (16, 48)
"""Mixtures around which the pool is denser, and how many are put around each."""
GOOD = 0.25
"""Part of the pool, by predicted score, among which the informative mixtures are looked for."""
_SAME = 1e-4
"""Squared Hellinger distance within which two mixtures are one: 1.4 points of tokens moved between shares of
a half, 0.6 points to a share of 5 % from a large one."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a predictor says of a pool of mixtures.

    Attributes
    ----------
    pool : ndarray, shape (q, m)
        Mixtures.
    mean : ndarray, shape (q,)
        Expected score, to be minimised.
    draws : ndarray, shape (draws, q)
        The score in joint draws of the predictor, each one a function of the mixture.
    """

    pool: Array
    mean: Array
    draws: Array


def make_pool(region: Region, around: Array, seed: int) -> Array:
    """Mixtures a round may choose from.

    Parameters
    ----------
    region : Region
        Their bounds.
    around : ndarray, shape (n, m)
        Good mixtures that are known, the best first.
    seed : int
        Of the pool.

    Returns
    -------
    ndarray, shape (q, m)
        `POOL` of them spread over the region, half evenly and half nearer to its corners and edges; the rest
        around the good ones.
    """
    low, high = region.arrays()
    size = len(low)
    even = spread(POOL // 2, np.ones(size), low, high, seed)
    edges = spread(POOL // 2, np.full(size, 0.3), low, high, seed + 1)
    draw = np.random.default_rng([seed, 2])
    near = np.repeat(around[: _NEAR[0]], _NEAR[1], axis=0)
    # Small steps and large ones: a share is multiplied, so that small shares take small steps.
    width = draw.choice([0.05, 0.2, 0.6], size=(len(near), 1))
    moved = (near + 1e-4) * np.exp(width * draw.standard_normal(near.shape))
    moved = np.clip(moved / moved.sum(axis=1, keepdims=True), low, high)
    inside = np.array([_to_one(row, low, high) for row in moved]).reshape(-1, size)
    return np.concatenate([even, edges, inside])


def choose_next(
    outlook: Outlook, seen: Array, count: int, how: Acquisition, top: int | None, seed: int
) -> Array:
    """Choose the mixtures of a round.

    ``mixed``: the best by expectation first; then half of the round by Thompson sampling, the mixture that
    is best in a draw of the predictor, so that a mixture comes in as often as it may be the best; the other
    half where the draws disagree most among the better quarter, far from what is known and chosen.
    ``climb``: at random among the `top` mixtures by expectation.

    Parameters
    ----------
    outlook : Outlook
        What the predictor says.
    seen : ndarray, shape (n, m)
        Mixtures that are trained already.
    count : int
        Mixtures wanted; fewer when the pool has no more that differ.
    how : {"mixed", "climb"}
        The acquisition.
    top : int, optional
        Of ``climb``; by default four times `count`. CLIMB does not publish its number.
    seed : int
        Of ``climb``'s draw.

    Returns
    -------
    ndarray, shape (<= count, m)

    References
    ----------
    Thompson, On the likelihood that one unknown probability exceeds another (1933); Kandasamy et al.,
    Parallelised Bayesian optimisation via Thompson sampling (2018); CLIMB (arXiv:2504.13161), section 3.
    """
    chooser = _Chooser(outlook.pool, seen)
    order = np.argsort(outlook.mean, kind="stable")
    if how == "climb":
        best = _distinct(outlook.pool, seen, order, 4 * count if top is None else top)
        drawn = np.random.default_rng([seed, 3]).permutation(best)
        chooser.take(drawn, count)
        return chooser.chosen
    chooser.take(order, 1)
    winners = np.argmin(outlook.draws, axis=1)
    # As often as a mixture wins; between equals the better one by expectation.
    names, wins = np.unique(winners, return_counts=True)
    ranked = names[np.lexsort((outlook.mean[names], -wins))]
    chooser.take(ranked, 1 + (count - 1) // 2)
    good = order[: max(count, int(GOOD * len(order)))]
    doubt = outlook.draws[:, good].std(axis=0)
    chooser.spread_over(good, doubt, count)
    chooser.take(order, count)
    return chooser.chosen


def expected_gain(outlook: Outlook, at_best: Array) -> float:
    """How much better than a mixture the best of the pool is, in the mean over the draws; never negative.

    Parameters
    ----------
    outlook : Outlook
        What the predictor says of the pool.
    at_best : ndarray, shape (draws,)
        Score of the mixture one would take now, in the same draws.

    Returns
    -------
    float
        The expected regret of stopping, in units of the score: no round can gain more.
    """
    return float(np.maximum(at_best - outlook.draws.min(axis=1), 0.0).mean())


class _Chooser:
    """Takes mixtures that differ from those taken and those seen."""

    def __init__(self, pool: Array, seen: Array) -> None:
        self._roots = np.sqrt(np.maximum(pool, 0.0))
        self._pool = pool
        self._gap = np.full(len(pool), np.inf)
        self._places: list[int] = []
        for row in np.sqrt(np.maximum(seen, 0.0)):
            self._near(row)

    def _near(self, root: Array) -> None:
        self._gap = np.minimum(self._gap, 0.5 * ((self._roots - root) ** 2).sum(axis=1))

    def _add(self, place: int) -> None:
        self._places.append(place)
        self._near(self._roots[place])

    def take(self, places: NDArray[np.int64], until: int) -> None:
        """In this order, until so many are chosen."""
        for place in places:
            if len(self._places) >= until:
                return
            if self._gap[place] > _SAME:
                self._add(int(place))

    def spread_over(self, places: NDArray[np.int64], worth: Array, until: int) -> None:
        """Those of the greatest worth times distance, until so many are chosen."""
        while len(self._places) < until:
            gap = np.minimum(np.sqrt(self._gap[places]), 1.0)
            best = int(np.argmax(worth * gap))
            if self._gap[places[best]] <= _SAME or worth[best] <= 0:
                return
            self._add(int(places[best]))

    @property
    def chosen(self) -> Array:
        return self._pool[self._places]


def _distinct(pool: Array, seen: Array, order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    chooser = _Chooser(pool, seen)
    chooser.take(order, count)
    return np.asarray(chooser._places, dtype=np.int64)


def _to_one(row: Array, low: Array, high: Array) -> Array:
    """Shares between bounds whose sum is not 1, brought to 1 by shrinking or filling in proportion."""
    if row.sum() > 1:
        above = row - low
        return np.asarray(low + above * (1 - low.sum()) / max(above.sum(), 1e-300), dtype=np.float64)
    return fill(row, row, high)
