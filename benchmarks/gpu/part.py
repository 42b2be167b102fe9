"""One part of a visit: `python -m benchmarks.gpu.part NAME --out FILE.json [--rehearse]`.

FILE.json has what is known after every measurement, so that a part that is ended leaves what it found.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu.stages import STAGES, Stage

PEAK = 790e12
"""Dense bf16 FLOP/s that matrix products reach on an H200 in practice; its data sheet says 989e12."""

Tell = Callable[[dict[str, Any]], None]


def main(arguments: list[str] | None = None) -> int:
    """Measure a part; 0 when something was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("name", choices=[stage.name for stage in STAGES])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rehearse", action="store_true", help="toy sizes, on any device")
    options = parser.parse_args(arguments)
    from dcpt.train.model import quiet_transformers
    from dcpt.train.processor import prepare_processor

    quiet_transformers()
    stage = next(stage for stage in STAGES if stage.name == options.name)
    wanted = "fp32" if options.rehearse else str(stage.options.get("precision", "bf16"))
    processor = prepare_processor(options.device, wanted)
    machine = _machine(processor)

    def tell(found: dict[str, Any]) -> None:
        options.out.write_text(json.dumps({**found, "machine": machine}) + "\n", encoding="utf-8")

    measure = {"paths": _paths, "packs": _packs, "mfu": _mfu}[stage.kind]
    try:
        tell(measure(stage, processor, options.rehearse, tell))
    except Exception as error:  # any library's own
        traceback.print_exc(file=sys.stderr)
        before = json.loads(options.out.read_text()) if options.out.is_file() else {}
        tell({**before, "error": _first_line(error)})
        return 1
    return 0


def _packs(stage: Stage, processor: Any, toy: bool, tell: Tell) -> dict[str, Any]:
    from benchmarks.gpu.proxies import Setting
    from benchmarks.packing import compare

    wish: dict[str, Any] = {"steps": 1000, "every": 250, "batch": 16, **stage.options}
    setting = Setting(
        wish["shape"], 4096, 256, wish["batch"], wish["steps"], every=wish["every"], sequences=64
    )
    compiled = str(wish.get("compiled", "off"))
    if toy:
        setting = Setting("0.05M", 64, 16, 4, steps=12, every=6, sequences=16, ratios=3)
    if processor.device.type == "cpu":
        compiled = "off"  # compiling for a CPU takes a minute or more
    trainer = bool(wish.get("trainer", True))
    return compare(setting, processor, "auto", compiled, trainer, alone=1 if toy else 2, tell=tell)


def _mfu(stage: Stage, processor: Any, toy: bool, tell: Tell) -> dict[str, Any]:
    """The first of the ways that works; the reasons of those that did not are kept."""
    from benchmarks.gpu.mfu import measure_mfu

    failed: dict[str, str] = {}
    ways: Any = [["--micro-batch", "2"]] if toy else stage.options["flags"]
    for flags in ways:
        try:
            return {**measure_mfu(processor, toy, PEAK, flags), "failed": failed}
        except Exception as error:  # another way may do
            failed[" ".join(flags)] = _first_line(error)
            tell({"failed": failed})
    raise RuntimeError("; ".join(f"{way}: {reason}" for way, reason in failed.items()))


def _paths(stage: Stage, processor: Any, toy: bool, tell: Tell) -> dict[str, Any]:
    """Every path that only a GPU takes, at toy size: which work, and why the others do not."""
    from benchmarks.gpu.mfu import measure_mfu
    from benchmarks.gpu.proxies import Setting
    from benchmarks.packing import compare
    from dcpt.train.processor import Processor

    small = Setting("0.1M", 64, 32, 4, steps=40, every=20, sequences=16, ratios=2)
    fp32 = Processor(processor.device)

    def pack(where: Any, compiled: str, trainer: bool = False) -> str:
        found = compare(small, where, 2, compiled, trainer, alone=2)
        words = [f"losses within {found['max_loss_difference']:.2g} (seeds {found['seed_noise']:.2g})"]
        words += [f"graph {found['graph']}"] if found["graph"] else []
        words += [f"compiled {found['compiled']}"] if compiled == "on" else []
        words += [str(found["no_trainer"])] if found["no_trainer"] else []
        return ", ".join(words)

    def full(*flags: str) -> str:
        return f"{measure_mfu(processor, True, PEAK, flags)['tokens_per_second']:.0f} tokens/s"

    paths: dict[str, Callable[[], str]] = {
        "pack in fp32": lambda: pack(fp32, "off"),
        "pack, and Trainer": lambda: pack(processor, "off", trainer=True),
        "full run": lambda: full("--micro-batch", "2"),
    }
    if processor.device.type == "cuda":
        paths |= {
            "pack, compiled": lambda: pack(processor, "on"),
            "full run, compiled": lambda: full("--compile"),
        }
    found: dict[str, Any] = {}
    for name, take in paths.items():
        began = time.monotonic()
        try:
            words = take()
        except Exception as error:  # the next path may work
            traceback.print_exc(file=sys.stderr)
            words = f"FAILED: {_first_line(error)}"
        found[name] = f"{words} [{time.monotonic() - began:.0f} s]"
        tell({"paths": found})
    failed = [name for name, words in found.items() if words.startswith("FAILED")]
    return {"paths": found, **({"error": f"failed: {', '.join(failed)}"} if failed else {})}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"


def _machine(processor: Any) -> dict[str, Any]:
    import torch
    import transformers

    found = {**processor.describe(), "torch": torch.__version__, "transformers": transformers.__version__}
    found["temporary files"] = tempfile.gettempdir()
    return found


if __name__ == "__main__":
    sys.exit(main())
