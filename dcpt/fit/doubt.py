"""Reasons not to lean on a fit, or on one of its predictions, as typed entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dcpt.core.errors import DataError

Kind = Literal[
    "max_iter", "bound_hit", "not_identified", "rank", "condition", "correlated", "starts_disagree",
    "monotone", "irreducible", "few_runs", "few_sizes", "narrow_ratios", "tokens_per_parameter",
    "unannealed", "outliers", "lack_of_fit", "delta", "bootstrap", "holdout", "far_target", "mixed_data",
    "flat_loss", "stand_in",
    # of fits of loss curves
    "log_limit", "not_told_apart", "one_schedule", "no_decay", "peaks_differ", "rate_rises",
    "shared_prefix", "warm_up", "early_losses", "zero_rate_tail", "horizon", "other_peak",
]  # fmt: skip


@dataclass(frozen=True)
class FitWarning:
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

    kind: Kind
    message: str
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise DataError(f"fit warning: kind is {self.kind!r}; wanted one of {', '.join(get_args(Kind))}.")

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """The doubt as plain JSON values."""
        return {"kind": self.kind, "message": self.message, "parameters": list(self.parameters)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FitWarning:
        """The doubt that `to_dict` wrote down."""
        return cls(document["kind"], document["message"], tuple(document["parameters"]))
