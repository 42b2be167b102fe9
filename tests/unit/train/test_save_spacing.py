"""Checkpoints that are spaced out cost a resumed run time, and change nothing else."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tiny_sweep import TinySweep, read_rows

from dcpt.train import checkpoint
from dcpt.train.failure import Stopped
from dcpt.train.processor import Processor
from dcpt.train.save_spacing import SaveSpacing
from dcpt.train.unit import Unit, run


def test_saving_takes_its_share_of_the_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    spacing = SaveSpacing(0.05)
    assert spacing.is_worth(9)  # what one costs is not known yet
    now = 101.0
    spacing.note(100.8)  # 0.2 s: of nine runs 1.8 s, a twentieth of 36 s
    now = 136.9
    assert not spacing.is_worth(9)
    assert spacing.is_worth(8)
    now = 137.1
    assert spacing.is_worth(9)
    assert SaveSpacing(None).is_worth(1)


def test_a_run_that_saved_less_repeats_more_and_ends_the_same(sweep: TinySweep, processor: Processor) -> None:
    spec = sweep.base(steps=30)
    folder, twin = sweep.place(spec), sweep.place(replace(spec, slug="twin"))
    run(twin, processor)
    count = iter(range(10**6))
    unit = Unit(folder, processor, lambda event: None, lambda: "leave" if next(count) >= 25 else None)
    due = [step for step in range(1, 26) if unit.is_due(step)]
    assert len(due) > 1
    unit.spacing = SaveSpacing(1e-9)
    with pytest.raises(Stopped):
        unit.run()
    assert checkpoint.list_steps(folder) == due[:1]
    run(folder, processor)
    for kind in ("train", "eval_base", "eval"):
        assert read_rows(folder, kind) == read_rows(twin, kind)
