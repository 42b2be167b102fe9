"""Random SIGKILLs during a sweep: nothing is lost, and the losses are those of a sweep nobody disturbed.

python -m benchmarks.kill_sweep [--kills 200] [--seed 0] [--slots 2] [--json]

A small sweep is run once in peace. Then copies of it that have their tokens but no runs are brought to
their ends while, at random moments, one of the command's processes is killed: mostly one that trains, now
and then a worker's guard, now and then the command itself. Where a command ends, killed or with runs that
were killed `MAX_ATTEMPTS` times, the same command is given again. When a copy is finished and kills are
left, the next one begins; once there are none left, the last one goes on in peace.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.measure import report, run
from benchmarks.small_sweep import write_small_sweep

LONGEST_PAUSE = 1.5
"""Time between two kills at most, in times of a run on a worker in peace; drawn evenly from 0 on."""

SHARES = {"worker": 0.94, "guard": 0.03, "supervisor": 0.03}
"""Who is killed. Of the last two the next one has to import everything anew, which takes most of the time."""

PATIENCE = 300.0


class _Command:
    """``dcpt sweep run`` on a folder, as a process of its own."""

    def __init__(self, folder: Path, slots: int) -> None:
        self.log = open(folder / "command.log", "ab")  # noqa: SIM115 (closed in `ended`)
        words = ("sweep", "run", str(folder), "--slots", str(slots), "--device", "cpu", "--yes")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dcpt", *words], stdout=self.log, stderr=self.log
        )

    @property
    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self.log.close()
        return True

    def victim(self, kind: str) -> int | None:
        """Process id of a worker that trains, of a guard, or of the command; None when there is none yet."""
        try:
            guards = [
                child for child in psutil.Process(self.process.pid).children() if "serve" in child.cmdline()
            ]
            trainers = [child for guard in guards for child in guard.children()]
        except psutil.Error:
            return None
        if not trainers:
            return None
        if kind == "supervisor":
            return self.process.pid
        found = trainers if kind == "worker" else guards
        return int(random.choice(found).pid)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--kills", type=int, default=200)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--slots", type=int, default=2)
    made.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    made.add_argument("--keep", type=Path, help="folder to work in, kept afterwards")
    options = made.parse_args()
    random.seed(options.seed)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="dcpt-kill-"))
    began = time.monotonic()
    try:
        document, lines = _measure(folder, options.kills, options.slots)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    document["seconds"] = round(time.monotonic() - began, 1)
    report(document, options.json, lines)


def _measure(folder: Path, kills: int, slots: int) -> tuple[dict[str, object], list[str]]:
    peace = write_small_sweep(folder / "peace", ratios=(0.2, 0.35, 0.5, 0.65, 0.8), budgets=(60, 100, 150))
    first = _Command(peace, slots)
    first.process.wait(PATIENCE)
    if not first.ended or first.process.returncode:
        raise RuntimeError((peace / "command.log").read_text()[-2000:])
    wanted = pd.read_csv(peace / "losses.csv")
    ends = [path.stat().st_mtime for path in peace.glob("runs/*/record.json")]
    pause = LONGEST_PAUSE * slots * (max(ends) - min(ends)) / (len(ends) - 1)
    killed: Counter[str] = Counter()
    rounds = commands = lost = differing = 0
    while True:
        copy = folder / f"round-{rounds}"
        left = shutil.ignore_patterns("runs", "losses.csv", "command.log", "*.lock")
        shutil.copytree(peace, copy, ignore=left)
        rounds += 1
        commands += _bring_to_its_end(copy, slots, kills, killed, pause)
        found = pd.read_csv(copy / "losses.csv") if (copy / "losses.csv").exists() else wanted[:0]
        lost += len(set(wanted["run_id"]) - set(found["run_id"]))
        differing += _differing(found, wanted)
        if killed.total() >= kills:
            break
    runs = rounds * wanted["run_id"].nunique()
    document: dict[str, object] = {
        "kills": killed.total(),
        "killed": dict(killed),
        "commands": commands,
        "sweeps": rounds,
        "runs": runs,
        "longest_pause_seconds": round(pause, 2),
        "lost_runs": lost,
        "differing_losses": differing,
    }
    lines = [
        f"{killed.total()} kills ({', '.join(f'{count} {kind}' for kind, count in killed.items())}) in "
        f"{rounds} sweeps of {wanted['run_id'].nunique()} runs, {commands} commands",
        f"lost runs: {lost}; losses that differ from those of the undisturbed sweep: {differing}",
    ]
    return document, lines


def _bring_to_its_end(folder: Path, slots: int, kills: int, killed: Counter[str], pause: float) -> int:
    """Give the command until every run has finished; returns how often it was given."""
    for count in range(1, 1000):
        command = _Command(folder, slots)
        while not command.ended:
            if killed.total() >= kills:
                command.process.wait(PATIENCE)
                continue
            until = time.monotonic() + random.uniform(0.0, pause)
            while time.monotonic() < until and not command.ended:
                time.sleep(0.005)
            (kind,) = random.choices(list(SHARES), list(SHARES.values()))
            if (pid := command.victim(kind)) is None:
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[kind] += 1
        if command.process.returncode == 0:
            return count
    raise RuntimeError((folder / "command.log").read_text()[-2000:])


def _differing(found: pd.DataFrame, wanted: pd.DataFrame) -> int:
    """Rows of the undisturbed sweep that the other one lacks or has with another loss, to the last bit."""
    key = ["run_id", "step", "eval_set", "metric"]
    both = wanted.merge(found, on=key, how="left", suffixes=("", "_found"))
    return int((both["value"] != both["value_found"]).sum()) + max(0, len(found) - len(wanted))


if __name__ == "__main__":
    run(main)
