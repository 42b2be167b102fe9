"""Planning: fitted laws and an objective in, a Plan out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.fit_file import FitSet
from dcpt.fit.unit_words import unit_words
from dcpt.plan.build_plan import Found, build_plan
from dcpt.plan.draw_answers import draw_frame
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.scene import Scene, set_scene
from dcpt.plan.sides import choose_sides
from dcpt.plan.trade_off import ratio_grid, solve_bounds
from dcpt.plan.uncertainty import at_ratios, spread_answers


def make_plan(
    fits: FitSet,
    objective: Objective,
    table: LossTable | None = None,
    law: str | None = None,
    seed: int = 0,
) -> Plan:
    """Find the mix, and where they are open the tokens and the size, with the lowest loss within the limits.

    Parameters
    ----------
    fits : FitSet
        Fitted laws of the general and the domain side.
    objective : Objective
        What to minimise, what to keep, for which run and with which means; its losses are in the unit of
        the fits.
    table : LossTable, optional
        Losses; the base's losses before continual pre-training are looked up in it, unless the
        objective gives them, and the best run so far.
    law : str, optional
        Law to plan with; by default, per evaluation set, the best one on the largest size held out.
    seed : int
        Seed of the offsets that stand for the laws' error at the target.

    Returns
    -------
    Plan
        Its run is feasible under the point fits: no predicted loss exceeds its ceiling. How often
        it is kept in the draws stands beside it.

    Raises
    ------
    ConfigError
        When a loss has no fit, the fits differ in metric, unit or tokenizer, or the searched range of
        ratios is empty.
    PlanError
        When nothing keeps the limits, or a base's loss is needed and not known.
    """
    sides = choose_sides(fits, objective, law, table)
    if objective.is_free:
        from dcpt.plan.free_plan import plan_freely

        return plan_freely(fits, objective, sides, table, seed)
    if objective.N is None or objective.D is None:
        raise ConfigError("plan: N or D is not given.")
    scene = set_scene(objective, sides, sides.measured_bases(table), objective.N, seed)
    return build_plan(scene, fits, find_ratio(scene, objective.D), table, seed)


def find_ratio(scene: Scene, D: float) -> Found:
    """The best ratio at the scene's size on D tokens, under the point fits and in every draw.

    Draws of the laws are paired by the number of their resample: the same runs make all losses low or
    high. The curves of each draw carry one offset for each law's error at the target.

    Raises
    ------
    PlanError
        When no ratio keeps the limits.
    """
    searched = scene.ratios(D)
    solution = solve_bounds(
        scene.bounds(D), lambda r: scene.point_value(D, r), *searched, unit=unit_words(scene.sides.unit)
    )
    bound = solution.bound or ("r" if solution.binding == "range" else "")
    if not scene.count:
        draws = pd.DataFrame({"r": np.empty(0)})
        return Found(D, solution.r, solution.binding, bound, draws, None, edges=solution.edges)
    grid = ratio_grid(*searched)
    losses = scene.draws(D, grid)
    value = scene.value(losses)
    mean = scene.point_value(D, grid)
    spread = spread_answers(grid, scene.excess(losses), value, solution.r, mean, scene.objective.level)
    draws = draw_frame(
        scene.N,
        D,
        spread.r,
        spread.feasible,
        {label: at_ratios(grid, loss, spread.r) for label, loss in losses.items()},
        at_ratios(grid, value, spread.r),
    )
    return Found(
        D=D,
        r=solution.r,
        binding=solution.binding,
        bound=bound,
        draws=draws,
        r_interval=(spread.r_lo, spread.r_hi),
        r_cautious=spread.r_cautious,
        infeasible_share=spread.infeasible_share,
        edges=solution.edges,
    )
