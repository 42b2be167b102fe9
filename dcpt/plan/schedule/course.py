"""A history whose last rates are free: its falls as seen from the end, and what they gain there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.annealing import compress, laid_rates, rate_drops
from dcpt.core.curve import RateHistory
from dcpt.laws.curves import CurveLaw

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Gains:
    """What falls of the rate gain by the end, and how that changes; each of shape (m,).

    Attributes
    ----------
    value : ndarray
        Gain of every fall.
    by_forward, by_high, by_low, by_at : ndarray
        Derivatives by the forward area after the fall, by the rates before and after it, and by the
        area at it.
    """

    value: Array
    by_forward: Array
    by_high: Array
    by_low: Array
    by_at: Array


@dataclass(frozen=True, eq=False)
class FallsAtEnd:
    """Falls of the rate as seen from the last step; each of shape (m,).

    Attributes
    ----------
    age, forward : ndarray
        Age in steps, and the forward area since.
    high, low : ndarray
        Rates before and after.
    at : ndarray
        Forward area of the history at the fall.
    worth : ndarray of int
        Number of the group of falls each belongs to.
    """

    age: Array
    forward: Array
    high: Array
    low: Array
    at: Array
    worth: Integers


Weigh = Callable[[FallsAtEnd], Gains]


@dataclass(frozen=True, eq=False)
class Course:
    """A history in front, and blocks of steps at free rates after it.

    Attributes
    ----------
    front : FallsAtEnd
        Falls in front, of pre-training (group 0) and after it (1); their forward area is that up to the end
        of the front.
    area, last : float
        Forward area of the steps in front, and the rate of the last of them.
    switch_area : float
        Forward area at which continual pre-training began.
    counts, age : ndarray, shape (b,)
        Steps of every block, and the age of the fall into it at the end.
    group : ndarray of int, shape (b,)
        Group of the fall into every block: 1, or 2 under a later mixture.
    """

    front: FallsAtEnd
    area: float
    last: float
    switch_area: float
    counts: Array
    age: Array
    group: Integers

    @classmethod
    def of(
        cls, law: CurveLaw, history: RateHistory, first: int, counts: Integers, known: bool, turn: int
    ) -> Course:
        """Split a history before step `first`; with ``known=False`` without its pre-training."""
        rates, drops = laid_rates(history, law.warmup), rate_drops(history, law.warmup, law.rewarm)
        switch = history.switch
        if not known:
            rates = rates[switch:]
            drops, first, switch = -np.diff(rates, prepend=0.0), first - switch, 0
        T, end = len(rates), first - 1
        S1 = np.cumsum(rates)
        sums = np.concatenate([[0.0], S1])
        tables = []
        for low, high in ((0, switch), (switch, end)):
            part = np.zeros(end)
            part[low:high] = drops[low:high]
            found = compress(part, rates[:end], S1[:end])
            forward = sums[end] - found.area
            at = found.area + found.rate
            tables.append(np.stack([T - found.step + 1.0, forward, found.high, found.low, at]))
        age, forward, high_rates, low_rates, at = np.concatenate(tables, axis=1)
        group = np.repeat([0, 1], [table.shape[1] for table in tables])
        starts = end + np.concatenate([[0], np.cumsum(counts)[:-1]])
        return cls(
            front=FallsAtEnd(age, forward, high_rates, low_rates, at, group),
            area=float(sums[end]),
            last=float(rates[end - 1]) if end else 0.0,
            switch_area=float(sums[switch]),
            counts=counts.astype(float),
            age=T - starts * 1.0,
            group=np.where(np.arange(len(counts)) < turn, 1, 2),
        )

    def gained(self, free: Array, weigh: Weigh) -> tuple[float, Array]:
        """What all falls gain by the end, and the derivatives by the free rates, shape (b,)."""
        areas = self.counts * free
        after = np.cumsum(areas[::-1])[::-1]
        whole = float(areas.sum())
        at = np.maximum(self.area + whole - after + free, _LEAST)
        high = np.concatenate([[self.last], free[:-1]])
        here = weigh(FallsAtEnd(self.age, np.maximum(after, _LEAST), high, free, at, self.group))
        front = weigh(replace(self.front, forward=np.maximum(self.front.forward + whole, _LEAST)))
        through = float(front.by_forward.sum()) + np.cumsum(here.by_forward)
        later = np.cumsum(here.by_at[::-1])[::-1] - here.by_at
        gradient = self.counts * (through + later) + here.by_low + here.by_at
        gradient[:-1] += here.by_high[1:]
        return float(front.value.sum() + here.value.sum()), gradient
