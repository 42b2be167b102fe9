"""Advice: fits, a question and candidate runs in; what to buy next, or not to, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.fit_file import FitSet
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.next_runs.advice import Advice, Offer, Stop
from dcpt.plan.next_runs.belief import Belief, believe
from dcpt.plan.next_runs.candidate import KIND_WORDS, Candidate
from dcpt.plan.next_runs.candidates import Bought, default_candidates
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.stopping import (
    LAW_SHARE,
    Baseline,
    StoppingRule,
    baselines,
    regrets,
    tolerance_of,
)
from dcpt.plan.objective import Objective

BATCH = 4
"""Candidates bought together by default."""

LEAST_GAIN = 0.005
"""Share of the variance below which a gain is not told from sampling error of the draws: 2 of 400."""


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
    seed: int = 0,
) -> Advice:
    """Say which runs to buy next.

    The draws of the fits are one joint distribution of the best ratio and of the losses that the
    candidates would measure. Measuring a loss, with the scatter of a run, updates it linearly (an ensemble
    Kalman update); the batch is chosen one candidate after another, each knowing those before. The law's
    own error at the target is beside it: only a larger proxy makes it smaller.

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
    known = Knowledge.of(belief, offered)
    money = np.inf if max_flops is None else max_flops
    ranking = _offers(known, belief, prices, bought.with_base, money)
    chosen = _batch(known, belief, prices, bought.with_base, money, batch)
    regret = float(regrets(belief, belief.r).mean())
    tolerance = tolerance_of(rule, belief)
    rivals = baselines(belief)
    law_share = belief.law_sd**2 / max(known.variance, 1e-300)
    unit = unit_of_amount(belief.unit)
    width = belief.width
    return Advice(
        r=belief.r,
        r_lo=belief.r_lo,
        r_hi=belief.r_hi,
        level=objective.level,
        regret=regret,
        tolerance=tolerance,
        unit=unit,
        law_share=law_share,
        best_width=width * float(np.sqrt(law_share)),
        ranking=ranking,
        batch=chosen,
        stop=_stops(rule, regret, tolerance, unit, width, ranking, rivals, objective.level),
        baselines=rivals,
        notes=_notes(belief, law_share, ranking),
    )


def _offers(
    known: Knowledge, belief: Belief, prices: Prices, with_base: Sequence[float], money: float
) -> tuple[Offer, ...]:
    """Every candidate alone that the money buys, the best first."""
    now = known.variance
    start = belief.parameter_sd**2 + belief.law_sd**2
    left = known.variances_after()
    offers = []
    for candidate, variance in zip(known.candidates, left, strict=True):
        flops = prices.of(candidate, with_base)
        if flops <= money:
            offers.append(_offer(candidate, flops, now, float(variance), start, belief, known))
    least = LEAST_GAIN * now
    return tuple(
        sorted(
            offers, key=lambda offer: (offer.gain * offer.flops < least, -offer.gain, str(offer.candidate))
        )
    )


def _batch(
    known: Knowledge,
    belief: Belief,
    prices: Prices,
    with_base: Sequence[float],
    money: float,
    most: int,
) -> tuple[Offer, ...]:
    chosen: list[Offer] = []
    bases = tuple(with_base)
    numbers = {id(candidate): number for number, candidate in enumerate(known.candidates)}
    taken: set[str] = set()
    while len(chosen) < most:
        offers = _offers(known, belief, prices, bases, money)
        worth = [
            offer
            for offer in offers
            if offer.gain * offer.flops > LEAST_GAIN * known.variance
            and not any(cell.name in taken for cell in offer.candidate.cells)
        ]
        if not worth:
            break
        best = worth[0]
        seen = {(cell.N, cell.r) for offer in chosen for cell in offer.candidate.cells}
        if all((cell.N, cell.r) in seen for cell in best.candidate.cells):
            best = replace(best, why=KIND_WORDS["repeat"])
        # A run of a name is there once; one without is of a new seed each time.
        taken |= {cell.name for cell in best.candidate.cells if cell.name}
        known = known.buy(numbers[id(best.candidate)])
        bases = (*bases, *best.candidate.sizes)
        money -= best.flops
        chosen.append(best)
    return tuple(chosen)


def _offer(
    candidate: Candidate,
    flops: float,
    now: float,
    after: float,
    start: float,
    belief: Belief,
    known: Knowledge,
) -> Offer:
    factor = float(np.sqrt(after / start)) if start > 0 else 1.0
    return Offer(
        candidate=candidate,
        flops=flops,
        width=belief.width * factor,
        regret=float(regrets(belief, belief.r, factor).mean()),
        gain=(now - after) / flops,
        why=_why(candidate, known),
    )


def _why(candidate: Candidate, known: Knowledge) -> str:
    text = KIND_WORDS[candidate.kind]
    now, after = known.law_error, known.law_error_after(candidate)
    if now is None or after is None or after.sd >= now.sd:
        return text
    change = f"from {100 * now.sd:.2g} to {100 * after.sd:.2g} %"
    return f"{text}, nearer to the target: the law's error there {change}"


def _stops(
    rule: StoppingRule,
    regret: float,
    tolerance: float,
    unit: str,
    width: float,
    ranking: Sequence[Offer],
    rivals: Sequence[Baseline],
    level: float,
) -> tuple[Stop, ...]:
    found = []
    if regret <= tolerance:
        found.append(
            Stop(
                "regret",
                f"Acting now costs {regret:.2g} {unit} on average, no more than the "
                f"{tolerance:.2g} that are worth a run.",
            )
        )
    best = min((offer.width for offer in ranking), default=width)
    if best > (1 - rule.least_shrink) * width:
        found.append(
            Stop(
                "shrink",
                f"No candidate is expected to narrow the interval of r* ({width:.3f}) by "
                f"{100 * rule.least_shrink:g} % or more; the best leaves {best:.3f}.",
            )
        )
    if rule.decision and rivals and all(rival.beaten >= level for rival in rivals):
        names = ", ".join(rival.name for rival in rivals)
        found.append(
            Stop(
                "decision",
                f"The planned ratio is better than {names} in {100 * level:g} % of the draws or more.",
            )
        )
    return tuple(found)


def _notes(belief: Belief, law_share: float, ranking: Sequence[Offer]) -> tuple[str, ...]:
    found = []
    error = belief.law_error
    if error is not None and law_share >= LAW_SHARE:
        larger = [offer for offer in ranking if max(offer.candidate.sizes) > error.top["N"] * (1 + 1e-9)]
        best = min(larger, key=lambda offer: offer.width, default=None)
        if not error.extrapolates:
            what = (
                "scatter about the law inside its range, which neither repeats nor other ratios narrow much"
            )
        elif best is None or best.width >= belief.width:
            what = "extrapolation; a larger size than the candidates' would narrow it, repeats do not"
        else:
            what = (
                f"extrapolation; repeats leave it, a larger size leaves {best.width:.3f} ({best.candidate})"
            )
        found.append(
            f"The law's error, not the runs, makes {100 * law_share:.0f} % of r*'s variance: {what}."
        )
    unknown = [noise for noise in belief.noise.values() if noise.seeds is None]
    if unknown:
        found.append(
            "No run was repeated with another seed, so the noise of a run is not known: the scatter about "
            f"the law ({100 * unknown[0].sigma:.2g} %) stands in for it. Two or three repeats of the "
            "cheapest runs measure it."
        )
    if belief.slope == 0:
        found.append("No limit binds: the ratio is where the loss has its minimum or the range ends.")
    return tuple(found)


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
