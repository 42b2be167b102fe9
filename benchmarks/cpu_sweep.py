"""Several workers on the CPU: a sweep's tokens per second against as many times that of one worker alone.

python -m benchmarks.cpu_sweep [--workers 2] [--steps 300] [--json]

The same independent runs (one size, several ratios from one base) are brought to their ends by one worker
and by several. Counted is the time between the first ``started`` and the last ``finished`` event, so what
starting the processes takes is left out; evaluations and checkpoints are in. On a machine that does other
work the answer is about that work.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import report, run
from benchmarks.small_sweep import write_small_sweep
from dcpt.run.execute import execute
from dcpt.run.machine import count_cores
from dcpt.sweep.prepare import Sweep, prepare

RATIOS = tuple(round(0.1 * number, 1) for number in range(1, 9))


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--workers", type=int, default=count_cores())
    made.add_argument("--steps", type=int, default=300, help="steps of each of eight runs")
    made.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    options = made.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dcpt-cpu-"))
    try:
        write_small_sweep(
            folder,
            sizes=((64, 2),),
            ratios=RATIOS,
            budgets=(options.steps,),
            context=64,
            batch=16,
            evaluate_every=100,
            documents=1000,
        )
        sweep = prepare(folder)
        bases = [spec for spec in sweep.design.runs if spec.kind == "base"]
        execute(folder, bases, {}, 1, "cpu")
        one, several = _rate(sweep, 1), _rate(sweep, options.workers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    share = several / (options.workers * one)
    report(
        {
            "workers": options.workers,
            "steps": options.steps,
            "tokens_per_second_of_one": round(one),
            "tokens_per_second": round(several),
            "share_of_sum": round(share, 3),
        },
        options.json,
        [
            f"one worker {one:,.0f} tokens/s, {options.workers} workers {several:,.0f} tokens/s: "
            f"{100 * share:.0f} % of {options.workers} times one"
        ],
    )


def _rate(sweep: Sweep, workers: int) -> float:
    """Training tokens per second of the trunks, made anew."""
    trunks = [spec for spec in sweep.design.runs if spec.kind == "trunk"]
    bases = [spec for spec in sweep.design.runs if spec.kind == "base"]
    for spec in trunks:
        shutil.rmtree(sweep.root / "runs" / spec.run_id, ignore_errors=True)
    times: dict[str, list[float]] = {}

    def listen(event: dict[str, Any]) -> None:
        times.setdefault(event["event"], []).append(time.perf_counter())

    outcome = execute(sweep.root, [*bases, *trunks], {}, workers, "cpu", listen)
    if outcome.failed or outcome.abandoned:
        raise RuntimeError(str(outcome))
    tokens = sum(spec.schedule.steps * spec.tokens_per_step for spec in trunks)
    return tokens / (max(times["finished"]) - min(times["started"]))


if __name__ == "__main__":
    run(main)
