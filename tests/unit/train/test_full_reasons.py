"""Processes of a full run of which one fails, does not come, or is left behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tiny_sweep import TinySweep

from dcpt.train.full import command, reasons
from dcpt.train.full.attempts import Attempts, count_start
from dcpt.train.full.group import join_group
from dcpt.train.full.options import FullOptions
from dcpt.train.full.reasons import AbsentError, noted
from dcpt.train.full.run import FullRun
from dcpt.train.processor import Processor
from dcpt.train.unit import run

LOST = RuntimeError("[/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def as_process(rank: int, size: int, port: int) -> dict[str, str]:
    """Environment of one process of a group that meets on this machine."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **place, "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}


def fail(run_dir: Path, rank: int, error: Exception, events: list[dict[str, Any]]) -> int:
    return command._failed(run_dir, rank, error, events.append, elastic=True)


@pytest.mark.parametrize("cause", [ValueError("shapes differ"), torch.OutOfMemoryError("CUDA out of memory")])
def test_the_reason_is_that_of_the_process_it_happened_to(
    tmp_path: Path, cause: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes hear that the third has gone before that one has said why."""
    monkeypatch.setattr(command, "micro_batch_in_use", lambda: 4)
    events: list[dict[str, Any]] = []
    left = [threading.Thread(target=fail, args=(tmp_path, rank, LOST, events)) for rank in (0, 2)]
    for thread in left:
        thread.start()
    until = time.monotonic() + 10
    while len(noted(tmp_path)) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert fail(tmp_path, 1, cause, events) == 1
    for thread in left:
        thread.join(30)
    known = Attempts.load(tmp_path)
    assert [event["reason"] for event in events] == [known.reason]
    assert known.reason in ("ValueError: shapes differ", "out of memory")
    assert known.micro_batch == (2 if known.reason == "out of memory" else None)
    # what befell the others is kept, also over the next start
    assert len(events[0]["notes"]) == 2
    assert all("Connection closed by peer" in words for words in events[0]["notes"])
    count_start(tmp_path)
    assert noted(tmp_path, None) == []


def test_notes_of_an_attempt_outlive_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "WAIT_SECONDS", 0.0)
    fail(tmp_path, 1, ValueError("shapes differ"), [])
    fail(tmp_path, 0, LOST, [])
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    count_start(tmp_path)
    (told,) = Attempts.load(tmp_path).notes
    assert told.startswith("rank 0: RuntimeError: [/gloo/transport")
    # reasons of that start are none of this one
    fail(tmp_path, 0, LOST, [])
    assert Attempts.load(tmp_path).reason.startswith("a process of the run has gone (RuntimeError: [/gloo")


def test_of_two_that_fail_by_themselves_the_first_is_heard(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    fail(tmp_path, 1, ValueError("first"), events)
    os.utime(tmp_path / reasons.FOLDER / "rank-00001.json", ns=(0, 0))
    fail(tmp_path, 0, ValueError("second"), events)
    assert [event["reason"] for event in events] == ["ValueError: first"]


def one_of_two(folder: Path, rank: int, port: int, place: Path) -> None:
    """A process of a run whose second process fails at step 5."""
    os.environ.update(as_process(rank, 2, port))
    after = FullRun._after_step

    def fail_here(self: FullRun, step: int, *rest: Any) -> None:
        if rank == 1 and step == 5:
            raise ValueError("shapes differ")
        after(self, step, *rest)

    FullRun._after_step = fail_here  # type: ignore[method-assign]
    told: list[dict[str, Any]] = []
    command.train_full(folder, FullOptions("cpu"), 1, told.append)
    place.with_name(f"told-{rank}").write_text(json.dumps(told))


def test_in_two_real_processes(sweep: TinySweep, processor: Processor, tmp_path: Path) -> None:
    base = sweep.base()
    run(sweep.place(base), processor)
    folder, port = sweep.place(sweep.trunk(base)), free_port()
    # Forked: the imports would take longer than all the rest.
    context = multiprocessing.get_context("fork")
    ranks = [
        context.Process(target=one_of_two, args=(folder, rank, port, tmp_path / "told")) for rank in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(60)
        assert process.exitcode == 0
    told = [event for rank in range(2) for event in json.loads((tmp_path / f"told-{rank}").read_text())]
    ends = [event for event in told if event["event"] in ("retry", "failed")]
    assert [event["reason"] for event in ends] == ["ValueError: shapes differ"]
    assert Attempts.load(folder).reason == "ValueError: shapes differ"
    assert [(item.rank, item.consequence) for item in noted(folder, None)] == [(1, False), (0, True)]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_does_not_come_is_not_waited_for(
    rank: int, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in as_process(rank, 2, free_port()).items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with (
        pytest.raises(AbsentError, match="did not all meet at"),
        join_group(processor.device, 1.0),
    ):
        pass
    assert 0.9 < time.monotonic() - began < 20


PARENT = """
import subprocess, sys, time
command = [sys.executable, "-m", "dcpt.train", "full", sys.argv[1], "--device", "cpu"]
print(subprocess.Popen(command).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's word on a parent's death")
def test_a_process_that_waits_for_the_others_ends_with_torchrun(
    sweep: TinySweep, processor: Processor
) -> None:
    """It waits inside the library, where it hears no signal of its own."""
    base = sweep.base()
    folder, port = sweep.place(base), free_port()
    environment = {**as_process(0, 2, port), "TORCHELASTIC_RUN_ID": "x"}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until:  # until it is there for the others to come
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        gone, _ = psutil.wait_procs([child], timeout=20)
        assert gone
    finally:
        if child.is_running():
            child.kill()
        parent.stdout.close()
