"""The best run that keeps its limits not only at the point fits but in most draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.supply.constraints import Problem
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.search import Optimum
from dcpt.plan.supply.solve_supply import optimum_of

Array = NDArray[np.float64]

_STEPS = 12
"""Ceilings tried; three or four are enough where the draws scatter alike at all ratios."""

_FINE = 1e-5
"""Relative height of a ceiling that is not worth another step."""


def cautious_run(problem: Problem, level: float) -> tuple[float, float] | None:
    """Find the best ratio and tokens among the runs that keep every limit in a share of the draws.

    The point problem is solved with all ceilings lowered by one factor, the smallest at which its answer
    keeps the ceilings as they were asked for in that share.

    Parameters
    ----------
    problem : Problem
        What is solved, at one size.
    level : float
        Share of the draws.

    Returns
    -------
    tuple of float, or None
        r and D; None without limits, without draws, or where no run keeps the limits so surely.
    """
    question = problem.question
    if question.draws < 2 or not question.limits:
        return None
    low, high, lowered = 0.0, np.inf, 0.0
    found: Optimum | None = None
    for _ in range(_STEPS):
        best = optimum_of(_lowered(problem, lowered))
        over = _excess(problem, best, level)
        if over <= 0:
            found, high = best, lowered
        elif best.feasible[0]:
            low = lowered
        else:
            return None  # even the run that comes nearest to ceilings out of reach is kept too seldom
        if high - low < _FINE or (over <= 0 and best.feasible[0] and (lowered == 0 or over > -_FINE)):
            break
        step = lowered + over + 0.1 * _FINE
        lowered = step if low < step < high else 0.5 * (low + high)
    return None if found is None else (float(found.r[0]), float(found.D[0]))


def _lowered(problem: Problem, by: float) -> Problem:
    question = problem.question
    limits = tuple(limit.relaxed(float(np.exp(-by))) for limit in question.limits)
    return replace(problem, question=Question(question.terms, limits))


def _excess(problem: Problem, run: Optimum, level: float) -> float:
    """Log excess over the ceilings that the run stays at or below in a share of the draws."""
    question = problem.question
    members = np.arange(1, 1 + question.draws)
    D, r = (np.repeat(value, question.draws) for value in (run.D, run.r))
    excess = question.excess(members, D, r, problem.supply)
    assert excess is not None
    return float(np.quantile(excess, level, method="higher"))
