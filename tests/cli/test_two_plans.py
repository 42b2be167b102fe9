"""Two plans in one folder, both launched: each is compared with its own run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.plan.plan import Plan


@pytest.fixture
def trained_at_once(monkeypatch: pytest.MonkeyPatch, synthetic: ModuleType) -> None:
    """Launches end at once with the losses that the known laws have there."""

    def run_launch(ready: Any, *_: Any) -> LossTable:
        spec = ready.spec
        rows = [
            {"run_id": run.run_id, "N": spec.N, "D": spec.D, "r": run.r, "eval_set": side,
             "value": float(synthetic.fit_of(side, draws=1).mean(spec.N, spec.D, run.r)[0])}
            for run in spec.runs for side in ("general", "domain")
        ]  # fmt: skip
        return LossTable.from_frame(pd.DataFrame(rows))

    monkeypatch.setattr("dcpt.launch.launch.run_launch", run_launch)


def test_a_second_launch_leaves_the_first_ones_losses(
    fits: Path, sweep: Path, call: Callable[..., Any], trained_at_once: None
) -> None:
    second = str(fits / "plan2.json")
    for D, where in (("2M", ()), ("4M", ("-o", second))):
        done = call("plan", "fits/mine", "--at", f"N=1M,D={D}", "--keep", "general <= +20%", *where)
        assert done.code == 0, done.err
    for plan in ("fits/mine", second):
        done = call("launch", plan, "--sweep", "experiments/mine", "--yes")
        assert done.code == 0, done.err
    for plan in ("fits/mine", second):
        rows = call("compare", plan, "--json").document["rows"]
        assert {row["side"] for row in rows} == {"general", "domain"}
        assert len(rows) == 2
        assert all(row["as_planned"] for row in rows)
        assert rows[0]["D"] == pytest.approx(Plan.load(plan).D, rel=0.01)
    assert LossTable.read(fits / "launched.csv").frame["run_id"].nunique() == 2
