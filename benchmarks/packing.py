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
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TRAINER_RUNS = 1
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
        options.steps or (1000 if on_gpu else 60),
        options.ratios,
        options.every or (250 if on_gpu else 20),
    )
    trainer = on_gpu if options.trainer is None else options.trainer
    found = compare(setting, processor, options.pack, options.compile, trainer)
    if not options.json:
        print("\n".join(_words(found)))
    print(json.dumps(found))
    return found


def compare(
    setting: Any,
    processor: Any,
    pack: Any,
    compiled: Any,
    trainer: bool,
    alone: int | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda found: None,
) -> dict[str, Any]:
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
    alone : int, optional
        Runs that are trained one by one as well, evenly spread; by default all of them.
    tell : callable
        Called with what is known after each measurement, for when there is no time for the next.
    """
    from benchmarks.gpu.proxies import Proxies, train
    from dcpt.train.pack.worklist import Packing

    if pack == "auto" and processor.device.type == "cpu":
        pack = setting.ratios
    with tempfile.TemporaryDirectory() as name:
        brief, one_by_one, packs = (
            Proxies(Path(name) / part, shape)
            for part, shape in (("warm", setting.brief), ("alone", setting), ("packed", setting))
        )
        specs = packs.specs()
        chosen = _spread(specs, alone)
        # What a first run of a process pays, libraries and kernels, is nobody's.
        train(brief.place(brief.specs()[:1]), processor, None)
        seconds, work = {}, {}
        seconds["packed"], work["packed"] = _time(packs, specs, processor, Packing(pack, compiled))
        folders = [packs.root / "runs" / spec.run_id for spec in specs]
        together = [_losses(folder) for folder in folders]
        hosts = [json.loads((folder / "record.json").read_text())["host"] for folder in folders]
        found: dict[str, Any] = {
            "benchmark": "packing",
            "device": processor.device.type,
            "processor": processor.describe()["processor"],
            "precision": processor.precision,
            "shape": setting.shape,
            "setting": {**vars(setting), "tokens": setting.tokens},
            "runs": len(specs),
            "K": max(int(host.get("packed", 1)) for host in hosts),
            "graph": hosts[0].get("graph"),
            "compiled": hosts[0].get("compiled", "no"),
            "seconds": {"packed": round(seconds["packed"], 2)},
            "tokens_per_second_packed": round(len(specs) * setting.tokens / seconds["packed"]),
            "proxies_per_hour": {"packed": round(3600 * len(specs) / seconds["packed"], 1)},
        }
        tell(found)
        if trainer:
            rate, reason = _trainer_rate(packs, brief, specs, processor)
            if rate is not None:
                found["proxies_per_hour"]["trainer"] = round(rate, 1)
                packed = found["proxies_per_hour"]["packed"]
                found["packed_over_trainer"] = round(packed / rate, 2)
            found["no_trainer"] = reason
            tell(found)
        seconds["sequential"], work["sequential"] = _time(one_by_one, chosen, processor, None)
        single = [_losses(one_by_one.root / "runs" / spec.run_id) for spec in chosen]
        pairs = [(one, together[specs.index(spec)]) for one, spec in zip(single, chosen, strict=True)]
        part = len(chosen) / len(specs)
        found |= {
            "runs_alone": len(chosen),
            "speedup": round(seconds["sequential"] / seconds["packed"] / part, 3),
            "speedup_in_cpu_time": round(work["sequential"] / work["packed"] / part, 3),
            "max_loss_difference": max(abs(one[key] - other[key]) for one, other in pairs for key in one),
            "losses_compared": sum(len(one) for one in single),
        }
        found["seconds"]["sequential"] = round(seconds["sequential"], 2)
        found["proxies_per_hour"]["sequential"] = round(3600 * len(chosen) / seconds["sequential"], 1)
        tell(found)
        middle = chosen[len(chosen) // 2]
        others = [one_by_one.spec(middle.r, seed) for seed in NOISE_SEEDS]
        train(one_by_one.place(others), processor, None)
        runs = [single[len(chosen) // 2]]
        runs += [_losses(one_by_one.root / "runs" / spec.run_id) for spec in others]
        found |= {"seed_noise": _noise(runs), "load": [round(value, 2) for value in os.getloadavg()]}
    return {"packed_over_trainer": None, "no_trainer": None, **found}


def _spread(specs: list[Any], count: int | None) -> list[Any]:
    """So many of the runs, evenly spread over the ratios."""
    taken = len(specs) if count is None else min(count, len(specs))
    return [specs[(2 * index + 1) * len(specs) // (2 * taken)] for index in range(taken)]


def _time(sweep: Any, specs: list[Any], processor: Any, packing: Any) -> tuple[float, float]:
    """Seconds of some runs by the clock, and of the process alone: other programs do not change those."""
    from benchmarks.gpu.proxies import train

    folders = sweep.place(specs)
    began, worked = time.perf_counter(), time.process_time()
    train(folders, processor, packing)
    return time.perf_counter() - began, time.process_time() - worked


def _trainer_rate(
    sweep: Any, brief: Any, specs: list[Any], processor: Any
) -> tuple[float | None, str | None]:
    """Runs per hour of `transformers.Trainer`, or why it could not be timed."""
    from benchmarks.gpu.one_at_a_time import available, time_trainer

    reason = available()
    if reason is not None:
        return None, reason
    try:
        time_trainer(brief, brief.specs()[:1], processor)
        seconds, _ = time_trainer(sweep, specs[:TRAINER_RUNS], processor)
    except Exception as error:  # of a library that is not ours; our own measurements go on
        return None, f"transformers.Trainer failed ({type(error).__name__}: {str(error).strip()[:200]})"
    return 3600 / seconds, None


def _losses(folder: Path) -> dict[tuple[int, str], float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        (row["step"], row["eval_set"]): row["value"]
        for row in rows
        if row["kind"] == "eval" and row["metric"] == "loss"
    }


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
