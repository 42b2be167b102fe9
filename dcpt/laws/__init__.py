"""Laws: validation loss as a function of model size, tokens and mixture, one file per law.

What follows from fitted laws - best splits, transfer, critical ratios - loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dcpt.laws.law import Law, linear, nonlinear
from dcpt.laws.registry import get_law, list_laws

if TYPE_CHECKING:
    from dcpt.laws.allocation import compute_optimal
    from dcpt.laws.asymptotes import data_efficiency
    from dcpt.laws.critical_ratio import (
        Change,
        RatioChanges,
        critical_mixture_ratio,
        critical_time,
        feasible_ratios,
        ratio_after,
    )
    from dcpt.laws.cross_domain import collapse, domain_coefficients
    from dcpt.laws.cross_lingual import transferred_tokens

_LAZY = {
    "Change": "critical_ratio",
    "RatioChanges": "critical_ratio",
    "collapse": "cross_domain",
    "compute_optimal": "allocation",
    "critical_mixture_ratio": "critical_ratio",
    "critical_time": "critical_ratio",
    "data_efficiency": "asymptotes",
    "domain_coefficients": "cross_domain",
    "feasible_ratios": "critical_ratio",
    "ratio_after": "critical_ratio",
    "transferred_tokens": "cross_lingual",
}

__all__ = [
    "Change",
    "Law",
    "RatioChanges",
    "collapse",
    "compute_optimal",
    "critical_mixture_ratio",
    "critical_time",
    "data_efficiency",
    "domain_coefficients",
    "feasible_ratios",
    "get_law",
    "linear",
    "list_laws",
    "nonlinear",
    "ratio_after",
    "transferred_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'dcpt.laws' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dcpt.laws.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
