"""The best mixture of a problem: from many starts downhill, then by moving tokens between two corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import PlanError
from dcpt.plan.mixtures.descend import descend
from dcpt.plan.mixtures.goal import excess_goal
from dcpt.plan.mixtures.names import short_names
from dcpt.plan.mixtures.problem import Problem
from dcpt.plan.mixtures.region import INSIDE

Array = NDArray[np.float64]

STARTS = 5
"""Mixtures from which the descent starts, the best of a pool that differ."""

APART = 0.15
"""Share of tokens that differs between two starts at least."""

MOVES = (0.1, 0.02, 0.004, 0.0008)
"""Shares that the last search moves from one corpus to another, beside all that it has."""

BETTER = 1e-5
"""Improvement, in units of the goal's scale, below which the last search ends."""

ROUGH, EXACT = 1e-4, 1e-9
"""Change of the goal, in units of its scale, at which a descent ends: of each start, and of the best."""

ROUNDS, FEW_ROUNDS = 40, 4
"""Moves in a row of the last search: where it is all there is, and behind a descent on a smooth part, since
trees are slow to ask."""


@dataclass(frozen=True)
class Best:
    """The best mixture found.

    Attributes
    ----------
    shares : ndarray, shape (p,)
        The mixture.
    losses : ndarray, shape (k,)
        Expected losses there.
    value : float
        The goal there.
    excess : float
        Greatest relative excess over a ceiling; not above `problem.KEPT` when the ceilings are kept.
    """

    shares: Array
    losses: Array
    value: float
    excess: float


class OutOfReachError(PlanError):
    """No mixture keeps the limits.

    Attributes
    ----------
    nearest : Best
        The mixture whose greatest relative excess is least.
    """

    def __init__(self, message: str, nearest: Best) -> None:
        super().__init__(message, "relax a limit, or the rules on shares")
        self.nearest = nearest


def solve(problem: Problem, pool: Array, starts: int = STARTS) -> Best:
    """The mixture of the region with the least goal that keeps the ceilings.

    Parameters
    ----------
    problem : Problem
        What is asked.
    pool : ndarray, shape (q, p)
        Mixtures of the region to start from.
    starts : int
        How many of them.

    Raises
    ------
    OutOfReachError
        When no mixture of the region keeps the ceilings; the nearest that can be kept is said.
    """
    merit = problem.merit(problem.surface.losses(pool))
    best = solve_from(problem, diverse(pool, merit, starts))
    if not problem.keeps(best.losses):
        return _rescue(problem, pool, best)
    return best


def solve_from(problem: Problem, starts: Sequence[Array]) -> Best:
    """The best of descents from a few mixtures of the region, searched on from there."""
    if problem.surface.smooth is None:
        return _best(problem, [_at(problem, move_tokens(problem, start)) for start in starts])
    best = _best(problem, [_descended(problem, start, ROUGH) for start in starts])
    best = _best(problem, [best, _descended(problem, best.shares)])
    for _ in range(3):
        moved = move_tokens(problem, best.shares)
        if moved is best.shares:
            return best
        best = _at(problem, moved)
        if not problem.surface.is_smooth:
            return best
        best = _best(problem, [best, _descended(problem, moved)])
    return best


def diverse(pool: Array, merit: Array, count: int, apart: float = APART) -> list[Array]:
    """The best mixtures of a pool of which no two are near each other, the best first."""
    chosen: list[Array] = []
    for place in np.argsort(merit, kind="stable"):
        if all(0.5 * np.abs(pool[place] - other).sum() > apart for other in chosen):
            chosen.append(pool[place])
            if len(chosen) == count:
                break
    return chosen


def _descended(problem: Problem, start: Array, done: float = EXACT) -> Best:
    """Downhill along the smooth part; never worse than the start, which matters where it is not all."""
    tried = np.stack([start, descend(problem, start, done)])
    losses = problem.surface.losses(tried)
    at = int(np.argmin(problem.merit(losses)))
    return _at(problem, tried[at], losses[at])


def move_tokens(problem: Problem, start: Array) -> Array:
    """Move tokens from one corpus to another while that lowers the goal; needs no slopes.

    Returns `start` itself when no move helps: then it is a minimum along every such direction.
    """
    x, region = start, problem.region
    value = float(problem.merit(problem.surface.losses(x[None]))[0])
    for _ in range(ROUNDS if problem.surface.smooth is None else FEW_ROUNDS):
        tried = _moves(x, region.low, region.high)
        tried = tried[region.contains(tried, INSIDE)]
        if not len(tried):
            return x
        merit = problem.merit(problem.surface.losses(tried))
        best = int(np.argmin(merit))
        if merit[best] >= value - BETTER * problem.scale:
            return x
        x, value = np.asarray(tried[best]), float(merit[best])
        if problem.surface.is_smooth:
            # The descent follows; one better valley is all that is looked for here.
            return x
    return x


def _moves(x: Array, low: Array, high: Array) -> Array:
    """Mixtures that differ from one by tokens moved between two corpora, within their bounds."""
    width = len(x)
    giver, taker = np.nonzero(~np.eye(width, dtype=bool))
    room = np.minimum(x[giver] - low[giver], high[taker] - x[taker])
    steps = np.stack([room, *(np.minimum(room, size) for size in MOVES)])
    chosen = (steps > 1e-12) & np.vstack([np.ones((1, len(room)), bool), steps[1:] < room])
    size, pair = np.nonzero(chosen)
    made = np.repeat(x[None], len(size), axis=0)
    rows, amount = np.arange(len(size)), steps[size, pair]
    made[rows, giver[pair]] -= amount
    made[rows, taker[pair]] += amount
    return np.maximum(made, 0.0)


def _rescue(problem: Problem, pool: Array, nearest: Best) -> Best:
    """A mixture that keeps the ceilings where the first search found none; or say what can be kept."""
    goal = excess_goal(problem.columns, problem.ceilings, len(problem.surface.targets))
    free = problem.with_(goal=goal, columns=(), ceilings=np.empty(0), scale=0.01)
    least = solve(free, np.vstack([nearest.shares[None], pool]), 3)
    if problem.keeps(least.losses):
        best = solve_from(problem, [least.shares])
        return best if problem.keeps(best.losses) else _at(problem, least.shares)
    names = short_names(problem.surface.targets)
    texts = []
    for column, ceiling in zip(problem.columns, problem.ceilings, strict=True):
        alone = excess_goal([column], np.array([ceiling]), len(names))
        lowest = solve(free.with_(goal=alone), pool, 2).losses[column]
        texts.append(f"{names[column]} <= {np.ceil(lowest * 1e4) / 1e4:.4f} (asked {ceiling:.4f})")
    together = "; ".join(
        f"{names[column]} <= {np.ceil(least.losses[column] * 1e4) / 1e4:.4f}" for column in problem.columns
    )
    message = f"no mixture keeps the limits; alone the nearest that can be kept is {'; '.join(texts)}"
    if len(problem.columns) > 1:
        message += f", and together for example {together}"
    raise OutOfReachError(f"{message}.", least)


def _at(problem: Problem, shares: Array, losses: Array | None = None) -> Best:
    if losses is None:
        losses = problem.surface.losses(shares[None])[0]
    return Best(shares, losses, float(problem.goal.value(losses)), float(problem.excess(losses)))


def _best(problem: Problem, found: Sequence[Best]) -> Best:
    """The least goal among those that keep the ceilings; without any the least excess."""
    kept = [item for item in found if problem.keeps(item.losses)]
    return min(kept, key=lambda item: item.value) if kept else min(found, key=lambda item: item.excess)
