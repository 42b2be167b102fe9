"""Planning: fitted laws and an objective in, a Plan out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dcpt.core import files
from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_words
from dcpt.plan.base_loss import BaseLoss, find_base_loss
from dcpt.plan.cost import run_cost
from dcpt.plan.evidence import choose_fit, law_used, same_unit, weigh
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan, PredictedLoss
from dcpt.plan.start_loss import Start, draws_from, start_of
from dcpt.plan.trade_off import Array, Curve, ratio_grid, solve
from dcpt.plan.uncertainty import RatioSpread, offset_draws, spread_ratios
from dcpt.plan.verdict import find_caveats, judge

CURVE_POINTS = 101
"""Points of the stored trade-off curve: enough to draw it, a quarter of the search grid."""


def make_plan(
    fits: FitSet,
    objective: Objective,
    table: LossTable | None = None,
    law: str | None = None,
    seed: int = 0,
) -> Plan:
    """Find the domain share with the lowest domain loss that keeps the general loss within its limit.

    Parameters
    ----------
    fits : FitSet
        Fitted laws of the general and the domain side.
    objective : Objective
        What to minimise, what to keep, and for which run; its losses are in the unit of the fits.
    table : LossTable, optional
        Losses; the base's general loss before continual pre-training is looked up in it, unless the
        objective gives it.
    law : str, optional
        Law to plan with; by default, per side, the best one on the largest size held out.
    seed : int
        Seed of the offsets that stand for the laws' error at the target.

    Returns
    -------
    Plan
        Its ratio is feasible under the point fits: the predicted general loss does not exceed the
        ceiling. How often it is kept in the draws stands beside it.

    Raises
    ------
    ConfigError
        When a side has no fit, the sides differ in metric or unit, or the searched range of ratios is
        empty.
    PlanError
        When no ratio keeps the ceiling, or the base's loss is needed and not known.
    """
    general, domain = (choose_fit(fits, side, law, objective.D) for side in (GENERAL, DOMAIN))
    unit = same_unit(general, domain)
    base = _base(objective, table, general)
    ceiling = objective.keep.ceiling(None if base is None else base.value)
    tested = _tested(general, domain)
    searched = _searched(objective, tested)
    start = {side: start_of(fit, general, base) for side, fit in ((GENERAL, general), (DOMAIN, domain))}
    curves = _curve(general, objective, start[GENERAL]), _curve(domain, objective, start[DOMAIN])
    solution = solve(*curves, ceiling, *searched, unit=unit_words(unit))
    spread = _spread(general, domain, objective, base, start, searched, solution.r, seed)
    evidence = {GENERAL: weigh(fits, general), DOMAIN: weigh(fits, domain)}
    caveats = find_caveats(objective, solution, spread, base, evidence, searched)
    laws = {GENERAL: law_used(general), DOMAIN: law_used(domain)}
    at_r = {
        side: fit.predict(objective.N, objective.D, solution.r, objective.level, start[side])
        for side, fit in ((GENERAL, general), (DOMAIN, domain))
    }
    return Plan(
        objective=objective,
        metric=general.metric,
        unit=unit,
        r=solution.r,
        r_lo=None if spread is None else min(spread.r_lo, solution.r),
        r_hi=None if spread is None else max(spread.r_hi, solution.r),
        r_cautious=None if spread is None else spread.r_cautious,
        kept_at_r=None if spread is None else spread.kept_at_r,
        infeasible_share=None if spread is None else spread.infeasible_share,
        general=_predicted(at_r[GENERAL]),
        domain=_predicted(at_r[DOMAIN]),
        ceiling=ceiling,
        base=base,
        binding=solution.binding,
        searched=searched,
        tested=tested,
        curve=_trade_off_curve(general, domain, objective, start, searched),
        r_draws=np.empty(0) if spread is None else spread.r,
        laws=laws,
        fits_fingerprint=files.content_hash([used.fit_hash for used in laws.values()]),
        how={side: str(frame.attrs.get("how", "")) for side, frame in at_r.items()},
        caveats=caveats,
        verdict=judge(caveats),
        cost=run_cost(objective.N, objective.D, solution.r),
        seed=seed,
    )


def _base(objective: Objective, table: LossTable | None, general: LawFit) -> BaseLoss | None:
    """The base's general loss; a ceiling does without it."""
    try:
        return find_base_loss(objective, table, general.eval_set, general.metric, general.unit)
    except PlanError:
        if objective.keep.needs_base:
            raise
        return None


def _tested(general: LawFit, domain: LawFit) -> tuple[float, float]:
    """Interior ratios both laws were fitted on."""
    low = max(general.ranges["r"][0], domain.ranges["r"][0], 1e-3)
    high = min(general.ranges["r"][1], domain.ranges["r"][1], 1 - 1e-3)
    if low >= high:
        raise ConfigError(
            f"the laws were fitted on different ratios: general on {general.ranges['r']}, domain on "
            f"{domain.ranges['r']}; wanted a common range."
        )
    return float(low), float(high)


def _searched(objective: Objective, tested: tuple[float, float]) -> tuple[float, float]:
    low = tested[0] if objective.r_min is None else objective.r_min
    high = tested[1] if objective.r_max is None else objective.r_max
    if low >= high:
        raise ConfigError(
            f"objective: the searched range of ratios is {low:g} to {high:g}; wanted r_min below r_max.",
            hint=f"the laws were fitted on {tested[0]:g} to {tested[1]:g}",
        )
    return low, high


def _curve(fit: LawFit, objective: Objective, start: Start) -> Curve:
    return lambda r: fit.mean(objective.N, objective.D, r, start)


def _spread(
    general: LawFit,
    domain: LawFit,
    objective: Objective,
    base: BaseLoss | None,
    start: Mapping[str, Start],
    searched: tuple[float, float],
    r: float,
    seed: int,
) -> RatioSpread | None:
    """The trade-off in every draw; None when the fits have no two draws of the same resamples.

    Draws of the two sides are paired by the number of their resample, since either side may lack some:
    the same runs make both losses low or high. The general curve of each draw carries one
    offset for the law's error at the target; an offset of the domain curve would not move its minimum.
    """
    _, at_general, at_domain = np.intersect1d(
        general.resamples, domain.resamples, assume_unique=True, return_indices=True
    )
    count = len(at_general)
    if count < 2:
        return None
    rng = np.random.default_rng(seed)
    N, D, grid = objective.N, objective.D, ratio_grid(*searched)
    log_sd = float(general.log_noise(N, D, r, start[GENERAL])[0])
    shifts = np.zeros(count)
    if base is not None:
        shifts = np.log(base.draws(count, rng) / base.value)
    losses = draws_from(general, objective, grid, start[GENERAL], at_general, shifts)
    ceilings = [
        objective.keep.ceiling(None if base is None else base.value * float(np.exp(shift)))
        for shift in shifts
    ]
    return spread_ratios(
        grid,
        offset_draws(losses, log_sd, rng),
        draws_from(domain, objective, grid, start[DOMAIN], at_domain, shifts),
        np.array(ceilings),
        r,
        domain.mean(N, D, grid, start[DOMAIN]),
        objective.level,
    )


def _predicted(frame: pd.DataFrame) -> PredictedLoss:
    row = frame.iloc[0]
    return PredictedLoss(
        **{name: float(row[name]) for name in ("mean", "mean_lo", "mean_hi", "obs_lo", "obs_hi")}
    )


def _trade_off_curve(
    general: LawFit,
    domain: LawFit,
    objective: Objective,
    start: Mapping[str, Start],
    searched: tuple[float, float],
) -> pd.DataFrame:
    grid: Array = ratio_grid(*searched, points=CURVE_POINTS)
    columns: dict[str, Array] = {"r": grid}
    parts = {"": "mean", "_lo": "mean_lo", "_hi": "mean_hi", "_obs_lo": "obs_lo", "_obs_hi": "obs_hi"}
    for side, fit in ((GENERAL, general), (DOMAIN, domain)):
        frame = fit.predict(objective.N, objective.D, grid, objective.level, start[side])
        for suffix, name in parts.items():
            columns[side + suffix] = frame[name].to_numpy(float)
    return pd.DataFrame(columns)
