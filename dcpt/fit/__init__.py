"""Fitting: a loss table and a law in, values with honest intervals and reasons for doubt out.

Names beyond the fits themselves load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dcpt.fit.fit import fit_law, fit_table
from dcpt.fit.fit_file import FitSet, load_fits
from dcpt.fit.law_fit import LawFit

if TYPE_CHECKING:
    from dcpt.fit.constraints import Constraints
    from dcpt.fit.critical_law import CriticalRatioLaw, fit_critical_ratio
    from dcpt.fit.critical_mixture import CriticalMixture, fit_critical_mixture
    from dcpt.fit.domains import stack_domains
    from dcpt.fit.left_domains import leave_domains_out
    from dcpt.fit.protocol import dcpt_protocol
    from dcpt.fit.short_run import ShortRun
    from dcpt.fit.tournament import rank_laws, run_tournament
    from dcpt.fit.two_stage import fit_two_stage

_LAZY = {
    "Constraints": "constraints",
    "CriticalMixture": "critical_mixture",
    "CriticalRatioLaw": "critical_law",
    "ShortRun": "short_run",
    "dcpt_protocol": "protocol",
    "fit_critical_mixture": "critical_mixture",
    "fit_critical_ratio": "critical_law",
    "fit_two_stage": "two_stage",
    "leave_domains_out": "left_domains",
    "rank_laws": "tournament",
    "run_tournament": "tournament",
    "stack_domains": "domains",
}

__all__ = [
    "Constraints",
    "CriticalMixture",
    "CriticalRatioLaw",
    "FitSet",
    "LawFit",
    "ShortRun",
    "dcpt_protocol",
    "fit_critical_mixture",
    "fit_critical_ratio",
    "fit_law",
    "fit_table",
    "fit_two_stage",
    "leave_domains_out",
    "load_fits",
    "rank_laws",
    "run_tournament",
    "stack_domains",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'dcpt.fit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dcpt.fit.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
