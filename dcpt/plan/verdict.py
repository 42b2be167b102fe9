"""The reasons for doubt in a plan, and the verdict they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import GENERAL
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.baselines import IN_USE, Baseline
from dcpt.plan.caveat import Caveat
from dcpt.plan.evidence import Evidence
from dcpt.plan.objective import Objective

Verdict = Literal["supported", "doubtful", "the data do not say", "do not change your mix on this evidence"]

FAR_IN_N = 10.0
"""Factor beyond the largest fitted size from which an extrapolation is doubtful; published proxy studies
that were checked against a target stay within about one order of magnitude (Que et al. 2024, Sec. 5)."""

FAR_IN_D = 3.0
"""The same for tokens, where the laws miss two to three times as much as between ratios because the
learning-rate decay moves with D (refits of public continual pre-training runs)."""

PURE = 0.1
"""Smallest share of a side for which the laws hold: below an inflection ratio in (0, 0.1) the general loss
rises with D, which the D-CPT law cannot follow (Que et al. 2024, arXiv:2406.01375, App. I.3)."""

WIDE, BROAD = 0.5, 0.25
"""Shares of the tested range of ratios: an interval wider than the first says nothing, one wider than
the second says little."""

OFTEN = 0.1
"""Share of infeasible draws worth a caveat; above one half the answer is open."""


@dataclass(frozen=True)
class Answered:
    """An answer as far as doubts about it go.

    Attributes
    ----------
    N, D, r : float
        The planned run.
    binding : str
        What binds.
    interval : tuple of float, or None
        Interval of the ratio; None without draws.
    infeasible_share : float
        Share of the draws in which nothing keeps the limits.
    searched : tuple of float
        Range of ratios searched.
    rival : Baseline or None
        A mix that cannot be told from the answer.
    """

    N: float
    D: float
    r: float
    binding: str
    interval: tuple[float, float] | None
    infeasible_share: float
    searched: tuple[float, float]
    rival: Baseline | None = None


def judge(caveats: Sequence[Caveat]) -> Verdict:
    """Verdict of a list of caveats: a mix as good as the answer first, then the heaviest decides."""
    if any(caveat.kind == "not_told_apart" for caveat in caveats):
        return "do not change your mix on this evidence"
    weights = {caveat.weight for caveat in caveats}
    if "open" in weights:
        return "the data do not say"
    return "doubtful" if "doubt" in weights else "supported"


def verdict_line(verdict: Verdict, caveats: Sequence[Caveat], r: float) -> str:
    """The verdict in one sentence."""
    if verdict == "supported":
        return f"Supported: the runs speak for a domain share of {r:.3f}."
    if verdict == "do not change your mix on this evidence":
        same = next((item for item in caveats if item.kind == "not_told_apart"), None)
        reason = "" if same is None else f": {same.message[0].lower()}{same.message[1:].rstrip('.')}"
        return f"Do not change your mix on this evidence{reason}."
    reasons = [
        caveat for caveat in caveats if caveat.weight == ("doubt" if verdict == "doubtful" else "open")
    ]
    first = reasons[0].message[0].lower() + reasons[0].message[1:].rstrip(".")
    more = f" ({len(reasons) - 1} more)" if len(reasons) > 1 else ""
    if verdict == "doubtful":
        return f"Doubtful: {r:.3f} is the best estimate, but {first}{more}."
    return f"The data do not say: {first}{more}."


def find_caveats(
    objective: Objective,
    answer: Answered,
    bases: Mapping[str, BaseLoss],
    evidence: Mapping[str, Evidence],
) -> tuple[Caveat, ...]:
    """Everything that speaks against leaning on an answer.

    Parameters
    ----------
    objective : Objective
        The question.
    answer : Answered
        The answer.
    bases : mapping of str to BaseLoss
        Losses of the target's base by label.
    evidence : mapping
        Label to what its fit says about itself.

    Returns
    -------
    tuple of Caveat
        The heaviest first.
    """
    found = [
        *_of_the_answer(objective, answer, evidence),
        *_of_bases(objective, bases, evidence),
        *(caveat for side in evidence.values() for caveat in _of_a_fit(answer, side)),
    ]
    return in_order(found)


def in_order(caveats: Sequence[Caveat]) -> tuple[Caveat, ...]:
    """Each caveat once, the heaviest first."""
    unique = {(caveat.kind, caveat.message): caveat for caveat in caveats}
    order = {"open": 0, "doubt": 1, "note": 2}
    return tuple(sorted(unique.values(), key=lambda caveat: order[caveat.weight]))


def _of_the_answer(objective: Objective, answer: Answered, evidence: Mapping[str, Evidence]) -> list[Caveat]:
    caveats: list[Caveat] = []
    r, searched, interval = answer.r, answer.searched, answer.interval
    lows, highs = zip(*(side.ranges["r"] for side in evidence.values()), strict=True)
    tested = min(highs) - max(lows)
    if answer.rival is not None:
        caveats.append(_same(answer.rival, r, interval))
    if interval is None:
        caveats.append(
            Caveat(
                "no_interval", "doubt", "The fits have no bootstrap draws in common, so r* has no interval."
            )
        )
    else:
        width = interval[1] - interval[0]
        if width > BROAD * tested:
            caveats.append(
                Caveat(
                    "wide_interval",
                    "open" if width > WIDE * tested else "doubt",
                    f"The {100 * objective.level:.0f} % interval of r* ({interval[0]:.2f} to "
                    f"{interval[1]:.2f}) covers {100 * width / tested:.0f} % of the range of ratios "
                    "that was tested.",
                )
            )
        share = answer.infeasible_share
        if share > OFTEN:
            caveats.append(
                Caveat(
                    "often_infeasible",
                    "open" if share > 0.5 else "doubt",
                    f"In {100 * share:.0f} % of the draws no ratio keeps the {_ceilings(objective)}.",
                )
            )
        near = 0.01 * (searched[1] - searched[0])
        ends = [edge for edge, end in zip(searched, interval, strict=True) if abs(edge - end) < near]
        if ends and answer.binding != "range":
            caveats.append(
                Caveat(
                    "interval_cut",
                    "doubt",
                    f"The interval of r* is cut off at the edge of the searched range ({ends[0]:g}).",
                )
            )
    if answer.binding == "range" and min(abs(r - edge) for edge in searched) < 1e-3:
        edge = "highest" if abs(r - searched[1]) < abs(r - searched[0]) else "lowest"
        caveats.append(
            Caveat(
                "edge_of_range",
                "doubt",
                f"The answer r* = {r:.3f} is the {edge} ratio searched; the optimum may lie beyond it.",
            )
        )
    for name, share in (("general", 1 - r), ("domain", r)):
        if share < PURE - 1e-9:  # 1 - 0.9 is a hair below 0.1
            caveats.append(
                Caveat(
                    "near_pure_mixture",
                    "doubt",
                    f"The {name} share is {share:.3f}, below 0.1, where the loss can turn against more "
                    "tokens and the laws do not hold (arXiv:2406.01375, App. I.3).",
                )
            )
    return caveats


def _ceilings(objective: Objective) -> str:
    return "ceiling" if len(objective.keep) < 2 else "ceilings"


def _same(rival: Baseline, r: float, interval: tuple[float, float] | None) -> Caveat:
    assert rival.r is not None
    name = "The mix in use" if rival.name == IN_USE else f"The baseline '{rival.name}'"
    why = ""
    if interval is not None and interval[0] <= rival.r <= interval[1]:
        why = f": it lies in the interval of the best ratio, {interval[0]:.3f} to {interval[1]:.3f}"
    elif rival.difference is not None and rival.lo is not None and rival.hi is not None:
        why = f": its objective differs by {rival.difference:+.4f}, {rival.lo:+.4f} to {rival.hi:+.4f}"
    message = f"{name} (r = {rival.r:.3f}) cannot be told from r* = {r:.3f}{why}."
    return Caveat("not_told_apart", "doubt", message)


def _of_bases(
    objective: Objective, bases: Mapping[str, BaseLoss], evidence: Mapping[str, Evidence]
) -> list[Caveat]:
    # What is kept is measured from the general bases; the domain's own only starts its curve.
    limited = {limit.eval_set for limit in objective.keep if limit.needs_base}
    return [
        Caveat(
            "base_estimated",
            "doubt" if label == GENERAL or {label, evidence[label].eval_set} & limited else "note",
            f"The base's {label} loss, {base.value:.4f} {unit_of_amount(evidence[label].unit)}, is "
            "estimated from other sizes, not measured; "
            f"its error of about {100 * base.log_sd:.1f} % is part of the interval.",
        )
        for label, base in bases.items()
        if base.source == "estimated"
    ]


def _of_a_fit(answer: Answered, side: Evidence) -> list[Caveat]:
    caveats: list[Caveat] = []
    r = answer.r
    for name, target, far in (("N", answer.N, FAR_IN_N), ("D", answer.D, FAR_IN_D)):
        low, high = side.ranges[name]
        factor = max(target / high, low / target)
        if factor > 1.005:
            what = "model size" if name == "N" else "token count"
            kind: Literal["extrapolates_N", "extrapolates_D"] = (
                "extrapolates_N" if name == "N" else "extrapolates_D"
            )
            caveats.append(
                Caveat(
                    kind,
                    "doubt" if factor > far else "note",
                    f"The {what} {format_quantity(target)} is {factor:.1f} times "
                    f"{'above' if target > high else 'below'} the fitted range "
                    f"({format_quantity(low)} to {format_quantity(high)}).",
                )
            )
    low, high = side.ranges["r"]
    if not low - 1e-9 <= r <= high + 1e-9:
        caveats.append(
            Caveat(
                "extrapolates_r",
                "doubt",
                f"The ratio {r:.3f} lies outside the fitted range ({low:g} to {high:g}).",
            )
        )
    law = f"The {side.law} law of the {side.eval_set} loss"
    if side.status == "max_iter":  # a parameter on a bound is reported below, by name
        caveats.append(Caveat("fit_status", "doubt", f"{law} has fit status '{side.status}'."))
    if side.at_bounds:
        caveats.append(
            Caveat(
                "parameters_at_bounds",
                "note",
                f"{law} has parameters at a bound: {', '.join(side.at_bounds)}.",
            )
        )
    if side.held_out is None:
        caveats.append(
            Caveat("not_held_out", "doubt", f"{law} was never tested on a size left out of the fit.")
        )
    elif side.baseline is not None and side.held_out >= side.baseline[1]:
        name, error = side.baseline
        caveats.append(
            Caveat(
                "worse_than_baseline",
                "doubt",
                f"{law} misses the held-out size by {side.held_out:.4f} {unit_of_amount(side.unit)}, the "
                f"baseline '{name}' by {error:.4f}.",
            )
        )
    return caveats
