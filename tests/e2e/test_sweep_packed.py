"""A sweep whose runs are trained together ends at the losses of one whose runs are trained alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from faults import fault, strike
from tiny_text import write_sweep

from dcpt.core.loss_table import LossTable
from dcpt.core.run_record import RunRecord
from dcpt.run.packs import choose_packs
from dcpt.sweep.prepare import prepare
from dcpt.sweep.run_sweep import run_sweep


def test_packs_change_no_loss_even_when_their_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = write_sweep(tmp_path / "alone")
    prepare(alone)
    together = Path(shutil.copytree(alone, tmp_path / "together"))
    run_sweep(prepare(alone), slots=1, device="cpu")
    # Between the checkpoints of two runs of a pack: they go on from different steps.
    mark = strike(monkeypatch, fault(tmp_path / "fault", "kill-worker", "r0.25-s0-trunk.*/step-00000016$"))
    pack, options = choose_packs(4, "cpu", 1)
    events: list[dict[str, Any]] = []
    run_sweep(prepare(together), slots=1, device="cpu", pack=pack, options=options, listen=events.append)
    assert mark.exists()
    records = [RunRecord.load(folder) for folder in (together / "runs").glob("small-*")]
    assert all(record is not None and record.status == "finished" for record in records)
    assert max(int(record.host.get("packed", 1)) for record in records if record is not None) == 2
    ends = [event["run_id"] for event in events if event["event"] == "finished"]
    assert sorted(ends) == sorted(record.run_id for record in records if record is not None)
    tables = [LossTable.read(folder / "losses.csv").frame for folder in (alone, together)]
    keys = ["run_id", "step", "eval_set", "metric"]
    one, other = (table.set_index(keys).sort_index() for table in tables)
    for column in one.columns:
        if column in ("value", "sem"):
            assert np.abs(one[column] - other[column]).max() < 1e-6
        else:
            assert one[column].equals(other[column])
