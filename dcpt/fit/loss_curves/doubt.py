"""Reasons not to lean on a fit of curves, or on one of its predictions, as typed entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from dcpt.core.errors import DataError

CurveDoubt = Literal[
    "max_iter", "starts_disagree", "bound_hit", "log_limit", "bootstrap", "not_told_apart",
    "one_schedule", "no_decay", "peaks_differ", "rate_rises", "shared_prefix", "warm_up", "early_losses",
    "zero_rate_tail", "horizon", "other_peak",
]  # fmt: skip


@dataclass(frozen=True)
class CurveWarning:
    """One reason for doubt.

    Parameters
    ----------
    kind : str
        What sort of doubt, for programs.
    message : str
        One sentence for people.
    parameters : tuple of str
        Parameters concerned.
    """

    kind: CurveDoubt
    message: str
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(CurveDoubt):
            known = ", ".join(get_args(CurveDoubt))
            raise DataError(f"curve warning: kind is {self.kind!r}; wanted one of {known}.")

    def __str__(self) -> str:
        return self.message
