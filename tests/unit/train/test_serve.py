"""One run of a worker: what it says and what it leaves on the disk when something goes wrong."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_sweep import TinySweep

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.train import checkpoint, unit
from dcpt.train.failure import Stopped
from dcpt.train.processor import Processor
from dcpt.train.serve import Watch, train_one


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch whose signal handlers are taken back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    yield Watch(None)
    for number, handler in before.items():
        signal.signal(number, handler)


def full_disk(*_: Any, **__: Any) -> None:
    raise DataError("x: could not be written") from OSError(errno.ENOSPC, "No space left on device")


def no_memory(*_: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def mistake(*_: Any) -> None:
    raise ZeroDivisionError("a mistake")


@pytest.mark.parametrize(
    ("place", "broken", "reason"),
    [
        ((files, "append_line"), full_disk, "disk full"),
        ((checkpoint, "save_file"), full_disk, "disk full"),
        ((unit, "clip_gradients"), no_memory, "out of memory"),
        ((unit, "clip_gradients"), mistake, "ZeroDivisionError: a mistake"),
    ],
)
def test_a_passing_trouble_leaves_no_record_and_the_run_can_be_tried_again(
    sweep: TinySweep, processor: Processor, watch: Watch, monkeypatch: pytest.MonkeyPatch,
    place: tuple[Any, str], broken: Any, reason: str,
) -> None:  # fmt: skip
    folder = sweep.place(sweep.base(steps=12))
    events: list[dict[str, Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(*place, broken)
        assert not train_one(folder, processor, events.append, watch)
    assert events[-1] == {"event": "failed", "run_id": folder.name, "reason": reason, "retry": True}
    assert RunRecord.load(folder) is None
    assert not list(folder.glob("checkpoints/.step-*"))
    assert train_one(folder, processor, events.append, watch)


def test_unusable_input_is_abandoned_with_its_reason(
    sweep: TinySweep, processor: Processor, watch: Watch
) -> None:
    folder = sweep.place(sweep.base(steps=12))
    stream = sweep.root / "corpus" / "law" / "train.bin"
    stream.write_bytes(stream.read_bytes()[:-2])
    events: list[dict[str, Any]] = []
    assert not train_one(folder, processor, events.append, watch)
    record = RunRecord.load(folder)
    assert record is not None
    assert (record.status, events[-1]["retry"]) == ("abandoned", False)
    assert "train.bin" in record.reason
    assert events[-1]["reason"] == record.reason


def test_a_folder_that_is_not_there_is_not_made(processor: Processor, watch: Watch, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    assert not train_one(tmp_path / "none", processor, events.append, watch)
    assert "no such file" in events[-1]["reason"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_a_run_with_everything_saved(
    sweep: TinySweep, processor: Processor, watch: Watch, number: int
) -> None:
    """Between two evaluations: no checkpoint would be due there."""
    folder = sweep.place(sweep.base())

    def stop_at_first_progress(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match="stopped after step 1"):
        train_one(folder, processor, stop_at_first_progress, watch)
    assert checkpoint.list_steps(folder) == [1]
    assert RunRecord.load(folder) is None
    assert not watch.busy
    with pytest.raises(SystemExit):  # idle, it ends at once
        os.kill(os.getpid(), number)


def test_after_its_parents_death_nothing_is_written(
    sweep: TinySweep, processor: Processor, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new supervisor may have given the run to another worker already."""
    folder = sweep.place(sweep.base())
    watch.parent = os.getppid()
    assert watch.wish() is None

    def orphan(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            monkeypatch.setattr(os, "getppid", lambda: 1)

    with pytest.raises(Stopped):
        train_one(folder, processor, orphan, watch)
    assert checkpoint.list_steps(folder) == []
    watch.asked = True  # not even when it is asked to stop, too
    assert watch.wish() == "leave"
