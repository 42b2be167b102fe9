"""Everything that is measured on a GPU, within a time limit.

`python -m benchmarks.gpu.run_all --out FILE.json [--seconds 560]` takes part after part, each in a process of
its own that is ended when it takes too long, and writes FILE.json and FILE.md after each. Given again with
the same FILE it goes on with the parts that are not in it, so that several visits make one table. The parts,
most important first, stand in `benchmarks.gpu.stages`: which paths work at all; model FLOPs utilisation of
the full-run trainer at 350M parameters; packs of 9 ratios against `transformers.Trainer`, one model at a
time, at 1M, 5M and 20M.

`--rehearse` takes every part at toy sizes, on a CPU too: it proves that the script runs, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stages import STAGES, Stage

LEAST_SECONDS = 45.0
"""A part that has less time left than this is not begun: libraries alone take ten seconds to load."""


def main(arguments: list[str] | None = None) -> int:
    """Measure part after part; 0 when every part was measured."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--out", type=Path, help="JSON file of the results; what is in it is not measured again"
    )
    parser.add_argument("--seconds", type=float, default=560.0, help="end by then")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--only", nargs="+", help="parts by name", choices=[item.name for item in STAGES])
    parser.add_argument("--rehearse", action="store_true", help="toy sizes, on any device")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    options = parser.parse_args(arguments)
    until = time.monotonic() + options.seconds
    if not options.rehearse and options.device != "cuda" and shutil.which("nvidia-smi") is None:
        print("benchmarks.gpu: there is no CUDA device here; --rehearse runs on a CPU.", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"rehearsal": options.rehearse, "parts": {}}
    if options.out is not None and options.out.is_file():
        results = json.loads(options.out.read_text(encoding="utf-8"))
        if results["rehearsal"] != options.rehearse:
            print(f"benchmarks.gpu: {options.out} is of another kind of run.", file=sys.stderr)
            return 2
    missing = 0
    for stage in STAGES:
        known = results["parts"].get(stage.name, {"skipped": ""})
        if (options.only and stage.name not in options.only) or not {"skipped", "error"} & known.keys():
            continue
        left = until - time.monotonic()
        if left < LEAST_SECONDS:
            outcome: dict[str, Any] = {**known, "skipped": f"{max(left, 0):.0f} s were left"}
        else:
            outcome = measure(stage, min(stage.seconds, left), options.device, options.rehearse)
        missing += "skipped" in outcome or "error" in outcome
        results["parts"][stage.name] = outcome
        if not options.json:
            print(line(stage.name, outcome), flush=True)
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            options.out.with_suffix(".md").write_text(page(results), encoding="utf-8")
    print(json.dumps(results))
    return 1 if missing else 0


def measure(stage: Stage, seconds: float, device: str, rehearse: bool) -> dict[str, Any]:
    """One part in a process of its own; what it had found counts when it dies or is ended."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "benchmarks.gpu.part", stage.name, "--out", str(out)]
        command += ["--device", device, *(["--rehearse"] if rehearse else [])]
        environment = {
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            **os.environ,
            "TMPDIR": folder,  # what an ended part leaves behind goes with it
            **stage.environment,
        }
        trouble = _run(command, environment, seconds, Path(folder) / "log")
        try:
            found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
    if trouble and "error" not in found:
        found["error"] = trouble
    return {**found, "seconds_of_part": round(time.monotonic() - began, 1)}


def _run(command: list[str], environment: dict[str, str], seconds: float, log: Path) -> str:
    """Why a command did not end well; empty when it did. Nothing that it started outlives it."""
    root = Path(__file__).resolve().parents[2]
    with open(log, "w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(seconds)
            reason = "" if code == 0 else f"exit status {code}"
        except subprocess.TimeoutExpired:
            reason = f"ended after {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        words = output.read().strip()
    if reason:
        print(words[-3000:], file=sys.stderr)
        last = words.splitlines()[-1:] or [""]
        reason = f"{reason}: {last[0][:300]}"
    return reason


def page(results: dict[str, Any]) -> str:
    """The table of all visits as a document."""
    parts = results["parts"]
    machines = [outcome["machine"] for outcome in parts.values() if "machine" in outcome]
    names = {f"{found['processor']}, torch {found['torch']}" for found in machines}
    rows = "\n".join(line(name, outcome) for name, outcome in parts.items())
    title = "# Rehearsal: no figure means anything" if results["rehearsal"] else "# Measured on a GPU"
    command = "python -m benchmarks.gpu.run_all --out FILE.json"
    return f"{title}\n\n`{command}`, {'; '.join(sorted(names))}.\n\n```\n{rows}\n```\n"


def line(name: str, outcome: dict[str, Any]) -> str:
    """What the table says of a part."""
    trouble = "; ".join(f"{key}: {outcome[key]}" for key in ("skipped", "error") if key in outcome)
    if "paths" in outcome:
        rows = [f"  {path}: {words}" for path, words in outcome["paths"].items()]
        return "\n".join([f"{name} {trouble}", *rows])
    words = [trouble] if trouble else []
    if "mfu" in outcome:
        words.append(f"MFU {outcome['mfu']:.3f}, {outcome['tokens_per_second']:.0f} tokens/s")
    if "proxies_per_hour" in outcome:
        hourly = outcome["proxies_per_hour"]
        words.append(
            f"K {outcome['K']}: " + ", ".join(f"{key} {value:.0f}/h" for key, value in hourly.items())
        )
    if outcome.get("packed_over_trainer"):
        words.append(f"{outcome['packed_over_trainer']:g} x Trainer")
    if "seed_noise" in outcome:
        words.append(
            f"losses within {outcome['max_loss_difference']:.1g} (seeds {outcome['seed_noise']:.1g})"
        )
    return f"{name:38s} {'; '.join(words)}"


if __name__ == "__main__":
    sys.exit(main())
