"""The best size: by the law's formula where it has one, else by search; and again in every draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from dcpt.plan.allocation.answer import How
from dcpt.plan.allocation.closed_form import LAWS, closed_form_sizes
from dcpt.plan.allocation.sizes import best_of_sizes
from dcpt.plan.allocation.spending import Spending
from dcpt.plan.supply.answer import Draws
from dcpt.plan.supply.region import region_of
from dcpt.plan.supply.search import Optimum
from dcpt.plan.supply.solve_supply import drawn, infeasible

Array = NDArray[np.float64]

AGAIN = 12
"""Sizes tried again for the draws, between those that are best in all but a few of them."""

_TAIL = 0.005
"""Share of the draws at either end whose best sizes are not looked at more closely."""

NEAR = 1e-3
"""Relative distance at which two sizes or shares are one."""


def best_size(
    spending: Spending, tried: Array, runs: list[tuple[float, Optimum]], between: bool, six: bool
) -> tuple[float, How]:
    """Best size under the point fits, and where it comes from.

    Parameters
    ----------
    spending : Spending
        Budget and limits.
    tried : ndarray, shape (k,)
        Sizes tried, ascending.
    runs : list
        What `Spending.best` found at each.
    between : bool
        Whether sizes between them may be had.
    six : bool
        Whether a token costs 6 N, as the formulas have it.

    Raises
    ------
    PlanError
        When no size has a run that keeps the limits.
    """
    values = [value for value, _ in runs]
    at = int(np.argmin(values))
    N = float(tried[at])
    if not between or len(tried) < 2:
        _check_feasible(spending, N, runs[at][1])
        return N, "numerical"
    r = runs[at][1].r
    if six and _only_budget(spending):
        law = spending.question(N).minimised[0].law
        exact = float(closed_form_sizes(law.fit, law.fit.theta[None], r, spending.flops)[0])
        inside = bool(tried[0] < exact < tried[-1])
        if inside and abs(float(spending.best(exact)[1].r[0]) - float(r[0])) < NEAR:
            return exact, "closed form"
    left, right = np.log(tried[max(at - 1, 0)]), np.log(tried[min(at + 1, len(tried) - 1)])
    found = minimize_scalar(
        lambda x: spending.best(float(np.exp(x)), exact=False)[0], bounds=(left, right), method="bounded",
        options={"xatol": 1e-4},
    )  # fmt: skip
    if found.fun < values[at]:
        N = float(np.exp(found.x))
    _check_feasible(spending, N, spending.best(N, exact=False)[1])
    return N, "numerical"


def _check_feasible(spending: Spending, N: float, run: Optimum) -> None:
    if not run.feasible[0]:
        problem = spending.problem(N)
        region = region_of(problem.question, problem.supply, problem.tokens, problem.r_range)
        raise infeasible(problem.question, problem.supply, region, run)


def _only_budget(spending: Spending) -> bool:
    """Whether the law has a formula for the best size and nothing but the budget limits the run."""
    question = spending.question_of_any()
    pools = (spending.supply.domain, spending.supply.general, spending.D, spending.D_max)
    return (
        len(question.minimised) == 1
        and not question.limits
        and all(item is None for item in pools)
        and question.minimised[0].law.fit.law.name in LAWS
    )


def drawn_at(spending: Spending, N: float, exact: bool = True) -> Draws | None:
    """The best run of a size in every draw; None without draws."""
    problem = spending.problem(N, exact)
    return drawn(problem, region_of(problem.question, problem.supply, problem.tokens, problem.r_range))


def best_in_draws(spending: Spending, known: Sequence[Draws], N: float, between: bool) -> Draws:
    """The best size of every draw.

    Where one limit takes over from another the value has a kink along N, which a parabola through sizes far
    apart misses: sizes around those that are best in the draws are tried again, closer together.
    """
    first = best_of_sizes(known, between)
    sizes = np.array([item.N[0] for item in known])
    if not between or len(sizes) < 3:
        return first
    value = np.stack([np.where(item.feasible, item.value, np.inf) for item in known])
    low, high = np.quantile(value.argmin(axis=0), [_TAIL, 1 - _TAIL])
    ends = sizes[max(int(low) - 1, 0)], sizes[min(int(np.ceil(high)) + 1, len(sizes) - 1)]
    closer = np.geomspace(*ends, AGAIN)
    if ends[0] < N < ends[1]:
        closer = np.sort(np.append(closer, N))
    again = [drawn_at(spending, float(size), exact=False) for size in closer]
    return best_of_sizes([item for item in again if item is not None], between)


def exact_draws(spending: Spending, draws: Draws, tried: Array) -> Draws:
    """The draws' sizes by the formula; those without one, or out of range, keep theirs."""
    law = spending.question_of_any().minimised[0].law
    theta = law.fit.draws[law.rows]
    exact = closed_form_sizes(law.fit, theta, draws.r, spending.flops)
    N = np.where(np.isfinite(exact), np.clip(exact, tried[0], tried[-1]), draws.N)
    return replace(draws, N=N, D=spending.flops / np.array([spending.flops_per_token(size) for size in N]))
