"""A sweep of 2,000 finished runs: how long its status and its loss table take.

python -m benchmarks.status [--runs 2000] [--repeats 3] [--json]

The folders are made by the code that makes them in a sweep (specs, journals, records, checkpoints' names),
without training: every loss is a number of its own. Timed are the calls in a process that has everything
imported, and the whole command, imports included.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from benchmarks.measure import best_of, report, run
from benchmarks.small_sweep import write_small_sweep
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.run import store
from dcpt.sweep.collect import collect
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.status import status_frame


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--runs", type=int, default=2000)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    made.add_argument("--keep", type=Path, help="folder to work in, kept and used again")
    options = made.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="dcpt-status-"))
    try:
        document, lines = _measure(folder, options.runs, options.repeats)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    report(document, options.json, lines)


def _measure(folder: Path, wanted: int, repeats: int) -> tuple[dict[str, object], list[str]]:
    # Per size and seed: a base, and for each of nine ratios a trunk and four branches.
    seeds = max(1, round(wanted / (4 * 46)))
    if not (folder / "sweep.yaml").exists():
        ratios = tuple(round(0.1 * count, 1) for count in range(1, 10))
        sizes = ((16, 1), (24, 1), (32, 1), (40, 1))
        write_small_sweep(folder, sizes=sizes, ratios=ratios, budgets=(40, 60, 80, 100), seeds=seeds)
    sweep = prepare(folder)
    _finish_all(sweep)
    runs = len(sweep.design.runs)
    status, frame = best_of(lambda: status_frame(sweep), repeats)
    assert set(frame["status"]) == {"finished"}
    table, losses = best_of(lambda: collect(sweep.root, sweep.design.runs), repeats)
    again, _ = best_of(lambda: prepare(folder), repeats)
    command = min(_command(folder) for _ in range(repeats))
    document: dict[str, object] = {
        "runs": runs,
        "rows": len(losses.frame),
        "status_seconds": round(status.wall, 3),
        "status_cpu_seconds": round(status.cpu, 3),
        "table_seconds": round(table.wall, 3),
        "table_cpu_seconds": round(table.cpu, 3),
        "prepare_seconds": round(again.wall, 3),
        "prepare_cpu_seconds": round(again.cpu, 3),
        "command_seconds": round(command, 3),
    }
    lines = [
        f"{runs} finished runs, {len(losses.frame)} losses",
        f"status of all runs: {status.wall:.2f} s ({status.cpu:.2f} s of CPU)",
        f"loss table: {table.wall:.2f} s ({table.cpu:.2f} s of CPU)",
        f"reading the sweep file and listing its runs: {again.wall:.2f} s ({again.cpu:.2f} s of CPU)",
        f"dcpt sweep status, imports included: {command:.2f} s",
    ]
    return document, lines


def _finish_all(sweep: Sweep) -> None:
    """What a trainer leaves of each run, but for the weights."""
    from dcpt.train.evaluate import Measurement
    from dcpt.train.journal import Journal

    rungs = sweep.design.rungs
    # Thousands of small files need not be on the disk for good before the next one is written.
    with mock.patch.object(os, "fsync", return_value=None), contextlib.redirect_stdout(io.StringIO()):
        for number, spec in enumerate(sweep.design.runs):
            folder = store.write_spec(sweep.root, spec)
            if RunRecord.load(folder) is not None:
                continue
            journal = Journal(folder, spec)
            journal.rewind(None)
            steps = [
                *range(spec.first_step, spec.schedule.steps, spec.evaluation.every)[1:],
                spec.schedule.steps,
            ]
            for step in range(10, spec.schedule.steps + 1, 10):
                journal.log_training(step, 5.0, 1.0, 1000.0)
            for step in steps:
                journal.log_evaluation(step, _losses(Measurement, spec, number, step), spec.r)
            (folder / "checkpoints" / f"step-{spec.schedule.steps:08d}").mkdir(parents=True, exist_ok=True)
            RunRecord(
                spec.run_id,
                "finished",
                parameters=rungs[spec.size].parameters,
                steps=spec.schedule.steps,
                tokens=spec.schedule.steps * spec.tokens_per_step,
                r_seen=spec.r,
                seconds=1.0,
            ).save(folder)


def _losses(kind: type, spec: RunSpec, number: int, step: int) -> list[object]:
    made = []
    for place, name in enumerate(("general", "domain")):
        for metric, unit in (("loss", "nats/token"), ("bpb", "bits/byte")):
            value = 2.0 + 1e-4 * number + place + 1.0 / step
            made.append(
                kind(eval_set=name, metric=metric, unit=unit, value=value, sem=0.01, n_eval_tokens=4096)
            )
    return made


def _command(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dcpt", "sweep", "status", str(folder)], check=True, capture_output=True
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    run(main)
