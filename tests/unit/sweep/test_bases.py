"""A base is described only where one is trained."""

from __future__ import annotations

from typing import Any

import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.settings import validate
from dcpt.sweep.spec import SweepSpec

SWEEP: dict[str, Any] = {
    "schema_version": 1,
    "name": "bases",
    "corpora": [
        {"name": "a", "role": "general", "source": {"kind": "embedded", "part": "prose"}},
        {"name": "b", "role": "domain", "source": {"kind": "embedded", "part": "code"}},
    ],
    "model": {"sizes": [{"name": "own", "checkpoint": "somewhere"}]},
    "cpt": {"ratios": [0.5], "budgets": ["10k"], "schedule": {"peak": 1e-3}},
    "evaluation": {"every_tokens": "10k"},
}


def test_checkpoints_need_no_base() -> None:
    assert validate(SweepSpec, SWEEP, "sweep.yaml").base is None


def test_a_drawn_size_needs_one() -> None:
    sizes = [*SWEEP["model"]["sizes"], {"name": "drawn", "hidden": 16, "layers": 1}]
    with pytest.raises(ConfigError, match=r"sweep.yaml.*'base' is missing: size 'drawn'"):
        validate(SweepSpec, {**SWEEP, "model": {"sizes": sizes}}, "sweep.yaml")
