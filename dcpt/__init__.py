"""Find the data mixture for continual pre-training from small proxy runs.

The names below load on first use, so that ``import dcpt`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "LossTable": "dcpt.core.loss_table",
    "Schedule": "dcpt.core.schedule",
    "fit_law": "dcpt.fit.fit",
    "fit_table": "dcpt.fit.fit",
    "load_fits": "dcpt.fit.fit_file",
    "get_law": "dcpt.laws.registry",
    "list_laws": "dcpt.laws.registry",
    "Objective": "dcpt.plan.objective",
    "Plan": "dcpt.plan.plan",
    "make_plan": "dcpt.plan.make_plan",
    "compare": "dcpt.launch.compare",
    "prepare_sweep": "dcpt.sweep.prepare",
    "run_sweep": "dcpt.sweep.run_sweep",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'dcpt' has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return getattr(module, "prepare" if name == "prepare_sweep" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
