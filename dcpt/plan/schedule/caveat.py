"""A reason not to lean on an answer about schedules, typed so that a program can act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScheduleCaveatKind = Literal[
    "no_interval",
    "edge_of_range",
    "extrapolates_peak",
    "extrapolates_horizon",
    "extrapolates_s",
    "extrapolates_N",
    "extrapolates_base",
    "zero_rate_tail",
    "late_mixture",
    "hardly_trains",
    "impossible_loss",
    "low_rates",
]


@dataclass(frozen=True)
class ScheduleCaveat:
    """One reason for doubt.

    Attributes
    ----------
    kind : str
        What is wrong, for programs.
    message : str
        What is wrong, for people: one sentence with the numbers.
    """

    kind: ScheduleCaveatKind
    message: str

    def __str__(self) -> str:
        return self.message
