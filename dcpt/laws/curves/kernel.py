"""What the laws of one phase share: a power of the forward area, less the gain of every fall of the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dcpt.core.annealing import BINS, compress, laid_rates, rate_drops
from dcpt.core.curve import RateHistory
from dcpt.laws.curves.curve_law import NOTHING, CurveLaw, Values
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_RATE = 1e-4
"""Rate, as a share of the peak, that falls to a lower one count as falls to: a power of 0 may be none."""


@dataclass(frozen=True, eq=False)
class Falls:
    """Falls of the rate behind every observed step: all pairs of a row and a fall before it, row by row.

    Attributes
    ----------
    area : ndarray, shape (n,)
        S1 at the observed steps.
    first : ndarray of int, shape (n,)
        Where each row's pairs begin.
    steps, forward : ndarray, shape (pairs,)
        Age of the fall in steps (1 at the step itself), and in forward area (its own rate included).
    mass, rate, at : ndarray, shape (pairs,)
        Size of the fall, the rate it fell to, and S1 there. Every row begins with a pair of mass 0.
    source : ndarray of int, shape (pairs,)
        Number of the fall among `high` and `low`; -1 for the pair of mass 0.
    high, low : ndarray, shape (m,)
        Rate before and after each fall.
    """

    area: Array
    first: Integers
    steps: Array
    forward: Array
    mass: Array
    rate: Array
    at: Array
    source: Integers
    high: Array
    low: Array

    def gathered(self, values: Array) -> Array:
        """Sum of mass times values in every row, shape (n,)."""
        return np.add.reduceat(self.mass * values, self.first)

    @classmethod
    def joined(cls, parts: Sequence[Falls]) -> Falls:
        """The rows of several histories as one."""
        pairs = np.cumsum([0, *(len(part.steps) for part in parts)])
        falls = np.cumsum([0, *(len(part.high) for part in parts)])
        table = {item.name: [getattr(part, item.name) for part in parts] for item in fields(cls)}
        table["first"] = [first + begin for first, begin in zip(table["first"], pairs, strict=False)]
        table["source"] = [
            np.where(source < 0, source, source + begin)
            for source, begin in zip(table["source"], falls, strict=False)
        ]
        return cls(**{name: np.concatenate(column) for name, column in table.items()})


def falls_of(history: RateHistory, drops: Array, rates: Array, steps: Integers, bins: int = BINS) -> Falls:
    """The falls behind every observed step of a history.

    Parameters
    ----------
    history : RateHistory
        Gives the peak.
    drops, rates : ndarray, shape (T,)
        Falls that count, and the rates that are summed.
    steps : ndarray of int, shape (n,)
        Observed steps, ascending.
    bins : int
        Most falls of either sign that are kept apart.
    """
    last = int(steps[-1])
    rates, drops = rates[:last], drops[:last]
    S1 = np.cumsum(rates)
    area = S1[steps - 1]
    sources = compress(drops, rates, S1, bins, steps)
    order = np.argsort(sources.step, kind="stable")
    begun = np.searchsorted(sources.step[order], steps, side="right")
    # One pair without mass in front of every row: a sum over no pairs is not one numpy can take in a row.
    first = np.concatenate([[0], np.cumsum(begun + 1)])
    row = np.repeat(np.arange(len(steps)), begun + 1)
    place = np.arange(first[-1]) - first[row] - 1
    real = place >= 0
    source = order[place[real]] if len(order) else np.zeros(0, dtype=np.int64)
    table = np.zeros((5, len(row)))
    table[0, real] = steps[row[real]] - sources.step[source] + 1
    table[1, real] = area[row[real]] - sources.area[source]
    table[2, real] = sources.mass[source]
    table[3:] = history.peak
    table[3, real] = np.maximum(sources.rate[source], LEAST_RATE * history.peak)
    table[4, real] = sources.area[source] + sources.rate[source]
    np.maximum(table[:2], 0.0, out=table[:2])
    least = np.finfo(np.float64).tiny ** 0.25
    number = np.full(len(row), -1)
    number[real] = source
    at = np.maximum(table[4], least)
    return Falls(
        np.maximum(area, least),
        first[:-1],
        table[0],
        table[1],
        table[2],
        table[3],
        at,
        number,
        sources.high,
        sources.low,
    )


class KernelLaw(CurveLaw):
    """L0 + A*S1**-alpha less the gain of every fall of the rate; a subclass declares its kernel."""

    L0 = linear(0, 20, "loss at an endless forward area, rate not annealed")
    A = linear(0, 1e6, "size of the term of the forward area")
    alpha = nonlinear(0.02, 3, "exponent of the forward area")

    bins: int = BINS

    def observe(self, history: RateHistory, steps: Integers, given: Values = NOTHING) -> Falls:
        """Pairs of observed steps and falls."""
        drops, rates = rate_drops(history, self.warmup, self.rewarm), laid_rates(history, self.warmup)
        return falls_of(history, drops, rates, steps, self.bins)

    def gains(self, part: Falls, psi: Values) -> Array:
        """What one unit of each linear parameter of the kernel gains, shape (n, k - 2)."""
        raise NotImplementedError

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """Derivatives of `gains` by each nonlinear parameter they depend on, each of shape (n, k - 2)."""
        raise NotImplementedError

    def columns(self, part: Falls, psi: Values) -> tuple[Array | None, Array]:
        """No offset; 1, the power of the forward area, and the gains with a minus."""
        power = part.area ** -psi["alpha"]
        return None, np.column_stack([np.ones_like(power), power, -self.gains(part, psi)])

    def slopes(self, part: Falls, psi: Values) -> tuple[Array | None, Array]:
        """The closed forms."""
        found = self.gain_slopes(part, psi)
        table = np.zeros((len(self.nonlinear), len(part.area), len(self.linear)))
        for index, name in enumerate(self.nonlinear_names):
            if name in found:
                table[index, :, 2:] = -found[name]
            if name == "alpha":
                table[index, :, 1] = -np.log(part.area) * part.area ** -psi["alpha"]
        return None, table
