"""What the reasons for doubt in a plan add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dcpt.plan.caveat import Caveat

Verdict = Literal["supported", "doubtful", "the data do not say", "do not change your mix on this evidence"]

_SAME = ("not_told_apart", "baseline_not_told_apart")
"""Kinds that say that there is no reason to leave another mix for the answer: the mix in use, or one that is
not told apart from it. What decides is stated in `dcpt.plan.baselines.compare_mixes` and `rival`, of many
corpora in `dcpt.plan.mixtures.compared`."""


def judge(caveats: Sequence[Caveat]) -> Verdict:
    """Verdict of a list of caveats: a mix as good as the answer first, then the heaviest decides."""
    beyond_laws = ("wrong_way", "extrapolates_N", "extrapolates_D")
    if any(caveat.kind in beyond_laws and caveat.weight == "open" for caveat in caveats):
        return "the data do not say"  # laws that hold nowhere near cannot compare mixes either
    if any(caveat.kind in _SAME and caveat.weight != "note" for caveat in caveats):
        return "do not change your mix on this evidence"
    weights = {caveat.weight for caveat in caveats}
    if "open" in weights:
        return "the data do not say"
    return "doubtful" if "doubt" in weights else "supported"


def verdict_line(verdict: Verdict, caveats: Sequence[Caveat], supported: str, best: str) -> str:
    """The verdict in one sentence.

    Parameters
    ----------
    verdict : str
        From `judge`.
    caveats : sequence of Caveat
        What it was judged from.
    supported, best : str
        What the runs speak for, and what is the best estimate, in words.
    """
    if verdict == "supported":
        return f"Supported: {supported}."
    if verdict == "do not change your mix on this evidence":
        same = [item for kind in _SAME for item in caveats if item.kind == kind and item.weight != "note"]
        if not same:
            return "Do not change your mix on this evidence."
        start = "Do not change your mix on this evidence"
        if same[0].kind == "baseline_not_told_apart":
            start = "No reason to leave a mix that may be as good"
        return f"{start}: {_within(same[0].message)}."
    weight = "doubt" if verdict == "doubtful" else "open"
    reasons = [item for item in caveats if item.weight == weight]
    more = f" ({len(reasons) - 1} more)" if len(reasons) > 1 else ""
    start = f"Doubtful: {best}, but" if verdict == "doubtful" else "The data do not say:"
    return f"{start} {_within(reasons[0].message)}{more}."


def _within(message: str) -> str:
    """A sentence as part of another one."""
    return message[0].lower() + message[1:].rstrip(".")
