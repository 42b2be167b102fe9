"""A clock that is set back or forward by an hour: nothing is taken over, given up or told too early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))

from tiny_sweep import TinySweep, read_rows

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.run import conductor, lease, lock, store
from dcpt.run.conductor import Conductor
from dcpt.run.event_log import EventReader, EventWriter
from dcpt.run.executor import Event
from dcpt.run.lease import LeaseOffice
from dcpt.run.lock import only_runner
from dcpt.train import unit
from dcpt.train.processor import prepare_processor
from dcpt.train.unit import run

HOUR = 3600.0
BEAT = 0.1


class Clock:
    """The clock of the day; `set` moves it, and monotonic time goes on as it did."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.real, self.real_ns = time.time, time.time_ns

    def set(self, ahead: float) -> None:
        self.ahead = ahead

    def time(self) -> float:
        return self.real() + self.ahead

    def time_ns(self) -> int:
        return self.real_ns() + int(self.ahead * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the machine's, and of the one that stamps the files of leases."""
    found = Clock()
    monkeypatch.setattr(time, "time", found.time)
    monkeypatch.setattr(time, "time_ns", found.time_ns)
    monkeypatch.setattr(lease, "_file_server_time", lambda folder: found.time_ns())
    monkeypatch.setattr(
        lease.os, "utime", lambda path, real=os.utime: real(path, ns=(found.time_ns(), found.time_ns()))
    )
    return found


JUMPS = pytest.mark.parametrize("jump", [-HOUR, HOUR], ids=["back", "forward"])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Any, LeaseOffice]]:
    """A run's folder, the lease another machine has of it, and somebody who would like to have it."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", BEAT)
    monkeypatch.setattr(lease, "VERIFY_SECONDS", 3 * BEAT)
    monkeypatch.setattr(lease, "STALE_SECONDS", 16 * BEAT)
    run_dir = tmp_path / "runs" / "a"
    run_dir.mkdir(parents=True)
    monkeypatch.setattr(lease, "boot_id", lambda: "11111111-there")
    office = LeaseOffice(tmp_path)
    held = office.take(run_dir)
    monkeypatch.setattr(lease, "boot_id", lambda: "22222222-here")
    other = LeaseOffice(tmp_path)
    yield run_dir, held, other
    office.close()
    other.close()


@JUMPS
def test_a_lease_whose_holder_pauses_is_not_taken_when_the_clock_is_set(
    elsewhere: tuple[Path, Any, LeaseOffice], clock: Clock, jump: float
) -> None:
    """Somebody watches, the clock jumps, and the holder is slow for longer than it takes to verify."""
    run_dir, held, other = elsewhere
    assert held.beat()
    assert other.take(run_dir) is None
    began = time.monotonic()
    clock.set(jump)
    while time.monotonic() - began < 0.6 * lease.STALE_SECONDS:
        assert other.take(run_dir) is None
        time.sleep(BEAT / 2)
    assert lease.VERIFY_SECONDS < 0.5 * lease.STALE_SECONDS
    # it goes on: by the new clock, and nobody has taken anything
    assert held.beat()
    assert other.take(run_dir) is None
    # a dead one is found all the same, in the time it always takes
    began = time.monotonic()
    while (taken := other.take(run_dir)) is None:
        assert time.monotonic() - began < 20
        time.sleep(BEAT / 2)
    assert time.monotonic() - began >= 0.8 * lease.STALE_SECONDS
    assert taken.number == held.number + 1


@JUMPS
def test_a_lease_is_beaten_as_often_as_before(
    elsewhere: tuple[Path, Any, LeaseOffice], clock: Clock, jump: float
) -> None:
    run_dir, held, other = elsewhere
    began, touched = time.monotonic(), set()
    while time.monotonic() - began < 10 * BEAT:
        clock.set(jump if time.monotonic() - began > 5 * BEAT else 0.0)
        assert held.beat()
        assert other.take(run_dir) is None
        touched.add(held.path.stat().st_mtime_ns)
        time.sleep(BEAT / 4)
    assert 3 <= len(touched) <= 12


@JUMPS
def test_a_runner_waits_for_old_workers_as_long_as_it_says(
    tmp_path: Path, clock: Clock, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.02)
    with only_runner(tmp_path) as hold:
        worker = subprocess.Popen(["sleep", "600"], pass_fds=(hold,))
    looks = 0

    def look(seconds: float, pause: Any = time.sleep) -> None:
        nonlocal looks
        looks += 1
        clock.set(jump)
        pause(seconds)

    monkeypatch.setattr(lock.time, "sleep", look)
    began = time.monotonic()
    try:
        refused = pytest.raises(ConfigError, match="still at work after")
        with refused, only_runner(tmp_path, leave_seconds=0.5):
            pass
        assert 0.5 <= time.monotonic() - began < 20
        assert looks > 1
    finally:
        worker.kill()
        worker.wait()


@JUMPS
def test_the_time_and_speed_a_run_notes_are_its_own(
    tmp_path: Path, clock: Clock, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is set in the middle of every step."""
    sweep = TinySweep(tmp_path)
    folder = sweep.place(sweep.base())
    calls = iter(range(10**6))

    def set_clock(optimizer: Any, rate: float, real: Any = unit.set_rate) -> None:
        clock.set(jump * (next(calls) + 1))
        real(optimizer, rate)

    monkeypatch.setattr(unit, "set_rate", set_clock)
    began = time.monotonic()
    record = run(folder, prepare_processor("cpu"))
    assert 0 < record.seconds <= time.monotonic() - began
    assert [row["step"] for row in read_rows(folder, "train")] == [10, 20]
    speeds = [
        line for line in (folder / "metrics.jsonl").read_text().splitlines() if "tokens_per_second" in line
    ]
    assert len(speeds) == 2
    told = [json.loads(line)["tokens_per_second"] for line in speeds]
    assert all(10 * 128 / 60 < speed < 1e7 for speed in told)  # ten steps of 128 tokens within the minute


@JUMPS
def test_a_run_that_somebody_else_holds_is_looked_at_again_in_time(
    tmp_path: Path, clock: Clock, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor, "REFUSED_SECONDS", 0.3)
    monkeypatch.setattr(conductor, "POLL_SECONDS", 0.02)
    base = TinySweep(tmp_path).base()
    asked: list[float] = []

    class Refusing:
        room = 1

        def under_way(self) -> tuple[str, ...]:
            return ()

        def submit(self, runs: Any) -> bool:
            asked.append(time.monotonic())
            if len(asked) == 3:
                RunRecord(base.run_id, "finished").save(store.run_folder(tmp_path, base.run_id))
            return False

        def poll(self, seconds: float) -> list[Event]:
            clock.set(jump * (len(asked) % 2))
            time.sleep(seconds)
            return []

    outcome = Conductor(tmp_path, [base], {}, Refusing(), lambda event: None).loop()  # type: ignore[arg-type]
    assert outcome.finished == [base.run_id]
    assert len(asked) == 3
    assert all(later - sooner >= 0.3 for sooner, later in pairwise(asked))
    assert asked[-1] - asked[0] < 10


@JUMPS
def test_progress_is_told_neither_at_every_step_nor_never(tmp_path: Path, clock: Clock, jump: float) -> None:
    writer, reader = EventWriter(tmp_path / "events"), EventReader(tmp_path / "events")
    for step in range(6):
        clock.set(jump * (step % 2))
        writer.write({"event": "progress", "run_id": "a", "step": step})
    assert [event["step"] for event in reader.read()] == [0]
