"""The reasons for doubt in a plan of two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dcpt.core.symbols import GENERAL
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.baselines import IN_USE, Baseline, gain
from dcpt.plan.caveat import Caveat, in_order
from dcpt.plan.caveats_of_fits import caveats_of_a_fit
from dcpt.plan.evidence import Evidence
from dcpt.plan.objective import Objective

PURE = 0.1
"""Smallest share of a side for which the laws hold: below an inflection ratio in (0, 0.1) the general loss
rises with D, which the D-CPT law cannot follow (Que et al. 2024, arXiv:2406.01375, App. I.3)."""

WIDE, BROAD = 0.5, 0.25
"""Shares of the tested range of ratios: an interval wider than the first says nothing, one wider than
the second says little."""

EDGE = 1e-3
"""Distance from an end of the searched range within which a ratio lies at it: half of a grid's step."""

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
        A mix that there is no reason to leave for the answer.
    kept : float or None
        Share of the draws in which the answer keeps every limit.
    """

    N: float
    D: float
    r: float
    binding: str
    interval: tuple[float, float] | None
    infeasible_share: float
    searched: tuple[float, float]
    rival: Baseline | None = None
    kept: float | None = None


def at_edge(r: float, searched: tuple[float, float]) -> bool:
    """Whether a ratio lies at an end of the searched range."""
    return min(abs(r - end) for end in searched) < EDGE


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
        *(
            caveat
            for side in evidence.values()
            for caveat in caveats_of_a_fit(answer.N, answer.D, answer.r, side)
        ),
    ]
    return in_order(found)


def _of_the_answer(objective: Objective, answer: Answered, evidence: Mapping[str, Evidence]) -> list[Caveat]:
    caveats: list[Caveat] = []
    r, searched, interval = answer.r, answer.searched, answer.interval
    lows, highs = zip(*(side.ranges["r"] for side in evidence.values()), strict=True)
    tested = min(highs) - max(lows)
    if answer.rival is not None:
        caveats.append(_rival(answer.rival, answer))
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
                    f"The {100 * objective.level:g} % interval of r* ({interval[0]:.2f} to "
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
    if answer.binding == "range" and at_edge(r, searched):
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


def _rival(rival: Baseline, answer: Answered) -> Caveat:
    assert rival.r is not None
    r, interval = answer.r, answer.interval
    moved = ""
    if rival.difference is not None and rival.lo is not None and rival.hi is not None:
        moved = f"{rival.difference:+.4f} ({rival.lo:+.4f} to {rival.hi:+.4f})"
    if rival.name == IN_USE and not rival.same and interval is not None:
        kept = ""
        if rival.kept is not None and answer.kept is not None:
            shares = f"{100 * answer.kept:.0f} % of the draws, not {100 * rival.kept:.0f} %"
            kept = f", and keeps the limits in {shares}"
        message = (
            f"The mix in use (r = {rival.r:.3f}, given with --now) lies in the interval of the best ratio, "
            f"{interval[0]:.3f} to {interval[1]:.3f}; against it r* = {r:.3f} is better by "
            f"{gain(rival)}{kept}."
        )
        return Caveat("not_told_apart", "doubt", message)
    why = f": its objective differs by {moved}" if moved else ""
    if rival.name == IN_USE:
        message = (
            f"The mix in use (r = {rival.r:.3f}, given with --now) cannot be told from r* = {r:.3f}{why}."
        )
        return Caveat("not_told_apart", "doubt", message)
    return Caveat(
        "baseline_not_told_apart",
        "doubt",
        f"The evidence does not separate the answer r* = {r:.3f} from '{rival.name}' (r = {rival.r:.3f})"
        f"{why}; give the mix in use (--now) to have the answer compared with it.",
    )


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
            f"its error of {_error(base)} is part of the interval.",
        )
        for label, base in bases.items()
        if base.source == "estimated"
    ]


def _error(base: BaseLoss) -> str:
    """The error of an estimate with digits that do not round it to nothing."""
    return f"about {100 * base.log_sd:.1f} %" if base.log_sd >= 5e-4 else "less than 0.1 %"
