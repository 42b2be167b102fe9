"""The best share and tokens of every draw at once: a coarse grid, then windows that close in on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.supply.question import Question
from dcpt.plan.supply.region import Region
from dcpt.plan.supply.repetition import Supply

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

_WORSE = 1e3
"""Added to the excess of a share that no number of tokens makes feasible: behind every feasible loss."""

_CHUNK = 60_000
"""Losses evaluated at a time: their temporaries stay in a core's cache."""

_CLOSED = 1e-13
"""Width of a window of ratios that is not worth halving."""


@dataclass(frozen=True)
class Fineness:
    """How fine a search is.

    Attributes
    ----------
    r, v : int
        Points of the first grid, along the share and along the log tokens.
    r_next, v_next : int
        Points of every window after it.
    levels : int
        Windows; each is `2 / (r_next - 1)` as wide as the one before.
    """

    r: int
    v: int
    r_next: int
    v_next: int
    levels: int


FINE = Fineness(65, 17, 33, 17, 7)
"""For one answer: the points of the last window are 5e-11 apart, before interpolation."""

DRAWS = Fineness(25, 7, 7, 5, 3)
"""For the draws: on a range of 0.8 the last window's points are 0.0012 apart, before interpolation; the
search for 1,000 draws then takes less than 0.3 s."""


@dataclass(frozen=True)
class Optimum:
    """Best share and tokens of some members, each of shape (b,).

    An infeasible member has those that come closest to its ceilings; ``excess`` is the log of the worst loss
    over its ceiling there.
    """

    r: Array
    D: Array
    value: Array
    excess: Array
    feasible: Booleans


def search(question: Question, supply: Supply, region: Region, members: Integers, fine: Fineness) -> Optimum:
    """Minimise the question's value over a region, under its limits.

    Along the tokens no loss need be monotone: a law's general loss may rise or fall with them, and the
    feasible tokens of a share may be any piece of the range.

    Parameters
    ----------
    question, supply, region
        What is minimised, where.
    members : ndarray of int, shape (b,)
        0 for the point fit, 1 and on for the draws.
    fine : Fineness
        How fine.

    Returns
    -------
    Optimum
    """
    v_points = 1 if region.fixed is not None else fine.v
    step = max(1, _CHUNK // (fine.r * v_points))
    parts = [
        _search(question, supply, region, members[first : first + step], fine)
        for first in range(0, len(members), step)
    ]
    return Optimum(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Optimum.__dataclass_fields__)
    )


class _Best:
    """The best point seen of every member."""

    def __init__(self, count: int) -> None:
        self.r, self.v = np.zeros(count), np.ones(count)
        self.rank = np.full(count, np.inf)

    def offer(self, r: Array, v: Array, rank: Array) -> None:
        better = rank < self.rank
        for name, new in (("r", r), ("v", v), ("rank", rank)):
            setattr(self, name, np.where(better, new, getattr(self, name)))


class _Columns:
    """Losses on the nodes of a window, and the best tokens at each of its shares."""

    def __init__(
        self, question: Question, supply: Supply, region: Region, members: Integers, r: Array, v: Array
    ) -> None:
        D = region.tokens(r[:, :, None], v[:, None, :])
        share = np.broadcast_to(r[:, :, None], D.shape)
        self.r, self.nodes = r, v
        self.value = question.value(members, D, share, supply)
        excess = question.excess(members, D, share, supply)
        self.free = excess is None
        self.excess = np.full((1, 1, 1), -1.0) if excess is None else excess
        inside = self.excess <= 0
        rank = np.where(inside, self.value, _WORSE + self.excess)
        at = rank.argmin(axis=2)[..., None]
        self.rank = np.take_along_axis(rank, at, 2)[..., 0]
        self.at = at[..., 0]
        self.v = np.take_along_axis(np.broadcast_to(v[:, None, :], rank.shape), at, 2)[..., 0]
        self.node_rank, self.node_v = self.rank, self.v
        if v.shape[1] > 1:
            self._between(rank, inside, at)

    def _between(self, nodes: Array, inside: Booleans, at: Integers) -> None:
        """Tokens between the nodes: where a limit is met, or at the bottom of a dip."""
        height = self.nodes[:, None, 1:2] - self.nodes[:, None, :1]
        height = np.broadcast_to(height[..., 0], self.rank.shape)
        last = nodes.shape[2] - 1
        feasible = self.rank < _WORSE
        value = self.value
        inside = np.broadcast_to(inside, value.shape)
        excess = np.broadcast_to(self.excess, value.shape)

        def pick(array: NDArray[Any], place: Integers) -> NDArray[Any]:
            return np.asarray(np.take_along_axis(array, place, 2)[..., 0])

        here, over = pick(value, at), pick(excess, at)
        best, best_v = self.rank, self.v
        around = []
        for side in (-1, 1):
            place = np.clip(at + side, 0, last)
            there, beyond = pick(value, place), pick(excess, place)
            crosses = feasible & (place != at)[..., 0] & ~pick(inside, place) & (there < here)
            part = np.divide(
                -over, beyond - over, out=np.zeros_like(here), where=crosses & np.isfinite(beyond)
            )
            crossed = here + part * np.where(crosses, there - here, 0.0)
            take = crosses & (crossed < best)
            best, best_v = (
                np.where(take, crossed, best),
                np.where(take, self.v + side * part * height, best_v),
            )
            around.append((there, pick(inside, place) & (place != at)[..., 0]))
        (below, ok_below), (above, ok_above) = around
        with np.errstate(invalid="ignore"):
            bend = below - 2 * here + above
            dips = feasible & ok_below & ok_above & (bend > 0) & np.isfinite(bend)
            shift = np.divide(0.5 * (below - above), bend, out=np.zeros_like(here), where=dips)
            low = here - 0.25 * np.where(dips, below - above, 0.0) * shift
        take = dips & (low < best)
        self.rank, self.v = np.where(take, low, best), np.where(take, self.v + shift * height, best_v)


def _search(question: Question, supply: Supply, region: Region, members: Integers, fine: Fineness) -> Optimum:
    count = len(members)
    fixed = region.fixed is not None
    grid = np.unique(np.concatenate([np.linspace(region.r_lo, region.r_hi, fine.r), region.kinks()]))
    r = grid[None]
    v = np.ones((1, 1)) if fixed else np.linspace(0.0, 1.0, fine.v)[None]
    best = _Best(count)
    rows = np.arange(count)
    for level in range(fine.levels + 1):
        columns = _Columns(question, supply, region, members, r, v)
        shares = np.broadcast_to(r, columns.rank.shape)
        node = columns.node_rank.argmin(axis=1)
        best.offer(shares[rows, node], columns.node_v[rows, node], columns.node_rank[rows, node])
        at = columns.rank.argmin(axis=1)
        low, high = np.maximum(at - 1, 0), np.minimum(at + 1, shares.shape[1] - 1)
        width = shares[rows, high] - shares[rows, low]
        if level == fine.levels or (width < _CLOSED).all():
            break
        r = np.linspace(shares[rows, low], shares[rows, high], fine.r_next, axis=1)
        if not fixed:
            v = _window(columns, rows, low, at, high, fine.v_next)
    r_end, v_end = _interpolated(columns, shares, rows, at, low, high)
    r_end = np.clip(r_end, region.r_lo, region.r_hi)
    v_end = np.clip(v_end, 0.0, 1.0)
    end = _evaluated(question, supply, region, members, r_end, v_end)
    node_end = _evaluated(question, supply, region, members, best.r, best.v)
    # Interpolated points may lie a hair beyond a limit. One answer must not; a draw may, by that hair.
    slack = 1e-4 if len(members) > 1 or members[0] > 0 else 0.0
    use = (end.excess <= slack) & (~node_end.feasible | (end.value < node_end.value))
    picked = {
        name: np.where(use, getattr(end, name), getattr(node_end, name))
        for name in ("r", "D", "value", "excess")
    }
    return Optimum(**picked, feasible=np.asarray(picked["excess"] <= slack, dtype=np.bool_))


def _window(
    columns: _Columns, rows: Integers, low: Integers, at: Integers, high: Integers, points: int
) -> Array:
    """Heights for the next window: those of the best shares, and a node more on either side."""
    near = np.stack([columns.v[rows, place] for place in (low, at, high)])
    room = columns.nodes[:, 1] - columns.nodes[:, 0]
    bottom = np.clip(near.min(axis=0) - room, 0.0, 1.0)
    top = np.clip(near.max(axis=0) + room, 0.0, 1.0)
    return np.linspace(bottom, top, points, axis=1)


def _interpolated(
    columns: _Columns, shares: Array, rows: Integers, at: Integers, low: Integers, high: Integers
) -> tuple[Array, Array]:
    """Share between the last window's points: at the bottom of a dip, or where a limit is met."""
    rank, heights = columns.rank, columns.v
    here, r_here, v_here = rank[rows, at], shares[rows, at], heights[rows, at]
    below, above = rank[rows, low], rank[rows, high]
    inner = (low < at) & (at < high) & (np.maximum(below, above) < _WORSE)
    step = shares[rows, high] - r_here
    even = np.isclose(step, r_here - shares[rows, low], rtol=1e-6)
    bend = below - 2 * here + above
    dips = inner & even & (bend > 0)
    shift = np.divide(0.5 * (below - above), bend, out=np.zeros_like(here), where=dips)
    r = r_here + shift * step
    towards = np.where(shift > 0, heights[rows, high], heights[rows, low])
    v = v_here + np.abs(shift) * (towards - v_here)
    if columns.free:
        return r, v
    for other in (low, high):
        over_here, over_there, there = (
            _at_height(table, columns.nodes, rows, place, v_here)
            for table, place in ((columns.excess, at), (columns.excess, other), (columns.value, other))
        )
        crosses = (other != at) & (here < _WORSE) & (over_there > 0) & (over_here <= 0) & (there < here)
        part = np.divide(-over_here, over_there - over_here, out=np.zeros_like(here), where=crosses)
        r = np.where(crosses, r_here + part * (shares[rows, other] - r_here), r)
        v = np.where(crosses, v_here, v)
    return r, v


def _at_height(table: Array, nodes: Array, rows: Integers, place: Integers, v: Array) -> Array:
    """A column's values at one height per member, linear between its nodes."""
    column = table[rows, place]
    last = column.shape[1] - 1
    if last == 0:
        return column[:, 0]
    nodes = np.broadcast_to(nodes, column.shape)
    room = np.maximum(nodes[:, 1] - nodes[:, 0], 1e-300)
    where = np.clip((v - nodes[:, 0]) / room, 0.0, last)
    left = np.minimum(where.astype(np.int64), last - 1)
    part = where - left
    with np.errstate(invalid="ignore"):
        return np.asarray((1 - part) * column[rows, left] + part * column[rows, left + 1])


def _evaluated(
    question: Question, supply: Supply, region: Region, members: Integers, r: Array, v: Array
) -> Optimum:
    D = region.tokens(r, v)
    value = question.value(members, D, r, supply)
    excess = question.excess(members, D, r, supply)
    if excess is None:
        excess = np.full(len(r), -1.0)
    return Optimum(r, D, value, excess, np.asarray(excess <= 0, dtype=np.bool_))
