"""What each active constraint costs: its multiplier, and the change when it is relaxed a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from dcpt.core.errors import PlanError
from dcpt.plan.mixtures.problem import Problem
from dcpt.plan.mixtures.region import Rule
from dcpt.plan.mixtures.solve import Best, solve_from

Array = NDArray[np.float64]

POINT, PER_CENT = 0.01, 0.01
"""How far a share is relaxed, and the part of a ceiling or pool."""

_ACTIVE = 1e-5


@dataclass(frozen=True)
class Price:
    """A constraint that binds, and what it costs.

    Attributes
    ----------
    name : str
        Target, corpus or group.
    kind : {"limit", "share", "replay", "epochs"}
        What it is.
    text : str
        As it was written.
    corpora : tuple of str
        Corpora whose shares it speaks of; none for a limit.
    multiplier : float or None
        Fall of the goal per unit of share (or of the target's loss) that it gives way, at the margin; None
        where the predictor has no slopes.
    relaxed : str
        How far it was relaxed for the change.
    change : float
        Change of the best goal when it is relaxed so far, solved anew; negative is better.
    """

    name: str
    kind: Literal["limit", "share", "replay", "epochs"]
    text: str
    corpora: tuple[str, ...]
    multiplier: float | None
    relaxed: str
    change: float


def price_constraints(problem: Problem, best: Best, texts: tuple[str, ...]) -> tuple[Price, ...]:
    """Price the constraints that bind at an optimum, the dearest first.

    Parameters
    ----------
    problem : Problem
        What was solved.
    best : Best
        Its optimum.
    texts : tuple of str
        The limits as they were written.
    """
    sides = [
        (number, side) for number, rule in enumerate(problem.region.rules) for side in _active(rule, best)
    ]
    limits = [
        number
        for number, column in enumerate(problem.columns)
        if best.losses[column] >= problem.ceilings[number] * (1 - _ACTIVE * 10)
    ]
    multipliers = _multipliers(problem, best, sides, limits)
    found = []
    for place, (number, side) in enumerate(sides):
        rule = problem.region.rules[number]
        step = rule.high * PER_CENT if rule.kind == "epochs" else POINT
        low, high = (rule.low - step, rule.high) if side < 0 else (rule.low, rule.high + step)
        eased = problem.with_(region=problem.region.relaxed(number, low, high))
        words = "1 % of its pool" if rule.kind == "epochs" else f"{100 * step:.0f} point of share"
        value = None if multipliers is None else multipliers[place]
        corpora = tuple(problem.region.corpora[at] for at in rule.members)
        found.append(Price(rule.name, rule.kind, rule.text, corpora, value, words, _change(eased, best)))
    for place, number in enumerate(limits):
        ceilings = problem.ceilings.copy()
        ceilings[number] *= 1 + PER_CENT
        name = problem.surface.targets[problem.columns[number]]
        value = None if multipliers is None else multipliers[len(sides) + place]
        change = _change(problem.with_(ceilings=ceilings), best)
        found.append(Price(name, "limit", texts[number], (), value, "1 % of the ceiling", change))
    return tuple(sorted(_once(found), key=lambda item: item.change))


def _active(rule: Rule, best: Best) -> list[int]:
    """Ends of a rule that bind: -1 the lower, 1 the upper; both of a pin."""
    total = float(best.shares[list(rule.members)].sum())
    found = []
    if rule.low > 0 and total <= rule.low + _ACTIVE:
        found.append(-1)
    if rule.high < 1 and total >= rule.high - _ACTIVE:
        found.append(1)
    return found


def _once(prices: list[Price]) -> list[Price]:
    """Of a pin's two sides keep the one that pays to be relaxed."""
    kept: dict[tuple[str, str], Price] = {}
    for item in prices:
        key = (item.kind, item.text)
        if key not in kept or item.change < kept[key].change:
            kept[key] = item
    return list(kept.values())


def _change(eased: Problem, best: Best) -> float:
    """Best goal of a relaxed problem less the present one; never above 0, since the optimum still stands."""
    try:
        found = solve_from(eased, [best.shares])
    except PlanError:
        return 0.0
    return min(found.value - best.value, 0.0) if eased.keeps(found.losses) else 0.0


def _multipliers(
    problem: Problem, best: Best, sides: list[tuple[int, int]], limits: list[int]
) -> list[float] | None:
    """Multipliers of the active constraints: the least-squares solution of the optimum's conditions."""
    surface, goal = problem.surface, problem.goal
    if surface.smooth is None or not (sides or limits):
        return None
    losses, slopes = (item[0] for item in surface.smooth_losses(best.shares[None]))
    width = len(best.shares)
    if goal.worst:
        scaled = losses * goal.factor + goal.offset
        at = [k for k in goal.columns if scaled[k] >= scaled[goal.columns].max() - 1e-3 * problem.scale]
        objectives = np.stack([goal.factor[k] * slopes[k] for k in at])
    else:
        objectives = (goal.factor @ slopes)[None]
    normals = []
    for number, side in sides:
        row = np.zeros(width)
        row[list(problem.region.rules[number].members)] = side
        normals.append(row)
    normals += [slopes[problem.columns[number]] for number in limits]
    zero = -np.eye(width)[best.shares <= 1e-9]
    ones = np.ones((1, width))
    rows = np.vstack([objectives, np.reshape(normals, (-1, width)), zero, ones, -ones])
    size = float(np.abs(objectives).max()) + 1e-12
    # The weights of the worst targets sum to 1; so does the one weight of a mean.
    weight = np.r_[np.ones(len(objectives)), np.zeros(len(rows) - len(objectives))] * 100 * size
    solution, _ = nnls(np.vstack([rows.T, weight]), np.r_[np.zeros(width), 100 * size])
    first = len(objectives)
    return [float(value) for value in solution[first : first + len(normals)]]
