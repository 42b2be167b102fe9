"""Plans that leave more than the ratio open: limited pools, free tokens, a budget to spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.bases import Bases
from dcpt.fit.fit_file import FitSet
from dcpt.plan.allocation.allocate import allocate
from dcpt.plan.allocation.answer import AllocationAnswer
from dcpt.plan.build_plan import Found, build_plan
from dcpt.plan.cost import FLOPS_PER_TOKEN_AND_PARAMETER, run_cost
from dcpt.plan.draw_answers import draw_frame
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.scene import Scene, searched_range, set_scene, supply_of
from dcpt.plan.sides import Sides
from dcpt.plan.supply.answer import Draws, SupplyAnswer
from dcpt.plan.supply.cautious import cautious_run
from dcpt.plan.supply.constraints import Problem
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.question import Limit, Question, Term
from dcpt.plan.supply.region import Tokens
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.supply.solve_supply import solve_supply
from dcpt.plan.trade_off import edge_of, ratio_grid

_EVEN = 0.5
"""Ratio at which the error of a law is looked up: it depends on size and tokens, hardly on the ratio."""


def plan_freely(fits: FitSet, objective: Objective, sides: Sides, table: LossTable | None, seed: int) -> Plan:
    """Choose the ratio together with the tokens, the size, or both, on the pools there are.

    Parameters
    ----------
    fits : FitSet
        All fits.
    objective : Objective
        A question that is free (`Objective.is_free`).
    sides : Sides
        Its fits.
    table : LossTable or None
        Losses, for the base's and for the best run seen.
    seed : int
        Seed of the offsets of the draws.

    Raises
    ------
    ConfigError
        When caps, pools, sizes and tokens contradict each other.
    PlanError
        When nothing keeps the limits, or the budget is too small for every size.
    """
    scene, answer = solve_freely(objective, sides, sides.measured_bases(table), seed)
    searched = searched_range(objective, sides.tested)
    tokens = Tokens(D=objective.D, most=objective.D_max, budget=_bought(objective, answer.N))
    problem = Problem(question_of(scene, sides), supply_of(objective) or Supply(), tokens, searched)
    found = _found(objective, scene, answer, cautious_run(problem, objective.level))
    return build_plan(scene, fits, found, table, seed)


def solve_freely(
    objective: Objective,
    sides: Sides,
    bases: Mapping[str, Bases],
    seed: int,
    r: float | None = None,
) -> tuple[Scene, SupplyAnswer]:
    """The answer to a free question, and the scene at its size.

    Parameters
    ----------
    objective, sides, seed
        As in `plan_freely`.
    bases : mapping of str to Bases
        Measured losses of bases by evaluation set.
    r : float, optional
        The ratio, where it is not to be chosen.

    Raises
    ------
    ConfigError, PlanError
        As `plan_freely`.
    """
    searched = searched_range(objective, sides.tested) if r is None else (r, r)
    scenes: dict[float, Scene] = {}

    def scene_at(N: float) -> Scene:
        if N not in scenes:
            scenes[N] = set_scene(objective, sides, bases, N, seed)
        return scenes[N]

    answer = _solve(objective, sides, searched, lambda N: question_of(scene_at(N), sides))
    return scene_at(answer.N), answer


def question_of(scene: Scene, sides: Sides) -> Question:
    """The losses to make low and to keep at one size, with their draws.

    A loss that is neither minimised nor kept takes part with weight 0, so that every draw's answer has it.
    """
    kept = {item.label for item in scene.ceilings}
    weights = {label: sides.weights.get(label, 0.0) for label in sides.fits}
    terms = [
        Term(_drawn(scene, label, offset=False), weight)
        for label, weight in weights.items()
        if weight > 0 or label not in kept
    ]
    limits = [
        Limit(_drawn(scene, bound.label, offset=True), item.value, item.draws, bound.nearest)
        for item, bound in zip(scene.ceilings, scene.bounds(scene.objective.D or 1.0), strict=True)
    ]
    return Question(tuple(terms), tuple(limits))


def _drawn(scene: Scene, label: str, offset: bool) -> DrawnLaw:
    surface = scene.surfaces[label]
    tokens = scene.objective.D or surface.fit.ranges["D"][1]
    noise = float(surface.fit.log_noise(scene.N, tokens, _EVEN, surface.start)[0]) if offset else 0.0
    rows = surface.rows[: scene.count]
    return DrawnLaw(
        label,
        surface.fit,
        scene.N,
        rows,
        start=surface.start,
        shifts=surface.shifts,
        offsets=noise * surface.normals if offset else None,
    )


def _solve(
    objective: Objective,
    sides: Sides,
    searched: tuple[float, float],
    question_at: Callable[[float], Question],
) -> SupplyAnswer:
    supply, level, budget = supply_of(objective) or Supply(), objective.level, objective.budget
    if budget is None:
        if objective.N is None:
            raise ConfigError("plan: N is not given, and there is no budget to choose it by.")
        tokens = Tokens(D=objective.D, most=objective.D_max)
        return solve_supply(question_at(objective.N), supply, tokens, searched, level)
    sizes = objective.sizes if objective.N is None else (objective.N,)
    between = None
    if sizes is None:
        fitted = [fit.ranges["N"] for fit in sides.fits.values()]
        low = max(lo for lo, _ in fitted) if objective.N_min is None else objective.N_min
        high = min(hi for _, hi in fitted) if objective.N_max is None else objective.N_max
        if low >= high:
            raise ConfigError(f"plan: sizes from {low:g} to {high:g}; wanted the first below the second.")
        between = (low, high)
    return allocate(
        question_at,
        budget.flops_range(),
        searched,
        sizes=sizes,
        N_range=between,
        supply=supply,
        D=objective.D,
        D_max=objective.D_max,
        level=level,
    )


def _bought(objective: Objective, N: float) -> float | None:
    """Tokens that the budget buys at a size, where it is what buys them."""
    if objective.budget is None or objective.D is not None:
        return None
    return objective.budget.likely / (FLOPS_PER_TOKEN_AND_PARAMETER * N)


def _found(
    objective: Objective, scene: Scene, answer: SupplyAnswer, cautious: tuple[float, float] | None
) -> Found:
    budget, supply = objective.budget, supply_of(objective)
    cost = run_cost(
        answer.N,
        answer.D,
        answer.r,
        hardware=None if budget is None else budget.hardware,
        utilisation=None if budget is None else budget.utilisation,
        price=None if budget is None else budget.price,
        supply=supply,
    )
    free = [name for name, asked in (("N", objective.N), ("D", objective.D)) if asked is None]
    grid = ratio_grid(*scene.searched)
    return Found(
        D=answer.D,
        r=answer.r,
        binding=answer.binding,
        bound=answer.binding_name,
        draws=_frame(answer.draws),
        r_interval=answer.interval.get("r"),
        infeasible_share=None if answer.draws is None else answer.draws.infeasible_share,
        edges=[edge_of(bound, grid) for bound in scene.bounds(answer.D)],
        intervals={name: answer.interval[name] for name in free if name in answer.interval},
        prices=answer.prices,
        epochs=dict(answer.epochs),
        by_size=answer.by_size if isinstance(answer, AllocationAnswer) and "N" in free else pd.DataFrame(),
        caveats=answer.caveats,
        cost=cost,
        r_cautious=None if cautious is None else cautious[0],
        D_cautious=None if cautious is None or objective.D is not None else cautious[1],
    )


def _frame(draws: Draws | None) -> pd.DataFrame:
    if draws is None:
        return pd.DataFrame({"r": np.empty(0)})
    return draw_frame(draws.N, draws.D, draws.r, draws.feasible, draws.losses, draws.value)
