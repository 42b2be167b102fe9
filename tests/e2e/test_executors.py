"""One sweep from executor to executor: begun here, gone on with by Slurm, ended by Ray; the same losses."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "run"))

from ray_home import set_home
from slurm_cluster import SlurmCluster, missing
from tiny_text import STEP, tiny_document, write_sweep

from dcpt.run import slurm
from dcpt.run.choose import choose_executor
from dcpt.run.executor import ExecutorFactory
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.run_sweep import run_sweep


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of four runs, run in one go on this machine."""
    document = tiny_document()
    document["cpt"]["ratios"] = [0.25]
    document["cpt"]["budgets"] = [20 * STEP, 30 * STEP]
    folder = write_sweep(tmp_path_factory.mktemp("whole") / "sweep", **document)
    assert len(run_sweep(prepare(folder), slots=1, device="cpu").outcome.finished) == 4
    return folder


def run_until(sweep: Sweep, executor: ExecutorFactory, part: str) -> list[str]:
    """Stop the sweep in the middle of the run whose id holds `part`; returns what was started."""
    started: list[str] = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "started":
            started.append(event["run_id"])
            if part in event["run_id"]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, 1, "cpu", listen, executor=executor)
    return started


def test_a_sweep_moves_between_executors(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra dcpt[ray])")
    set_home(monkeypatch, tmp_path)
    monkeypatch.setattr(slurm, "QUEUE_SECONDS", 1.0)
    folder = tmp_path / "sweep"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("runs", "losses.csv"))
    sweep = prepare(folder)
    run_until(sweep, choose_executor("local"), "-trunk")
    if not missing():
        with SlurmCluster(tmp_path / "cluster"):
            started = run_until(sweep, choose_executor("slurm", ["time=30"]), "-d1.92k")
        assert not any("base" in name for name in started)
    result = run_sweep(sweep, 1, "cpu", executor=choose_executor("ray", ["address=local", "num_cpus=1"]))
    assert len(result.outcome.finished) == 4
    assert (folder / "losses.csv").read_bytes() == (whole / "losses.csv").read_bytes()
