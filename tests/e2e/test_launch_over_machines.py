"""A full run as one Slurm job over two nodes, by srun and torchrun: stopped halfway and gone on with."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "train"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "run"))

from slurm_cluster import SlurmCluster, missing
from tiny_sweep import TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import EvaluationSpec
from dcpt.launch.full_settings import FullSettings
from dcpt.launch.node import over_processes
from dcpt.run import slurm, store
from dcpt.run.choose import choose_executor
from dcpt.run.execute import execute
from dcpt.train.processor import prepare_processor
from dcpt.train.unit import run


@pytest.mark.skipif(bool(missing()), reason=missing() or "Slurm is there")
def test_two_nodes_train_what_one_process_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "QUEUE_SECONDS", 0.5)
    sweep = TinySweep(tmp_path / "a sweep")
    base = sweep.base(steps=10)
    whole = sweep.whole(sweep.trunk(base, steps=44))
    spec = replace(whole, evaluation=EvaluationSpec(8, 16, ends=(52,)))
    single = replace(spec, slug="single")
    for item in (base, single):
        run(sweep.place(item), prepare_processor("cpu"))
    folder = store.run_folder(sweep.root, spec.run_id)
    events: list[dict[str, Any]] = []

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and (folder / "shards").is_dir():
            raise KeyboardInterrupt

    settings = FullSettings(procs=1, nodes=2, device="cpu")
    two = over_processes(choose_executor("slurm", ["time=30"]), settings)
    with SlurmCluster(tmp_path / "cluster", nodes=2):
        with pytest.raises(KeyboardInterrupt):
            execute(sweep.root, [base, spec], {}, None, "cpu", stop, executor=two)
        assert RunRecord.load(folder) is None
        outcome = execute(sweep.root, [base, spec], {}, None, "cpu", events.append, executor=two)
    assert outcome.finished == [base.run_id, spec.run_id]
    (started,) = [event for event in events if event["event"] == "started"]
    assert started["processes"] == 2
    assert started["step"] >= 8  # the stop has saved
    for row, other in zip(read_rows(sweep.place(single)), read_rows(folder), strict=True):
        assert other["value"] == pytest.approx(row["value"], abs=1e-6, rel=0)
