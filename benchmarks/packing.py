"""Runs trained together against the same runs one after another, same seeds.

`python -m benchmarks.packing [--json] [--device cuda] [--shape 5M] [--ratios 9] ...` trains a sweep of
ratios twice, as one pack and one by one, and compares every held-out loss and the time of both. On CUDA it
also times `transformers.Trainer`, one model at a time, on the same shape and data.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TRAINER_RUNS = 2
"""Runs of `transformers.Trainer` that are timed; each takes as long as the next."""

NOISE_SEEDS = (2, 3)
"""Further seeds of the middle ratio: what a loss moves by when only chance changes."""


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure and print."""
    options = _parse(arguments)
    from benchmarks.gpu.proxies import Setting
    from dcpt.train.model import quiet_transformers
    from dcpt.train.processor import prepare_processor

    quiet_transformers()
    processor = prepare_processor(options.device, options.precision)
    on_gpu = processor.device.type == "cuda"
    shape = options.shape or ("1M" if on_gpu else "0.05M")
    setting = Setting(
        shape,
        options.vocabulary or (4096 if on_gpu else 256),
        options.context or (256 if on_gpu else 64),
        options.batch or (16 if on_gpu else 8),
        options.steps or (400 if on_gpu else 60),
        options.ratios,
        options.every or (100 if on_gpu else 20),
    )
    trainer = on_gpu if options.trainer is None else options.trainer
    found = compare(setting, processor, options.pack, options.compile, trainer)
    if not options.json:
        print("\n".join(_words(found)))
    print(json.dumps(found))
    return found


def compare(setting: Any, processor: Any, pack: Any, compiled: Any, trainer: bool) -> dict[str, Any]:
    """Time the runs of a setting in every way, and compare their losses.

    Parameters
    ----------
    setting : benchmarks.gpu.proxies.Setting
        What is trained.
    processor : dcpt.train.processor.Processor
        Where.
    pack : "auto" or int
        Runs together; auto measures it on CUDA, on the CPU it means all of them.
    compiled : {"auto", "on", "off"}
        Whether packs are compiled.
    trainer : bool
        Whether to time `transformers.Trainer` too.
    """
    from benchmarks.gpu.one_at_a_time import available, time_trainer
    from benchmarks.gpu.proxies import Proxies, train
    from dcpt.train.pack.worklist import Packing

    if pack == "auto" and processor.device.type == "cpu":
        pack = setting.ratios
    with tempfile.TemporaryDirectory() as name:
        roots = [Path(name) / part for part in ("warm", "sequential", "packed")]
        sweeps = [Proxies(root, setting) for root in roots]
        specs = sweeps[0].specs()
        # What a first run of a process pays, libraries and kernels, is nobody's.
        train(sweeps[0].place(specs[:1]), processor, None)
        seconds, work = [], []  # by the clock, and of the process alone: other programs do not change it
        for sweep, packing in zip(sweeps[1:], (None, Packing(pack, compiled)), strict=True):
            folders = sweep.place(specs)
            began, worked = time.perf_counter(), time.process_time()
            train(folders, processor, packing)
            seconds.append(time.perf_counter() - began)
            work.append(time.process_time() - worked)
        middle = specs[len(specs) // 2]
        others = [sweeps[1].spec(middle.r, seed) for seed in NOISE_SEEDS]
        train(sweeps[1].place(others), processor, None)
        alone, together = (
            [_losses(sweep.root / "runs" / spec.run_id) for spec in specs] for sweep in sweeps[1:]
        )
        noise = _noise([_losses(sweeps[1].root / "runs" / spec.run_id) for spec in (middle, *others)])
        sizes = [_packed(sweeps[2].root / "runs" / spec.run_id) for spec in specs]
        baseline, reason = None, None
        if trainer:
            reason = available()
            if reason is None:
                time_trainer(sweeps[0], specs[:1], processor)
                baseline, _ = time_trainer(sweeps[0], specs[:TRAINER_RUNS], processor)
    difference = max(
        abs(one[key] - other[key]) for one, other in zip(alone, together, strict=True) for key in one
    )
    count = len(specs)
    hourly = {"sequential": 3600 * count / seconds[0], "packed": 3600 * count / seconds[1]}
    if baseline is not None:
        hourly["trainer"] = 3600 / baseline
    return {
        "benchmark": "packing",
        "device": processor.device.type,
        "processor": processor.describe()["processor"],
        "precision": processor.precision,
        "shape": setting.shape,
        "setting": {**vars(setting), "tokens": setting.tokens},
        "runs": count,
        "K": max(sizes),
        "speedup": round(seconds[0] / seconds[1], 3),
        "speedup_in_cpu_time": round(work[0] / work[1], 3),
        "max_loss_difference": difference,
        "losses_compared": sum(len(one) for one in alone),
        "seed_noise": noise,
        "seconds": {"sequential": round(seconds[0], 2), "packed": round(seconds[1], 2)},
        "tokens_per_second_packed": round(count * setting.tokens / seconds[1]),
        "proxies_per_hour": {key: round(value, 1) for key, value in hourly.items()},
        "packed_over_trainer": round(hourly["packed"] / hourly["trainer"], 2) if baseline else None,
        "no_trainer": reason,
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _losses(folder: Path) -> dict[tuple[int, str], float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        (row["step"], row["eval_set"]): row["value"]
        for row in rows
        if row["kind"] == "eval" and row["metric"] == "loss"
    }


def _packed(folder: Path) -> int:
    return int(json.loads((folder / "record.json").read_text())["host"].get("packed", 1))


def _noise(runs: list[dict[tuple[int, str], float]]) -> float:
    """Standard deviation of the last losses over seeds, the smallest of the evaluation sets."""
    last = max(step for step, _ in runs[0])
    return min(statistics.stdev(run[step, name] for run in runs) for step, name in runs[0] if step == last)


def _words(found: dict[str, Any]) -> list[str]:
    hourly = ", ".join(f"{key} {value:g}" for key, value in found["proxies_per_hour"].items())
    lines = [
        f"{found['runs']} runs of {found['shape']} on {found['device']}, packs of up to {found['K']}: "
        f"{found['seconds']['packed']:g} s against {found['seconds']['sequential']:g} s, "
        f"{found['speedup']:g} times as fast",
        f"largest difference of {found['losses_compared']} held-out losses: "
        f"{found['max_loss_difference']:.2g} nats (between seeds: {found['seed_noise']:.2g})",
        f"runs per hour: {hourly}",
    ]
    if found["no_trainer"]:
        lines.append(f"no baseline: {found['no_trainer']}")
    return lines


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--precision", default="fp32", help="fp32 or bf16")
    parser.add_argument("--shape", help="0.05M, 0.1M, 0.6M, 1M, 5M or 20M")
    parser.add_argument("--ratios", type=int, default=9, help="runs")
    parser.add_argument("--pack", default="auto", help="runs together: auto or a number")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto")
    for name in ("vocabulary", "context", "batch", "steps", "every"):
        parser.add_argument(f"--{name}", type=int, help="by default one that suits the device")
    parser.add_argument(
        "--trainer",
        action=argparse.BooleanOptionalAction,
        help="time transformers.Trainer (default: on CUDA)",
    )
    options = parser.parse_args(arguments)
    if options.pack != "auto":
        options.pack = int(options.pack)
    return options


if __name__ == "__main__":
    main()
    sys.exit(0)
