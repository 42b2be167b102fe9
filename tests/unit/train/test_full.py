"""A full run in one process: its losses, its memory, its attempts, its band."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sweep import TinySweep, read_rows

from dcpt.core import files
from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.cost.hardware import HARDWARE
from dcpt.train.band import LiveBand, report_checks
from dcpt.train.evaluate import Measurement
from dcpt.train.full import command, step, stop, store
from dcpt.train.full.attempts import MOST, Attempts, GaveUpError, count_start
from dcpt.train.full.command import train_full
from dcpt.train.full.group import find_rank
from dcpt.train.full.options import FullOptions
from dcpt.train.full.share import share_bounds, split_rows
from dcpt.train.full.speed import utilisation
from dcpt.train.journal import Journal
from dcpt.train.processor import Processor
from dcpt.train.unit import run

CPU = FullOptions("cpu")


@pytest.fixture
def spec(sweep: TinySweep, processor: Processor) -> RunSpec:
    """A WSD run from a base that is there."""
    base = sweep.base()
    run(sweep.place(base), processor)
    return sweep.whole(sweep.trunk(base))


def train(folder: Path, options: FullOptions = CPU) -> tuple[int, list[dict[str, object]]]:
    events: list[dict[str, object]] = []
    return train_full(folder, options, None, events.append), events


def test_one_process_gives_the_very_losses_of_the_other_trainer(
    sweep: TinySweep, spec: RunSpec, processor: Processor
) -> None:
    single, full = sweep.place(replace(spec, slug="single")), sweep.place(spec)
    run(single, processor)
    code, events = train(full)
    assert code == 0
    assert (events[0]["event"], events[-1]["event"]) == ("started", "finished")
    for kind in ("eval", "train"):
        assert read_rows(full, kind) == read_rows(single, kind)


def test_too_little_memory_halves_the_pass_and_keeps_the_batch(
    sweep: TinySweep, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network refuses more than three sequences at once, as a full GPU would."""
    whole, folder = sweep.place(replace(spec, slug="single")), sweep.place(spec)
    assert train(whole)[0] == 0
    forward = step._summed_loss

    def refuse(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if len(targets) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(logits, targets)

    monkeypatch.setattr(step, "_summed_loss", refuse)
    tries = []
    for restart in range(3):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restart))
        tries.append(train(folder))
    assert [code for code, _ in tries] == [1, 1, 0]
    assert [events[-1]["event"] for _, events in tries] == ["retry", "retry", "finished"]
    record = RunRecord.load(folder)
    assert record is not None
    assert record.host["micro_batch"] == "2"
    found, wanted = (np.array([row["value"] for row in read_rows(place)]) for place in (folder, whole))
    assert np.abs(found - wanted).max() < 1e-6


def test_a_run_that_gets_no_further_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for restart in range(MOST):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restart))
        count_start(tmp_path)
    replace(Attempts.load(tmp_path), reason="RuntimeError: no").save(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "7")
    with pytest.raises(GaveUpError, match=r"RuntimeError: no \(3 attempts from step -1\)"):
        count_start(tmp_path)
    (tmp_path / "shards" / "step-00000008").mkdir(parents=True)
    count_start(tmp_path)  # further than before
    assert Attempts.load(tmp_path).starts == 1


def test_what_another_attempt_would_repeat_is_not_tried_again(
    sweep: TinySweep, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep.place(replace(spec, optimizer=replace(spec.optimizer, tilt=0.5)))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    code, events = train(folder)
    assert (code, events[-1]["event"], events[-1]["retry"]) == (1, "failed", False)
    assert "tilt" in str(events[-1]["reason"])
    record = RunRecord.load(folder)
    assert record is not None
    assert record.status == "abandoned"
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert train(folder) == (0, [])  # torchrun starts it again; there is nothing to do


def test_losses_are_held_against_the_band(sweep: TinySweep, spec: RunSpec) -> None:
    folder = sweep.place(spec)
    wide = {"lo": 0.0, "mean": 3.0, "hi": 9.0}
    narrow = {"lo": 0.0, "mean": 0.5, "hi": 1.0}
    rows = [
        {"step": step, "eval_set": "general", "metric": "loss", **(narrow if step == 16 else wide)}
        for step in (8, 16, 24, 32)
    ]
    files.write_json(folder / "band.json", {"schema_version": 1, "rows": rows})
    events = [event for event in train(folder)[1] if event["event"] == "band"]
    assert [(event["step"], event["inside"]) for event in events] == [(16, False), (24, True)]
    logged = read_rows(folder, "band")
    assert [row["inside"] for row in logged] == [True, False, True, True]
    values = {
        row["step"]: row["value"]
        for row in read_rows(folder)
        if row["eval_set"] == "general" and row["metric"] == "loss"
    }
    assert {row["step"]: row["value"] for row in logged} == values


def test_a_resumed_run_knows_which_losses_were_outside(sweep: TinySweep, spec: RunSpec) -> None:
    """Told once that a loss has left, and once that it is back, whichever of its sets was measured."""
    folder = sweep.place(spec)
    sets = {8: "general/dense", 16: "general/dense", 24: "general/dense", 32: "general"}
    rows = [
        {"step": at, "eval_set": name, "metric": "loss", "lo": 0.0, "mean": 0.5, "hi": 1.0}
        for at, name in sets.items()
    ]
    files.write_json(folder / "band.json", {"schema_version": 1, "rows": rows})
    told = []
    for at, value in ((8, 2.0), (16, 2.0), (24, 0.5), (32, 0.5)):
        journal = Journal(folder, spec)
        journal.rewind(at - 8)
        found = [Measurement(sets[at], "loss", "nats_per_token", value, 0.1, 100)]
        told += report_checks(journal, LiveBand(folder, journal).check(at, found))
    assert [(event["step"], event["inside"]) for event in told] == [(8, False), (24, True)]


def test_a_checkpoint_is_whole_or_absent(
    sweep: TinySweep, spec: RunSpec, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the second checkpoint is written, a run goes on from the first, to the same losses."""
    whole, folder = sweep.place(replace(spec, slug="single")), sweep.place(spec)
    run(whole, processor)
    write = store.write_state

    def die(place: Path, progress: object) -> None:
        if place.name == ".step-00000016":
            raise OSError(errno.EIO, "torn")
        write(place, progress)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_state", die)
        assert train(folder)[0] != 0
    assert store.list_steps_in(folder / "shards") == [8]
    first = store.shard_folder(folder, 8) / "__0_0.distcp"
    assert train(folder)[0] == 0
    assert read_rows(folder) == read_rows(whole)
    assert not first.exists()
    # a torn one is not taken for whole
    other = sweep.place(replace(spec, slug="other"))
    steps = iter(range(-1, 100))  # asked once before the first step
    with pytest.raises(command.Stopped):
        run_until(other, lambda: stop.SAVE if next(steps) >= 8 else stop.GO_ON)
    newest = store.shard_folder(other, 9)
    with open(newest / "__0_0.distcp", "r+b") as file:
        file.truncate(100)
    assert store.newest_whole(other).step == 8  # type: ignore[union-attr]
    assert not newest.exists()


def run_until(folder: Path, wish: object) -> None:
    from dcpt.train.full.group import join_group
    from dcpt.train.full.run import run_full
    from dcpt.train.processor import prepare_processor

    processor = prepare_processor("cpu")
    with join_group(processor.device) as group:
        run_full(folder, CPU, processor, group, wish=wish)  # type: ignore[arg-type]


def test_a_full_disk_is_told_before_anything_is_written(
    sweep: TinySweep, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep.place(spec)

    class Full:
        free = 10_000

    monkeypatch.setattr(store.shutil, "disk_usage", lambda place: Full)
    code, events = train(folder)
    assert (code, events[-1]["reason"], events[-1]["retry"]) == (7, "disk full", True)
    assert RunRecord.load(folder) is None
    assert not store.list_steps_in(folder / "shards")


@pytest.mark.parametrize(("batch", "size"), [(8, 1), (8, 3), (7, 2), (3, 4)])
def test_the_parts_of_a_batch_are_all_of_it_in_equally_many_passes(batch: int, size: int) -> None:
    rows = np.arange(batch)[:, None].repeat(3, axis=1)
    bounds = [share_bounds(batch, rank, size) for rank in range(size)]
    most = max(last - first for first, last in bounds)
    passes = [list(split_rows(rows[first:last], 2, most)) for first, last in bounds]
    assert len({len(part) for part in passes}) == 1
    counted = [row[0] for part in passes for tokens, count in part for row in tokens[:count]]
    assert counted == list(range(batch))


def test_utilisation_is_a_share_of_all_devices_peaks() -> None:
    """An H200 at 395.6 TFLOP/s of its 989 is used by 0.4; two of them at the same by 0.2."""
    tokens, per_token = 1e5, 3.956e9
    assert utilisation(tokens, per_token, HARDWARE["h200"], 1) == pytest.approx(0.4)
    assert utilisation(tokens, per_token, HARDWARE["h200"], 2) == pytest.approx(0.2)
    assert utilisation(tokens, per_token, None, 2) is None


def test_ranks_are_those_of_torchrun_or_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert find_rank() == (0, 1, 0)
    for name, value in {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}.items():
        monkeypatch.setenv(name, value)
    assert find_rank() == (0, 1, 0)  # the shell of a job is no process of a group
    monkeypatch.setenv("MASTER_ADDR", "node0")
    assert find_rank() == (5, 8, 1)
    for name, value in {"RANK": "9", "WORLD_SIZE": "8", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="RANK is 9 of 8"):
        find_rank()
