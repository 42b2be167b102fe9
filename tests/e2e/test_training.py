"""The trainer as a process: kills, signals, the protocol of the worker, the death of its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "train"))

from tiny_sweep import LLAMA, TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import ModelSpec, RunSpec, to_dict
from dcpt.core.schedule import Schedule

SERVE = [sys.executable, "-m", "dcpt.train", "serve", "--device", "cpu"]
PATIENCE = 60.0


class Worker:
    """A serving trainer and the pipe to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            SERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.read()["event"] == "ready"

    def give(self, folder: Path) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((json.dumps({"run_dir": str(folder)}) + "\n").encode())
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read().decode()  # type: ignore[union-attr]
        return json.loads(line)

    def read_until(self, *kinds: str) -> dict[str, Any]:
        while True:
            event = self.read()
            if event["event"] in kinds:
                return event

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Workers of a test; none outlives it."""
    hired: list[Worker] = []
    yield hired
    for worker in hired:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait(PATIENCE)
        for pipe in (worker.process.stdout, worker.process.stderr):
            pipe.close()  # type: ignore[union-attr]


@pytest.fixture
def sweep(tmp_path: Path) -> TinySweep:
    """Corpora and specs in miniature."""
    return TinySweep(tmp_path)


def endless(sweep: TinySweep, slug: str = "endless") -> RunSpec:
    """A run that is still going whenever it is looked at."""
    return sweep.base(steps=200_000, slug=slug)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_killed_worker_and_its_successor(sweep: TinySweep, workers: list[Worker]) -> None:
    """SIGKILL in mid-run, resumption, a diverging run, a damaged spec and the next run in one worker."""
    spec = sweep.base(steps=200)
    folder, twin = sweep.place(spec), sweep.place(replace(spec, slug="twin"))
    first = Worker()
    workers.append(first)
    first.give(folder)
    assert first.read() == {"event": "started", "run_id": spec.run_id, "step": 0, "steps": 200}
    wait_for((folder / "checkpoints" / "step-00000050").exists)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert RunRecord.load(folder) is None

    second = Worker()
    workers.append(second)
    second.give(folder)
    started = second.read()
    assert started["step"] >= 40
    progress = second.read()
    assert set(progress) == {"event", "run_id", "step", "steps", "loss", "tokens_per_second"}
    assert second.read_until("finished", "failed") == {"event": "finished", "run_id": spec.run_id}
    second.give(twin)
    assert second.read_until("finished", "failed")["event"] == "finished"
    for kind in ("train", "eval_base", "eval"):
        assert read_rows(folder, kind) == read_rows(twin, kind)

    wild = sweep.place(sweep.base(steps=12, slug="wild", schedule=Schedule("constant", 1e30, 12)))
    second.give(wild)
    failed = second.read_until("finished", "failed")
    assert (failed["event"], failed["retry"]) == ("failed", False)
    assert "diverged" in failed["reason"]
    torn = sweep.place(sweep.base(steps=12, slug="torn"))
    (torn / "spec.json").write_text("{")
    second.give(torn)
    assert second.read_until("finished", "failed")["retry"] is False
    assert RunRecord.load(torn).status == "abandoned"
    assert second.process.stdin is not None
    second.process.stdin.write(b"what?\n")
    second.process.stdin.flush()
    assert second.read()["event"] == "failed"
    last = sweep.place(sweep.base(steps=12, slug="last"))
    second.give(last)
    assert second.read_until("finished", "failed")["event"] == "finished"
    second.process.stdin.close()
    assert second.process.wait(PATIENCE) == 0
    record = RunRecord.load(folder)
    assert (record.status, record.attempts) == ("finished", 2)


def test_sigterm_saves_and_exits_75(sweep: TinySweep, workers: list[Worker]) -> None:
    worker = Worker()
    workers.append(worker)
    folder = sweep.place(
        replace(endless(sweep), evaluation=replace(endless(sweep).evaluation, every=100_000))
    )
    worker.give(folder)
    worker.read_until("progress")
    assert worker.stop(signal.SIGTERM) == 75
    (saved,) = (folder / "checkpoints").iterdir()
    assert json.loads((saved / "state.json").read_text())["step"] > 0
    assert not (folder / "record.json").exists()


def test_the_worker_leaves_when_its_parent_dies(sweep: TinySweep) -> None:
    folder = sweep.place(endless(sweep))
    # The parent hands over a run and dies; the write end of the worker's input stays open in a process
    # of its own, so that no end of input tells the worker.
    script = (
        "import subprocess, sys, time, json, pathlib\n"
        "worker = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "holder = subprocess.Popen(['sleep', '30'], stdout=worker.stdin)\n"
        "print(worker.pid, holder.pid, flush=True)\n"
        "worker.stdin.write((json.dumps({'run_dir': sys.argv[1]}) + '\\n').encode())\n"
        "worker.stdin.flush()\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.02)\n"
    )
    wanted = folder / "checkpoints" / "step-00000010"
    parent = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(wanted), *SERVE],
        stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
    )  # fmt: skip
    worker, holder = map(int, parent.stdout.split())
    try:
        wait_for(lambda: not is_running(worker))
    finally:
        for number in (worker, holder):
            if is_running(number):
                os.kill(number, signal.SIGKILL)
    assert not (folder / "record.json").exists()


def is_running(number: int) -> bool:
    """Whether a process lives; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_run_from_the_command_line_and_the_count(sweep: TinySweep, tmp_path: Path) -> None:
    folder = sweep.place(sweep.base(steps=12))
    command = [sys.executable, "-m", "dcpt.train"]
    done = subprocess.run([*command, "run", str(folder), "--device", "cpu"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1])["event"] == "finished"
    path = tmp_path / "model.json"
    path.write_text(json.dumps(to_dict(ModelSpec("llama", LLAMA))))
    counted = subprocess.run([*command, "count", str(path)], capture_output=True, text=True, check=True)
    assert json.loads(counted.stdout) == {
        "embedding": 512, "attention": 2048, "mlp": 3072, "norm": 80, "head": 512, "other": 0,
    }  # fmt: skip
