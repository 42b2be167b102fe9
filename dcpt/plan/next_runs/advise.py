"""Advice: fits, a question and candidate runs in; what to buy next, or not to, out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.fit_file import FitSet
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.next_runs.advice import Advice
from dcpt.plan.next_runs.belief import believe
from dcpt.plan.next_runs.candidate import Candidate
from dcpt.plan.next_runs.candidates import Bought, default_candidates
from dcpt.plan.next_runs.design import SLACK, cheapest_design, in_order
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.next_runs.metric import Measure
from dcpt.plan.next_runs.offers import make_batch, rank
from dcpt.plan.next_runs.pieces import Pieces
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.reasons import notes, reasons
from dcpt.plan.next_runs.schedules import unseen_schedules
from dcpt.plan.next_runs.stopping import StoppingRule, baselines, regrets, tolerance_of
from dcpt.plan.objective import Objective

BATCH = 8
"""Candidates bought together by default."""


def advise(
    fits: FitSet,
    objective: Objective,
    table: LossTable,
    candidates: Sequence[Candidate] | None = None,
    prices: Prices | None = None,
    rule: StoppingRule | None = None,
    *,
    batch: int = BATCH,
    max_flops: float | None = None,
    law: str | None = None,
    metric: str = "width",
    seed: int = 0,
) -> Advice:
    """Say which runs to buy next.

    To first order in the laws' parameters, the best ratio and the losses that the candidates would measure
    are one normal distribution, as wide as the draws of the fits; measuring a loss, with the scatter of a
    run, updates it. The law's own error at the target is beside it: only a larger proxy makes it smaller.
    Every candidate is ranked alone by what it tells per FLOP. The batch is the beginning of a whole design:
    the cheapest runs that leave nearly as little doubt as all candidates together (`cheapest_design`).

    Parameters
    ----------
    fits : FitSet
        Fitted laws of both sides with bootstrap draws.
    objective : Objective
        The question.
    table : LossTable
        The losses the fits were made from.
    candidates : sequence of Candidate, optional
        Runs to choose from; by default those of `default_candidates`.
    prices : Prices, optional
        What runs cost.
    rule : StoppingRule, optional
        When to stop.
    batch : int
        Most candidates to buy together.
    max_flops : float, optional
        Most FLOPs of the batch.
    law : str, optional
        Law to plan with.
    metric : {"width", "regret"}
        What is to be made smaller: the interval of the ratio, or the expected regret of acting on it.
    seed : int
        As in `make_plan`.

    Returns
    -------
    Advice

    Raises
    ------
    ConfigError
        When there is no candidate, or a number is out of range.
    PlanError
        When there is no plan, or the fits have too few draws.
    """
    if batch < 1:
        raise ConfigError(f"next runs: batch is {batch}; wanted 1 run or more.")
    if max_flops is not None and not max_flops > 0:
        raise ConfigError(f"next runs: max_flops is {max_flops}; wanted a positive number.")
    prices, rule = prices or Prices(), rule or StoppingRule()
    belief = believe(fits, objective, table, law, seed)
    bought = Bought.of(table)
    offered = (
        default_candidates(bought, objective.N or 0.0, objective.D or 0.0, belief.r)
        if candidates is None
        else tuple(candidates)
    )
    if not offered:
        raise ConfigError("next runs: there is no candidate to choose from.")
    measure = Measure.of(belief, metric)
    known = Knowledge.of(belief, offered)
    money = np.inf if max_flops is None else max_flops
    ranking = rank(known, measure, prices, bought.with_base, money)
    pieces = Pieces.of(offered)
    parts = Knowledge.of(belief, pieces.parts)
    for slack in (SLACK, min(SLACK, rule.least_shrink)):
        design = cheapest_design(parts, pieces, prices, bought.with_base, measure, slack, money)
        if design.parts:
            break
    bought_first = in_order(parts, pieces, prices, bought.with_base, measure, design.parts, batch)
    regret = float(regrets(belief, belief.r).mean())
    tolerance = tolerance_of(rule, belief)
    rivals = baselines(belief)
    law_share = belief.law_sd**2 / max(known.variance, 1e-300)
    unit = unit_of_amount(belief.unit)
    whole, planned = (
        belief.width * float(measure.factor(variance)) for variance in (design.everything, design.variance)
    )
    affordable = None if max_flops is None else (max_flops, planned)
    return Advice(
        r=belief.r,
        r_lo=belief.r_lo,
        r_hi=belief.r_hi,
        level=objective.level,
        metric=measure.metric,
        regret=regret,
        tolerance=tolerance,
        unit=unit,
        law_share=law_share,
        best_width=belief.width * float(np.sqrt(law_share)),
        everything_width=whole,
        design_width=planned,
        design_flops=design.flops,
        design_runs=sum(len(pieces.parts[number].cells) for number in design.parts),
        ranking=ranking,
        batch=make_batch(bought_first, measure),
        stop=reasons(
            rule, belief, regret, tolerance, whole, len(offered), rivals, objective.level, affordable
        ),
        baselines=rivals,
        notes=notes(belief, law_share, ranking, len(bought.runs), unseen_schedules(table)),
    )


def check_affordable(advice: Advice, max_flops: float | None) -> None:
    """Refuse a budget that buys none of the candidates.

    Raises
    ------
    PlanError
        When there is a budget and no candidate within it.
    """
    if max_flops is not None and not advice.ranking:
        raise PlanError(
            f"next runs: no candidate costs {format_quantity(max_flops)} FLOPs or less.",
            hint="raise --max-flops, or offer cheaper runs with --candidates",
        )
