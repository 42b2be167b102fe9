"""A budget allocated: size, tokens and share together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.allocation.answer import AllocationAnswer
from dcpt.plan.allocation.best_size import NEAR, best_in_draws, best_size, drawn_at, exact_draws
from dcpt.plan.allocation.caveats import allocation_caveats
from dcpt.plan.allocation.sizes import size_table
from dcpt.plan.allocation.spending import FlopsPerToken, QuestionAt, Spending, six_per_parameter
from dcpt.plan.supply.answer import Price, SupplyAnswer
from dcpt.plan.supply.constraints import PERCENT, binding_of
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.supply.search import Optimum
from dcpt.plan.supply.solve_supply import POINT, losses_at, solve_supply, spread

Array = NDArray[np.float64]

GRID = 13
"""Sizes tried on a range of them: a factor of 1.5 apart on a range of 160. Between them the point answer is
refined by search, and that of the draws by a parabola."""


def allocate(
    question_at: QuestionAt,
    budget: float | tuple[float, float, float],
    r_range: tuple[float, float],
    *,
    sizes: Sequence[float] | None = None,
    N_range: tuple[float, float] | None = None,
    supply: Supply | None = None,
    D: float | None = None,
    D_max: float | None = None,
    flops_per_token: FlopsPerToken | None = None,
    level: float = 0.9,
) -> AllocationAnswer:
    """Find size, tokens and share with the lowest loss that the budget buys and that keep every limit.

    At each size the problem is that of `solve_supply`, with the tokens that the budget buys there. Where the
    law has a formula for the best size (`dcpt.laws.allocation`) and nothing but the budget limits the run,
    the size is the formula's; else it is searched.

    Parameters
    ----------
    question_at : callable
        Size to the `Question`: its laws, the losses they start from and its ceilings, with as many paired
        draws at every size.
    budget : float or tuple of three
        FLOPs, or (low, likely, high) where hours or money buy an uncertain number: the likely one is spent,
        and the answers at the ends stand beside it.
    r_range : tuple of float
        Domain shares to search; both ends alike for a given share.
    sizes : sequence of float, optional
        The sizes there are, such as a ladder of checkpoints.
    N_range : tuple of float, optional
        Else the range of sizes that may be built.
    supply : Supply, optional
        Pools and caps in epochs.
    D, D_max : float, optional
        Training tokens where they are given; most tokens where they are free.
    flops_per_token : callable, optional
        Size to FLOPs per training token; 6 N by default.
    level : float
        Probability of the intervals.

    Returns
    -------
    AllocationAnswer

    Raises
    ------
    ConfigError
        When budget, sizes or ranges make no sense, or the caps contradict each other.
    PlanError
        When the budget is too small for every size, or no run keeps the limits.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.4, usage 3; arXiv:2407.02118.
    """
    low, likely, high = _flops(budget)
    between = sizes is None
    wanted = _sizes(sizes, N_range)
    cost = flops_per_token or six_per_parameter
    spending = Spending(question_at, likely, r_range, supply or Supply(), D, D_max, cost)
    tried = spending.affordable(wanted)
    runs = [spending.best(float(N)) for N in tried]
    N, how = best_size(spending, tried, runs, between, flops_per_token is None)
    problem = spending.problem(N)
    point = solve_supply(
        problem.question, problem.supply, problem.tokens, problem.r_range, level, draws=False
    )
    at_sizes = [drawn_at(spending, float(size)) for size in tried]
    known = [item for item in at_sizes if item is not None]
    in_draws = None if not known else best_in_draws(spending, known, N, between)
    if in_draws is not None and how == "closed form":
        in_draws = exact_draws(spending, in_draws, tried)
    prices = _with_ends(spending, point, wanted, between)
    binding, name = binding_of(prices, spending.supply)
    at_budget = {
        end: found
        for end, flops in (("low", low), ("high", high))
        if flops != likely and (found := _at_end(replace(spending, flops=flops), wanted, between)) is not None
    }
    by_size = size_table(
        [_row(spending, float(size), run, point.value) for size, run in zip(tried, runs, strict=True)],
        at_sizes,
        in_draws if between else next((item for item in known if item.N[0] == N), None),
        cost,
        level,
    )
    ends = {"N": point.N, "r": point.r, "D": point.D, "value": point.value, **point.losses}
    interval = {} if in_draws is None else spread(ends, in_draws, level)
    doubts = (*point.caveats, *allocation_caveats(N, by_size, wanted, between, at_budget, (low, high)))
    answer = replace(
        point,
        draws=in_draws,
        interval=_with_budget(interval, at_budget),
        binding=binding,
        binding_name=name,
        prices=prices,
        caveats=doubts,
    )
    return AllocationAnswer(
        **vars(answer),
        flops=cost(N) * point.D,
        flops_per_domain_token=cost(N) / point.r if point.r > 0 else float("inf"),
        at_budget=at_budget,
        by_size=by_size,
        how=how,
    )


def _with_budget(
    interval: Mapping[str, tuple[float, float]], at_budget: Mapping[str, tuple[float, float, float]]
) -> dict[str, tuple[float, float]]:
    """The intervals widened to the answers at the ends of an uncertain budget, which no draw varies."""
    found = dict(interval)
    for position, name in enumerate(("N", "D", "r")):
        if name in found:
            values = [*found[name], *(answer[position] for answer in at_budget.values())]
            found[name] = (min(values), max(values))
    return found


def _flops(budget: float | tuple[float, float, float]) -> tuple[float, float, float]:
    low, likely, high = budget if isinstance(budget, tuple) else (budget, budget, budget)
    if not (0 < low <= likely <= high and np.isfinite(high)):
        raise ConfigError(
            f"allocation: the budget is {low:g} to {high:g} FLOPs, likely {likely:g}; wanted positive "
            "numbers."
        )
    return float(low), float(likely), float(high)


def _sizes(sizes: Sequence[float] | None, N_range: tuple[float, float] | None) -> Array:
    if (sizes is None) == (N_range is None):
        raise ConfigError("allocation: wanted either the sizes there are or a range of sizes.")
    given = np.array(sizes if sizes is not None else N_range, dtype=np.float64)
    if not (len(given) and (given > 0).all() and np.isfinite(given).all()):
        raise ConfigError(f"allocation: the sizes are {given.tolist()}; wanted positive numbers.")
    if N_range is None:
        return np.unique(given)
    if not given[0] < given[1]:
        raise ConfigError(
            f"allocation: sizes range from {given[0]:g} to {given[1]:g}; wanted low below high."
        )
    return np.geomspace(given[0], given[1], GRID)


def _row(spending: Spending, N: float, found: tuple[float, Optimum], best: float) -> dict[str, float]:
    value, run = found
    feasible = bool(run.feasible[0])
    losses = losses_at(spending.question(N), spending.supply, POINT, run.D, run.r)
    return {
        "N": N,
        "D": float(run.D[0]),
        "r": float(run.r[0]),
        "value": value if feasible else float("nan"),
        **{name: float(loss[0]) for name, loss in losses.items()},
        "feasible": feasible,
        "best": best,
    }


def _with_ends(spending: Spending, point: SupplyAnswer, wanted: Array, between: bool) -> tuple[Price, ...]:
    """The prices at the best size and, where the range of sizes ends, the price of its end."""
    prices = [
        replace(price, amount=spending.flops) if price.constraint == "budget" else price
        for price in point.prices
    ]
    for end, farther in ((wanted[0], 1 / PERCENT), (wanted[-1], PERCENT)):
        if between and abs(np.log(point.N / end)) < NEAR and spending.bought(end * farther) > 0:
            change = spending.best(float(end * farther))[0] - point.value
            prices.append(Price("range", "N", float(end), min(change, 0.0), True))
    return tuple(sorted(prices, key=lambda price: (not price.active, price.per_percent)))


def _at_end(spending: Spending, wanted: Array, between: bool) -> tuple[float, float, float] | None:
    """Best size, tokens and share for another budget; None when it allows no run."""
    tried = np.array([N for N in wanted if spending.bought(float(N)) >= spending.least(float(N))])
    if not len(tried):
        return None
    runs = [spending.best(float(N)) for N in tried]
    if not runs[int(np.argmin([value for value, _ in runs]))][1].feasible[0]:
        return None
    N, _ = best_size(spending, tried, runs, between, spending.flops_per_token is six_per_parameter)
    run = spending.best(N, exact=False)[1]
    return N, float(run.D[0]), float(run.r[0])
