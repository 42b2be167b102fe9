"""Reasons not to lean on a mixture, and the verdict they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dcpt.plan.caveat import Weight
from dcpt.plan.verdict import Verdict

MixtureCaveatKind = Literal[
    "not_told_apart",
    "never_seen",
    "far_from_runs",
    "shares_open",
    "often_infeasible",
    "limit_at_edge",
    "optimistic",
    "poor_fit",
    "coverage",
    "noise_not_measured",
    "repetition_not_measured",
    "many_epochs",
    "fit_warning",
]
_ORDER = {"open": 0, "doubt": 1, "note": 2}


@dataclass(frozen=True)
class MixtureCaveat:
    """One reason for doubt.

    Attributes
    ----------
    kind : str
        What is wrong, for programs.
    weight : {"note", "doubt", "open"}
        A note is worth knowing; a doubt weakens the answer; open means that the data do not decide.
    message : str
        What is wrong, for people: one sentence with the numbers.
    """

    kind: MixtureCaveatKind
    weight: Weight
    message: str


def in_order(caveats: Sequence[MixtureCaveat]) -> tuple[MixtureCaveat, ...]:
    """The heaviest first."""
    return tuple(sorted(caveats, key=lambda item: _ORDER[item.weight]))


def judge(caveats: Sequence[MixtureCaveat]) -> Verdict:
    """A mixture as good as the answer decides first, then the heaviest caveat."""
    if any(item.kind == "not_told_apart" and item.weight != "note" for item in caveats):
        return "do not change your mix on this evidence"
    weights = {item.weight for item in caveats}
    return "the data do not say" if "open" in weights else "doubtful" if "doubt" in weights else "supported"


def verdict_line(verdict: Verdict, caveats: Sequence[MixtureCaveat]) -> str:
    """The verdict in one sentence."""
    if verdict == "supported":
        return "Supported: the runs speak for this mixture."
    wanted = "not_told_apart" if verdict.startswith("do not") else None
    heavy = [
        item
        for item in caveats
        if (item.kind == wanted if wanted else item.weight == ("doubt" if verdict == "doubtful" else "open"))
    ]
    reason = heavy[0].message.rstrip(".")
    reason = reason[0].lower() + reason[1:]
    more = f" ({len(heavy) - 1} more)" if len(heavy) > 1 else ""
    start = {
        "doubtful": "Doubtful: the best estimate, but ",
        "the data do not say": "The data do not say: ",
    }.get(verdict, "Do not change your mix on this evidence: ")
    return f"{start}{reason}{more}."
