"""The constraints of a question: which ones an answer lies on, and what more of each would be worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.symbols import DOMAIN, ROLES
from dcpt.plan.binding import Binding
from dcpt.plan.supply.answer import Price
from dcpt.plan.supply.drawn_law import Members
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.region import Region, Tokens
from dcpt.plan.supply.repetition import Supply

Array = NDArray[np.float64]
Range = tuple[float, float]

PERCENT = 1.01
"""How far a constraint is relaxed for its price."""

ONCE = 1 + 1e-9
"""Passes over a pool up to which nothing is repeated."""

_NEAR = 1e-5
"""Relative distance at which a point answer lies on a constraint."""

_NEAR_IN_DRAWS = 1e-3
"""The same for the draws, which are searched less finely."""

_NO_GAIN = 1e-9
"""Relative change of the value that is not taken for a price: what the search leaves undecided."""


@dataclass(frozen=True)
class Problem:
    """Everything that a search is given."""

    question: Question
    supply: Supply
    tokens: Tokens
    r_range: Range


@dataclass(frozen=True)
class _Candidate:
    kind: Binding
    name: str
    amount: float
    relaxed: Problem | None
    distance: Callable[[Members, Array, Array], Array]
    """Relative distance of answers (D, r) of some members from the constraint; 0 or less on it."""
    binds: bool = True


def prices_of(
    problem: Problem,
    region: Region,
    D: float,
    r: float,
    value: float,
    best_value: Callable[[Problem], float],
) -> tuple[Price, ...]:
    """Price every constraint of an answer, the dearest active one first.

    Parameters
    ----------
    problem, region
        The question, and what its caps leave.
    D, r, value : float
        The answer.
    best_value : callable
        Value of the answer to another problem.
    """
    found = []
    at_D, at_r = np.array([D]), np.array([r])
    for item in _candidates(problem, region):
        active = bool(item.distance(slice(0, 1), at_D, at_r)[0] <= _NEAR)
        change = 0.0
        if item.relaxed is not None and (active or item.kind == "pool" or not item.binds):
            change = best_value(item.relaxed) - value
        if abs(change) <= _NO_GAIN * abs(value):
            change = 0.0
        found.append(Price(item.kind, item.name, item.amount, change, active and item.binds))
    return tuple(sorted(found, key=lambda price: (not price.active, price.per_percent)))


def binding_of(prices: tuple[Price, ...], supply: Supply) -> tuple[Binding, str]:
    """The active constraint whose 1 % is worth most, but for an end of the searched ratios.

    Where the loss still falls at such an end, that is where the answer comes from: what the others are worth
    holds for a ratio that was not chosen but cut off. Where a cap on passes is reached the pool is worth
    more than the cap, for it moves both; the cap is what one may lift, so it is named, unless it is one pass
    and the pool is simply used up.
    """
    worth = [price for price in prices if price.active and price.per_percent < 0]
    if any((price.constraint, price.name) == ("range", "r") for price in worth):
        return "range", "r"
    for price in worth:
        if price.constraint not in ("pool", "epochs"):
            return price.constraint, price.name
        capped = any(p.active for p in prices if (p.constraint, p.name) == ("epochs", price.name))
        cap = supply.epoch_cap(price.name)
        return ("epochs" if capped and cap is not None and cap > ONCE else "pool"), price.name
    return "none", ""


def lies_on(problem: Problem, region: Region, D: Array, r: Array) -> dict[str, NDArray[np.bool_]]:
    """Constraint to the draws whose answer lies on it."""
    members = slice(1, 1 + len(D))
    return {
        f"{item.kind} {item.name}".rstrip(): np.asarray(item.distance(members, D, r) <= _NEAR_IN_DRAWS)
        for item in _candidates(problem, region)
        if item.binds
    }


def _candidates(problem: Problem, region: Region) -> list[_Candidate]:
    return [
        *_ceilings(problem),
        *_pools(problem),
        *_tokens(problem, region),
        *_shares(problem, region),
    ]


def _ceilings(problem: Problem) -> list[_Candidate]:
    question, supply = problem.question, problem.supply
    found = []
    for place, limit in enumerate(question.limits):
        others = list(question.limits)
        others[place] = limit.relaxed(PERCENT)

        def distance(members: Members, D: Array, r: Array, place: int = place) -> Array:
            limit = question.limits[place]
            losses = limit.law.losses(members, D, r, supply)
            return np.asarray(limit.log_ceilings(members) - np.log(losses))

        relaxed = replace(problem, question=Question(question.terms, tuple(others)))
        found.append(_Candidate("ceiling", limit.law.name, float(limit.ceiling), relaxed, distance))
    return found


def _pools(problem: Problem) -> list[_Candidate]:
    found = []
    for side in ROLES:
        pool, cap = problem.supply.pool(side), problem.supply.epoch_cap(side)
        if pool is None:
            continue

        def passes(D: Array, r: Array, side: str = side, pool: float = pool) -> Array:
            return np.asarray((r if side == DOMAIN else 1 - r) * D / pool)

        def repeated(_: Members, D: Array, r: Array, passes: Callable[..., Array] = passes) -> Array:
            return np.asarray(ONCE * (1 - _NEAR) - passes(D, r))

        more = replace(problem, supply=replace(problem.supply, **{side: pool * PERCENT}))
        found.append(_Candidate("pool", side, pool, more, repeated))
        if cap is None:
            continue

        def full(
            _: Members, D: Array, r: Array, passes: Callable[..., Array] = passes, cap: float = cap
        ) -> Array:
            return np.asarray(1 - passes(D, r) / cap)

        again = replace(problem, supply=replace(problem.supply, **{f"{side}_epochs": cap * PERCENT}))
        found.append(_Candidate("epochs", side, cap, again, full))
    return found


def _tokens(problem: Problem, region: Region) -> list[_Candidate]:
    tokens = problem.tokens
    if tokens.D is not None:
        more = replace(problem, tokens=replace(tokens, D=tokens.D * PERCENT))
        return [_Candidate("tokens", "", tokens.D, more, lambda _, D, r: np.zeros(np.shape(D)), binds=False)]
    found = []
    fields = {"tokens": "most", "budget": "budget", "range": "reach"}
    for name, cap in region.flat.items():

        def distance(_: Members, D: Array, r: Array, cap: float = cap) -> Array:
            return np.asarray(1 - D / cap)

        more = replace(problem, tokens=replace(tokens, **{fields[name]: cap * PERCENT}))
        kind: Binding = "tokens" if name == "tokens" else "budget" if name == "budget" else "range"
        found.append(_Candidate(kind, "D" if kind == "range" else "", cap, more, distance))
    return found


def _shares(problem: Problem, region: Region) -> list[_Candidate]:
    low, high = problem.r_range
    found = []
    ends = ((low, (low / PERCENT, high), 1.0), (high, (low, 1 - (1 - high) / PERCENT), -1.0))
    for end, wider, sign in ends:
        if low == high or end in (0.0, 1.0):
            continue

        def distance(_: Members, D: Array, r: Array, end: float = end, sign: float = sign) -> Array:
            return np.asarray(sign * (r - end))

        found.append(_Candidate("range", "r", end, replace(problem, r_range=wider), distance))
    return found
