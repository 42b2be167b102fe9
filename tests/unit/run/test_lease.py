"""Leases: one taker of many, dead holders, clocks that jump, holders that come back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dcpt.run import lease
from dcpt.run.lease import LeaseOffice

BEAT = 0.05


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder; leases are beaten often and go stale soon."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", BEAT)
    monkeypatch.setattr(lease, "VERIFY_SECONDS", 3 * BEAT)
    monkeypatch.setattr(lease, "STALE_SECONDS", 20 * BEAT)
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def abroad(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to be on another machine than before: locks then tell nothing, only heartbeats do."""
    names = iter(f"{number:08d}-boot" for number in range(100))

    def move() -> None:
        here = next(names)
        monkeypatch.setattr(lease, "boot_id", lambda: here)

    return move


def wait_until_taken(office: LeaseOffice, run_dir: Path, patience: float = 30.0) -> float:
    began = time.monotonic()
    while office.take(run_dir) is None:
        assert time.monotonic() - began < patience
        time.sleep(BEAT / 2)
    return time.monotonic() - began


def test_of_many_takers_one_holds(run_dir: Path) -> None:
    root = run_dir.parents[1]
    offices = [LeaseOffice(root) for _ in range(8)]
    for over in range(20):
        ready, got = threading.Barrier(len(offices)), []

        def take(office: LeaseOffice, ready: threading.Barrier = ready, got: list[Any] = got) -> None:
            ready.wait()
            if (found := office.take(run_dir)) is not None:
                got.append(found)

        threads = [threading.Thread(target=take, args=(office,)) for office in offices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) <= 1
        held = got[0] if got else offices[0].take(run_dir)
        assert held is not None
        assert all(office.take(run_dir) is None for office in offices)
        assert f"process {os.getpid()}" in offices[0].holder(run_dir)
        held.release(over=over % 2 == 1)
        assert offices[0].holder(run_dir) == ""
    for office in offices:
        office.close()
    assert not list((root / "runs" / "holds").iterdir())


def test_of_takers_that_found_it_free_at_the_same_moment_one_holds(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has seen that nobody has it before the first of them makes its file."""
    offices = [LeaseOffice(run_dir.parents[1]) for _ in range(4)]
    ready, got, make = threading.Barrier(len(offices)), [], os.open

    def together(path: Any, *rest: Any, **named: Any) -> int:
        if Path(path).parent == run_dir / "lease":
            ready.wait(30)
        return make(path, *rest, **named)

    monkeypatch.setattr(lease.os, "open", together)
    threads = [
        threading.Thread(target=lambda one=office: got.append(one.take(run_dir))) for office in offices
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(offices)
    assert sum(found is not None for found in got) == 1
    for office in offices:
        office.close()


def test_a_killed_holder_is_known_at_once_and_its_worker_counts_too(run_dir: Path, tmp_path: Path) -> None:
    """The worker has inherited the lock: the run is free when it, too, is gone."""
    script = tmp_path / "holder.py"
    script.write_text(
        "import os, subprocess, sys; from pathlib import Path; from dcpt.run.lease import LeaseOffice\n"
        "office = LeaseOffice(Path(sys.argv[1])); assert office.take(Path(sys.argv[2])) is not None\n"
        "worker = subprocess.Popen(['sleep', '600'], pass_fds=(office.fileno(),))\n"
        "print(worker.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, str(script), str(run_dir.parents[1]), str(run_dir)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    assert holder.wait(60) == -9
    office = LeaseOffice(run_dir.parents[1])
    assert office.take(run_dir) is None
    assert office.holder(run_dir) == f"process {holder.pid} on {os.uname().nodename}"
    os.kill(worker, 9)
    assert wait_until_taken(office, run_dir) < 5.0
    office.close()
    holder.stdout.close()


def test_a_holder_elsewhere_is_dead_when_it_beats_no_more(run_dir: Path, abroad: Any) -> None:
    abroad()
    first = LeaseOffice(run_dir.parents[1])
    held = first.take(run_dir)
    assert held is not None
    abroad()
    second = LeaseOffice(run_dir.parents[1])
    until = time.monotonic() + 30 * BEAT
    while time.monotonic() < until:
        assert held.beat()
        assert second.take(run_dir) is None
        time.sleep(BEAT / 2)
    assert wait_until_taken(second, run_dir) >= lease.VERIFY_SECONDS
    # The first one was not dead but away: it finds out, and its release takes nothing from the second.
    time.sleep(BEAT)
    assert not held.beat()
    held.release()
    assert [path.name for path in sorted((run_dir / "lease").iterdir())] == ["000002"]


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_clocks_may_jump(run_dir: Path, abroad: Any, jump: float) -> None:
    """A living holder is left alone whatever its file's time says; a dead one is found in either case."""
    abroad()
    held = LeaseOffice(run_dir.parents[1]).take(run_dir)
    assert held is not None
    abroad()
    other = LeaseOffice(run_dir.parents[1])
    for count in range(40):
        os.utime(held.path, (time.time() + jump + count, time.time() + jump + count))
        assert other.take(run_dir) is None
        time.sleep(BEAT / 2)
    waited = wait_until_taken(other, run_dir)
    # A file from yesterday is verified; one from tomorrow is watched for as long as it takes to be sure.
    wanted = lease.VERIFY_SECONDS if jump < 0 else lease.STALE_SECONDS
    assert waited >= wanted - BEAT


def test_a_torn_lease_goes_stale(run_dir: Path) -> None:
    (run_dir / "lease").mkdir()
    (run_dir / "lease" / "000007").write_bytes(b'{"boot')
    office = LeaseOffice(run_dir.parents[1])
    assert "another machine" in office.holder(run_dir)
    assert wait_until_taken(office, run_dir) > lease.VERIFY_SECONDS
    office.close()
