"""Limited data solved: the best share and tokens, in every draw, with what binds and its price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import ROLES
from dcpt.fit.unit_words import unit_words
from dcpt.plan.supply.answer import Draws, SupplyAnswer, intervals, outside_ranges
from dcpt.plan.supply.caveats import supply_caveats
from dcpt.plan.supply.constraints import ONCE, Problem, binding_of, lies_on, prices_of
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.region import Region, Tokens, region_of
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.supply.search import DRAWS, FINE, Optimum, search

Array = NDArray[np.float64]

POINT = np.zeros(1, dtype=np.int64)
"""The point fit among the members of a law."""


def solve_supply(
    question: Question,
    supply: Supply,
    tokens: Tokens,
    r_range: tuple[float, float],
    level: float = 0.9,
    prices: bool = True,
    draws: bool = True,
) -> SupplyAnswer:
    """Find the share and the tokens with the lowest loss that keep every limit and fit into the pools.

    How repetition enters the laws stands in `dcpt.plan.supply.repetition.shown_to`. With one epoch of the
    domain, unlimited general text and no other limit the problem is min over r of L(N, U/r, r), usage 2 of
    the D-CPT paper.

    Parameters
    ----------
    question : Question
        Losses to make low and to keep, of one model size.
    supply : Supply
        Pools, caps in epochs, and the decay of repeated tokens.
    tokens : Tokens
        Given tokens, or what ends a run whose tokens are free. Without a cap of any kind the search ends at
        three times the most tokens fitted.
    r_range : tuple of float
        Domain shares to search.
    level : float
        Probability of the intervals.
    prices : bool
        Whether to price the constraints and try other decays; without them the binding constraint is "none".
    draws : bool
        Whether to answer in every draw, too.

    Returns
    -------
    SupplyAnswer
        Its run keeps every limit under the point fits.

    Raises
    ------
    ConfigError
        When the caps contradict the tokens or the shares.
    PlanError
        When no run keeps the limits; the nearest ceiling that one does keep is said.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.4, usage 2; Muennighoff et al. 2023, arXiv:2305.16264.
    """
    if not 0 < level < 1:
        raise ConfigError(f"plan: level is {level}; wanted a probability between 0 and 1.")
    problem = Problem(question, supply, tokens, r_range)
    region = region_of(question, supply, tokens, r_range)
    best = search(question, supply, region, POINT, FINE)
    if not best.feasible[0]:
        raise infeasible(question, supply, region, best)
    r, D, value = float(best.r[0]), float(best.D[0]), float(best.value[0])
    losses = losses_at(question, supply, POINT, best.D, best.r)
    priced = prices_of(problem, region, D, r, value, best_value) if prices else ()
    in_draws = drawn(problem, region) if draws else None
    point = {"N": question.N, "r": r, "D": D, "value": value} | {k: float(v[0]) for k, v in losses.items()}
    epochs = {side: passes for side in ROLES if (passes := supply.epochs(side, D, r)) is not None}
    repeated = any(passes > ONCE for passes in epochs.values())
    binding, name = binding_of(priced, supply)
    at_decay = _other_decays(problem) if prices and repeated and not _measured(question) else {}
    return SupplyAnswer(
        **{key: point[key] for key in ("N", "r", "D", "value")},
        losses={key: float(loss[0]) for key, loss in losses.items()},
        epochs=epochs,
        worth={
            side: float(supply.worth(side, passes * _pool(supply, side))) for side, passes in epochs.items()
        },
        binding=binding,
        binding_name=name,
        prices=priced,
        draws=in_draws,
        interval={} if in_draws is None else spread(point, in_draws, level),
        at_decay=at_decay,
        outside=outside_ranges([law.fit.ranges for law in question.laws], point),
        caveats=supply_caveats(question, supply, epochs, at_decay, _at_reach(region, D)),
    )


def best_value(problem: Problem) -> float:
    """Value of the best run under the point fits; infinite when none keeps the limits."""
    best = optimum_of(problem)
    return float(best.value[0]) if best.feasible[0] else float("inf")


def optimum_of(problem: Problem) -> Optimum:
    """Best run under the point fits."""
    region = region_of(problem.question, problem.supply, problem.tokens, problem.r_range)
    return search(problem.question, problem.supply, region, POINT, FINE)


def drawn(problem: Problem, region: Region) -> Draws | None:
    """The best run in every draw; None without draws."""
    question, supply = problem.question, problem.supply
    if question.draws < 2:
        return None
    members = np.arange(1, 1 + question.draws)
    best = search(question, supply, region, members, DRAWS)
    return Draws(
        N=np.full(len(members), question.N),
        r=best.r,
        D=best.D,
        value=best.value,
        losses=losses_at(question, supply, members, best.D, best.r),
        feasible=best.feasible,
        lies_on=lies_on(problem, region, best.D, best.r),
    )


def losses_at(
    question: Question, supply: Supply, members: NDArray[np.int64], D: Array, r: Array
) -> dict[str, Array]:
    """Loss of every law of a question, each member at its own run."""
    return {law.name: law.losses(members, D, r, supply) for law in question.laws}


def spread(point: Mapping[str, float], draws: Draws, level: float) -> dict[str, tuple[float, float]]:
    """Intervals of an answer."""
    values = {"N": draws.N, "r": draws.r, "D": draws.D, "value": draws.value, **draws.losses}
    return intervals(point, values, draws.feasible, level)


def infeasible(question: Question, supply: Supply, region: Region, nearest: Optimum) -> PlanError:
    """The error of a question without an answer, with the ceilings that can be kept."""
    D, r = float(nearest.D[0]), float(nearest.r[0])
    at = losses_at(question, supply, POINT, nearest.D, nearest.r)
    over = [limit for limit in question.limits if at[limit.law.name][0] > limit.ceiling]
    limits = ", ".join(f"{x.law.name} <= {x.ceiling:.4f}" for x in over)
    allowed = " and ".join(f"'{x.nearest(float(at[x.law.name][0]))}'" for x in over)
    return PlanError(
        f"no run of {format_quantity(question.N)} parameters on these tokens and ratios keeps {limits} "
        f"{unit_words(question.limits[0].law.fit.unit)}: the nearest, {format_quantity(D)} tokens at "
        f"r = {r:.3f}, has " + ", ".join(f"{x.law.name} {at[x.law.name][0]:.4f}" for x in over) + ".",
        hint=f"the nearest that can be kept: {allowed}; or allow other tokens or ratios",
    )


def _pool(supply: Supply, side: str) -> float:
    pool = supply.pool(side)
    return 0.0 if pool is None else pool


def _measured(question: Question) -> bool:
    return all(term.law.measures_repetition for term in question.minimised)


def _other_decays(problem: Problem) -> dict[float, tuple[float, float]]:
    """Best runs if repeats were worth half or twice as long."""
    found = {}
    for factor in (0.5, 2.0):
        decay = problem.supply.decay * factor
        best = optimum_of(replace(problem, supply=replace(problem.supply, decay=decay)))
        if best.feasible[0]:
            found[decay] = (float(best.r[0]), float(best.D[0]))
    return found


def _at_reach(region: Region, D: float) -> float | None:
    """The end of the searched tokens, where the answer lies on it."""
    reach = region.flat.get("range")
    return reach if reach is not None and reach * (1 - 1e-6) <= D else None
