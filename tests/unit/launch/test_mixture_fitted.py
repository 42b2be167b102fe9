"""Whose losses a plan of many corpora has: only of such a run they are held against."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))  # the miniature sweep lies there

from tiny_sweep import TinySweep

from dcpt.launch.mixture_fitted import fitted_elsewhere


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        ({}, ""),
        ({"N": 2e6}, "those of 2M parameters;"),
        ({"D": 10_240}, "those of 10.2k tokens;"),
        ({"N": None}, "does not know the size of"),
        ({"N": None, "D": None}, "does not know the size and tokens of"),
    ],
)
def test_losses_of_other_or_unknown_runs_are_told_apart(
    tmp_path: Path, planned: dict[str, Any], said: str
) -> None:
    sweep = TinySweep(tmp_path)
    run = replace(sweep.trunk(sweep.base(), steps=20), kind="run")
    plan: Any = SimpleNamespace(**{"N": 1e6, "D": 20 * run.tokens_per_step, **planned})
    note = fitted_elsewhere(plan, 1e6, run)
    assert said in note
    assert bool(note) == bool(said)
