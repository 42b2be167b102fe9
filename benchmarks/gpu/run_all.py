"""Everything that is measured on a GPU, within a time limit.

`python -m benchmarks.gpu.run_all --out FILE.json [--seconds 560]` prints a table and writes FILE.json after
every part, so that what was measured is there when the time is up. Parts: packs of 9 ratios against
`transformers.Trainer` one model at a time, at 1M, 5M and 20M parameters; the same with `torch.compile`, and
with larger steps; model FLOPs utilisation of the full-run trainer at 350M parameters.

`--rehearse` takes every part at toy sizes, on a CPU too: it proves that the script runs, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

Part = tuple[str, float, Callable[[], dict[str, Any]]]
"""Name, seconds it is expected to take at most, and the work."""

PEAK = 790e12
"""Dense bf16 FLOP/s that matrix products reach on an H200 in practice; its data sheet says 989e12."""


def main(arguments: list[str] | None = None) -> int:
    """Measure part after part; 0 when every part was measured."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    parser.add_argument("--seconds", type=float, default=560.0, help="begin no part that would not fit in")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--only", nargs="+", help="parts by name")
    parser.add_argument("--rehearse", action="store_true", help="toy sizes, on any device")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    from dcpt.train.model import quiet_transformers
    from dcpt.train.processor import prepare_processor

    quiet_transformers()
    processor = prepare_processor(options.device, "fp32" if options.rehearse else "bf16")
    if processor.device.type == "cpu" and not options.rehearse:
        print("benchmarks.gpu: there is no CUDA device here; --rehearse runs on a CPU.", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"rehearsal": options.rehearse, "machine": _machine(processor), "parts": {}}
    missing = 0
    for name, expected, work in _parts(processor, options.rehearse):
        if options.only and name not in options.only:
            continue
        spent = time.monotonic() - began
        if spent + expected > options.seconds:
            outcome: dict[str, Any] = {"skipped": f"{spent:.0f} s are gone, it may take {expected:.0f}"}
        else:
            outcome = _guarded(work)
            outcome["seconds_of_part"] = round(time.monotonic() - began - spent, 1)
        missing += "skipped" in outcome or "error" in outcome
        results["parts"][name] = outcome
        print(_line(name, outcome), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results))
    return 1 if missing else 0


def _parts(processor: Any, toy: bool) -> list[Part]:
    from benchmarks.gpu.mfu import measure_mfu
    from benchmarks.gpu.proxies import Setting
    from benchmarks.packing import compare

    def packing(setting: Setting, compiled: str, trainer: bool) -> Callable[[], dict[str, Any]]:
        return lambda: compare(setting, processor, "auto", compiled, trainer)

    parts: list[Part] = []
    for shape in ("1M", "5M", "20M"):
        small = Setting(shape, 4096, 256, 16, steps=400, every=100, sequences=64)
        if toy:
            small = Setting("0.05M", 64, 16, 4, steps=12, every=6, sequences=16, ratios=3)
        parts.append((f"packs of {shape}", 120, packing(small, "off", True)))
    parts.append(("mfu of 350M", 120, lambda: measure_mfu(processor, toy, PEAK)))
    for shape in ("1M", "5M", "20M"):
        large = Setting(shape, 4096, 256, 128, steps=150, every=75, sequences=64)
        small = Setting(shape, 4096, 256, 16, steps=400, every=100, sequences=64)
        if toy:
            small = large = Setting("0.05M", 64, 16, 4, steps=12, every=6, sequences=16, ratios=3)
        parts.append((f"packs of {shape}, steps of 32k tokens", 90, packing(large, "off", True)))
        # On a CPU a compilation takes a minute or more: the rehearsal leaves it out.
        compiled = "on" if processor.device.type == "cuda" else "off"
        parts.append((f"packs of {shape}, compiled", 120, packing(small, compiled, False)))
    return parts


def _guarded(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One part; what breaks in it leaves the others alone."""
    try:
        return work()
    except Exception as error:  # any library's own
        traceback.print_exc(file=sys.stderr)
        lines = str(error).strip().splitlines()
        return {"error": f"{type(error).__name__}: {lines[0][:300] if lines else ''}"}


def _line(name: str, outcome: dict[str, Any]) -> str:
    for key in ("skipped", "error"):
        if key in outcome:
            return f"{name:38s} {key}: {outcome[key]}"
    if "mfu" in outcome:
        return f"{name:38s} MFU {outcome['mfu']:.3f}, {outcome['tokens_per_second']:.0f} tokens/s"
    hourly = outcome["proxies_per_hour"]
    rates = ", ".join(f"{key} {value:.0f}/h" for key, value in hourly.items())
    over = outcome["packed_over_trainer"]
    beside = f", {over:g} x Trainer" if over else ""
    return (
        f"{name:38s} K {outcome['K']}: {rates}{beside}; losses within {outcome['max_loss_difference']:.1g} "
        f"(seeds {outcome['seed_noise']:.1g})"
    )


def _machine(processor: Any) -> dict[str, Any]:
    import torch
    import transformers

    return {
        **processor.describe(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "load": [round(value, 2) for value in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())
