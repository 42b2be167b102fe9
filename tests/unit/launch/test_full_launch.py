"""A run over several processes started by the launcher: what it survives, and how it stops."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))  # the miniature sweep lies there

from tiny_sweep import TinySweep, read_rows

from dcpt.core.errors import ConfigError, DataError, RunError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import EvaluationSpec, RunSpec
from dcpt.launch.full import StoppedError, begun_in_shards, open_runs, train_in_shards
from dcpt.launch.full_settings import FullSettings
from dcpt.launch.launch import _check_options
from dcpt.run import store
from dcpt.train.full.group import join_group
from dcpt.train.full.options import FullOptions
from dcpt.train.full.run import run_full
from dcpt.train.processor import prepare_processor
from dcpt.train.unit import run


def specs_of(root: Path) -> tuple[TinySweep, RunSpec, RunSpec]:
    sweep = TinySweep(root)
    base = sweep.base(steps=10)
    trunk = sweep.trunk(base, steps=104)
    return sweep, base, replace(sweep.whole(trunk), evaluation=EvaluationSpec(8, 16, ends=(112,)))


def is_rank(process: psutil.Process, rank: str) -> bool:
    """Whether a process is that rank of a run; one that has just ended is none."""
    try:
        return process.environ().get("RANK") == rank and "dcpt.train" in process.cmdline()
    except psutil.Error:
        return False


def test_a_killed_rank_costs_no_loss_and_a_signal_stops_with_everything_saved(tmp_path: Path) -> None:
    """A rank is killed in the middle: the rest starts again from the last checkpoint. Then the launcher is
    asked to stop by the signal of a batch system."""
    sweep, base, spec = specs_of(tmp_path)
    single = replace(spec, slug="single")
    processor = prepare_processor("cpu")
    for item in (base, single):
        run(sweep.place(item), processor)
    events: list[dict[str, Any]] = []
    folder = store.run_folder(tmp_path, spec.run_id)

    def disturb(event: dict[str, Any]) -> None:
        events.append(event)
        starts = sum(item["event"] == "started" for item in events)
        if event["event"] != "progress" or not (folder / "shards").is_dir():
            return
        if starts == 1 and event["step"] >= 16:
            events.append({"event": "kill"})
            ranks = [child for child in psutil.Process().children(recursive=True) if is_rank(child, "1")]
            assert len(ranks) == 1
            ranks[0].kill()
        elif starts == 2 and event["step"] >= 64:
            os.kill(os.getpid(), signal.SIGUSR1)

    settings = FullSettings(procs=2, device="cpu")
    with pytest.raises(StoppedError, match="stopped by SIGUSR1") as stopped:
        train_in_shards(tmp_path, [base, spec], settings, disturb)
    assert stopped.value.exit_code == 75
    started = [event for event in events if event["event"] == "started"]
    assert len(started) == 2
    assert started[1]["step"] >= 8
    assert begun_in_shards(tmp_path, [base, spec])
    with join_group(processor.device) as group:  # one process goes on with what two began
        run_full(folder, FullOptions("cpu"), processor, group)
    expected = read_rows(sweep.place(single))
    for row, other in zip(expected, read_rows(folder), strict=True):
        assert other["value"] == pytest.approx(row["value"], abs=1e-6, rel=0)
        assert (other["step"], other["eval_set"]) == (row["step"], row["eval_set"])
    record = RunRecord.load(folder)
    assert record is not None
    assert (record.status, record.attempts) == ("finished", 3)
    assert not begun_in_shards(tmp_path, [base, spec])


@pytest.mark.parametrize(
    ("says", "error", "words"),
    [
        ({"event": "failed", "reason": "no such checkpoint", "retry": False}, RunError, "no such checkpoint"),
        ({"event": "failed", "reason": "disk full", "retry": True}, DataError, "the disk is full"),
        ({"event": "stopped"}, StoppedError, "was asked to stop and has saved"),
        (None, RunError, "ValueError: a word on the way out"),
    ],
)
def test_how_a_run_ended_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: dict[str, Any] | None, error: type, words: str
) -> None:
    """In place of torchrun, a process that says one thing and ends."""
    _, _, spec = specs_of(tmp_path)
    line = "raise ValueError('a word on the way out')" if says is None else f"print({json.dumps(says)!r})"
    monkeypatch.setattr(FullSettings, "here", lambda self, folder: [sys.executable, "-c", line])
    events: list[dict[str, Any]] = []
    with pytest.raises(error, match=words):
        train_in_shards(tmp_path, [spec], FullSettings(device="cpu"), events.append)
    assert events == ([] if says is None else [says])


def test_finished_parents_whose_checkpoints_are_gone_are_trained_again(tmp_path: Path) -> None:
    sweep, base, spec = specs_of(tmp_path)
    run(sweep.place(base), prepare_processor("cpu"))
    assert open_runs(tmp_path, [base, spec]) == [spec]
    store.remove_checkpoints(sweep.place(base))
    assert open_runs(tmp_path, [base, spec]) == [base, spec]
    assert store.status(sweep.place(base)) == "started"


def test_the_lines_for_a_cluster_start_the_same_trainer(tmp_path: Path) -> None:
    settings = FullSettings(8, 4, "cuda", "bf16", micro_batch=2, recompute=True)
    hand, slurm = settings.lines(tmp_path / "runs" / "n7b-r0.3")
    for line in (hand, slurm):
        assert "torchrun --nnodes 4 --nproc-per-node 8 " in line
        assert "--rdzv-id n7b-r0.3" in line
        options = "--device cuda --precision bf16 --micro-batch 2 --recompute"
        assert line.endswith(f"-m dcpt.train full {tmp_path}/runs/n7b-r0.3 {options}")
    assert "srun --nodes 4 --ntasks-per-node 1 --cpus-per-task ${SLURM_CPUS_PER_TASK:-8} torchrun" in slurm
    with pytest.raises(ConfigError, match="procs is 0"):
        FullSettings(0)
    assert json.dumps(settings.trainer(tmp_path))


def test_one_process_is_left_to_the_other_trainer() -> None:
    assert not FullSettings().asked
    assert all(
        item.asked for item in (FullSettings(2), FullSettings(recompute=True), FullSettings(micro_batch=4))
    )


def test_a_tilted_run_is_not_spread_over_processes(tmp_path: Path) -> None:
    """Said before anything starts; one process trains it."""
    _, base, spec = specs_of(tmp_path)
    tilted = replace(spec, optimizer=replace(spec.optimizer, tilt=0.5))
    with pytest.raises(ConfigError, match=r"weighs its sequences by their losses") as caught:
        _check_options((base, tilted))
    assert caught.value.hint is not None
    assert "--procs" in caught.value.hint
    _check_options((base, spec))
