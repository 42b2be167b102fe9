"""What the advice promises of real runs is what refits with them find; what it says of schedules."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.core.schedule import Schedule
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.schedules import unseen_schedules
from dcpt.plan.objective import Objective

ROOT = Path(__file__).resolve().parents[4]
LAWS = {"general": "anchored-shift", "domain": "base-surface"}


def test_promised_widths_are_found_within_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    bench: Any = importlib.import_module("benchmarks.next_runs_promise")
    shop: Any = importlib.import_module("benchmarks.next_runs_world")
    world = shop.read_world(ROOT / "experiments" / "law_cpu", None, None, 100)
    rows = []
    for seed in range(3):
        start = shop.starting(world, 4, 5, 0, np.random.default_rng(seed))
        assert len(start) >= bench.MANY
        rows += bench.promises(world, start, LAWS, 1)
    found = bench.summary(rows)
    assert found["promises"] == 3
    assert found["ratio"] == pytest.approx(1, abs=0.3)
    assert found["rms_log"] < np.log(1.3)


def test_losses_of_several_schedules_are_told(synthetic: ModuleType) -> None:
    frame = synthetic.table().frame
    kinds = [
        Schedule("wsd", 1e-3, 100, 5, 20),
        Schedule("wsd", 1e-3, 200, 5, 40),
        Schedule("cosine", 1e-3, 200, 5),
    ]
    ends = frame["phase"] == "end"
    same = frame.assign(schedule=np.where(ends, [kinds[n % 2].text for n in range(len(frame))], ""))
    other = frame.assign(schedule=np.where(ends, [kinds[n % 3].text for n in range(len(frame))], ""))
    tables = [LossTable.from_frame(one) for one in (frame, same, other)]
    assert [unseen_schedules(table) for table in tables] == [0, 1, 2]
    question = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= -3%"})
    told = [advise(synthetic.fits(), question, table, batch=1).notes for table in tables[1:]]
    assert [any("2 schedules, which these laws do not see" in note for note in notes) for notes in told] == [
        False,
        True,
    ]
