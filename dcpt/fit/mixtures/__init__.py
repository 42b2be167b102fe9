"""Runs on mixtures of many corpora -> losses as functions of the mixture, with calibrated intervals.

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcpt.fit.mixtures.additive_ridge import AdditiveRidge
    from dcpt.fit.mixtures.bimix import BimixPredictor
    from dcpt.fit.mixtures.boosted_trees import BoostedTreesPredictor
    from dcpt.fit.mixtures.exponential import ExponentialPredictor
    from dcpt.fit.mixtures.mixture_files import read_mixtures
    from dcpt.fit.mixtures.mixture_fit import MixtureFit
    from dcpt.fit.mixtures.mixture_fit_file import load_mixtures
    from dcpt.fit.mixtures.process import ProcessPredictor
    from dcpt.fit.mixtures.tournament import choose
    from dcpt.fit.mixtures.transfer import fit_transfer

_LAZY = {
    "AdditiveRidge": "additive_ridge",
    "BimixPredictor": "bimix",
    "BoostedTreesPredictor": "boosted_trees",
    "ExponentialPredictor": "exponential",
    "MixtureFit": "mixture_fit",
    "ProcessPredictor": "process",
    "choose": "tournament",
    "fit_transfer": "transfer",
    "load_mixtures": "mixture_fit_file",
    "read_mixtures": "mixture_files",
}

__all__ = [
    "AdditiveRidge",
    "BimixPredictor",
    "BoostedTreesPredictor",
    "ExponentialPredictor",
    "MixtureFit",
    "ProcessPredictor",
    "choose",
    "fit_transfer",
    "load_mixtures",
    "read_mixtures",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'dcpt.fit.mixtures' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dcpt.fit.mixtures.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
