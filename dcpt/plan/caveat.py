"""A reason not to lean on a plan, typed so that a program can act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CaveatKind = Literal[
    "extrapolates_N",
    "extrapolates_D",
    "extrapolates_r",
    "not_held_out",
    "worse_than_baseline",
    "fit_status",
    "parameters_at_bounds",
    "no_interval",
    "wide_interval",
    "interval_cut",
    "often_infeasible",
    "base_estimated",
    "edge_of_range",
    "near_pure_mixture",
    "not_told_apart",
    "repetition_not_measured",
    "many_epochs",
    "constrained_fit",
    "size_at_edge",
    "sizes_tie",
    "tokens_at_edge",
    "utilisation",
]
Weight = Literal["note", "doubt", "open"]


@dataclass(frozen=True)
class Caveat:
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

    kind: CaveatKind
    weight: Weight
    message: str
