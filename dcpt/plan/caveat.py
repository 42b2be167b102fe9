"""A reason not to lean on a plan, typed so that a program can act on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CaveatKind = Literal[
    "not_told_apart",
    "often_infeasible",
    "repetition_not_measured",
    "many_epochs",
    "baseline_not_told_apart",
    # of plans of two sides
    "extrapolates_N",
    "extrapolates_D",
    "extrapolates_r",
    "not_held_out",
    "worse_than_baseline",
    "fit_status",
    "parameters_at_bounds",
    "wrong_way",
    "flat_loss",
    "stand_in",
    "no_interval",
    "wide_interval",
    "interval_cut",
    "base_estimated",
    "base_unlikely",
    "base_out_of_line",
    "idle_limit",
    "edge_of_range",
    "near_pure_mixture",
    "constrained_fit",
    "free_fit",
    "size_at_edge",
    "sizes_tie",
    "tokens_at_edge",
    "utilisation",
    # of mixtures of many corpora
    "never_seen",
    "far_from_runs",
    "shares_open",
    "limit_at_edge",
    "idle_pools",
    "optimistic",
    "poor_fit",
    "coverage",
    "noise_not_measured",
    "fit_warning",
]
Weight = Literal["note", "doubt", "open"]

_ORDER = {"open": 0, "doubt": 1, "note": 2}


@dataclass(frozen=True)
class Caveat:
    """One reason for doubt in a plan of two sides or of many corpora.

    Attributes
    ----------
    kind : str
        What is wrong, for programs.
    weight : {"note", "doubt", "open"}
        A note is worth knowing; a doubt weakens the answer; open means that the data do not decide.
    message : str
        What is wrong, for people: one sentence with the numbers, and a hint where the mistake can be
        guessed.
    """

    kind: CaveatKind
    weight: Weight
    message: str


def in_order(caveats: Sequence[Caveat]) -> tuple[Caveat, ...]:
    """Each caveat once, the heaviest first; of one weight extrapolation first: others may follow from it."""
    unique = {(caveat.kind, caveat.message): caveat for caveat in caveats}
    return tuple(
        sorted(
            unique.values(),
            key=lambda caveat: (_ORDER[caveat.weight], not caveat.kind.startswith("extrapolates")),
        )
    )
