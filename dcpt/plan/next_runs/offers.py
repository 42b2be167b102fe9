"""Candidates as offers: alone, the best per FLOP first, and bought one after another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from dcpt.plan.next_runs.advice import Offer
from dcpt.plan.next_runs.candidate import KIND_WORDS, Candidate
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.next_runs.metric import Measure
from dcpt.plan.next_runs.prices import Prices

LEAST_GAIN = 0.005
"""Share of the doubt below which a candidate tells nothing worth a line above the others."""


def rank(
    known: Knowledge, measure: Measure, prices: Prices, with_base: Collection[float], money: float
) -> tuple[Offer, ...]:
    """Every candidate alone that the money buys, the best per FLOP first; those that tell nothing last."""
    least = LEAST_GAIN * float(measure.amount(known.variance))
    found = []
    for candidate, left in zip(known.candidates, known.variances_after(), strict=True):
        flops = prices.of(candidate, with_base)
        if flops <= money:
            found.append(_offer(candidate, flops, float(left), known, measure))
    return tuple(
        sorted(found, key=lambda offer: (offer.gain * offer.flops < least, -offer.gain, str(offer.candidate)))
    )


def make_batch(
    bought: Sequence[tuple[Candidate, float, Knowledge, Knowledge]], measure: Measure
) -> tuple[Offer, ...]:
    """Purchases as offers: width and regret of each are those after it and all before it."""
    found: list[Offer] = []
    for candidate, flops, before, after in bought:
        offer = _offer(candidate, flops, after.variance, before, measure)
        seen = {(cell.N, cell.r) for one in found for cell in one.candidate.cells}
        if all((cell.N, cell.r) in seen for cell in candidate.cells):
            offer = replace(offer, why=KIND_WORDS["repeat"])
        found.append(offer)
    return tuple(found)


def _offer(candidate: Candidate, flops: float, left: float, known: Knowledge, measure: Measure) -> Offer:
    now, after = (float(measure.amount(variance)) for variance in (known.variance, left))
    return Offer(
        candidate=candidate,
        flops=flops,
        width=known.belief.width * float(measure.factor(left)),
        regret=float(measure.expected_regret(left)),
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
