"""Run every benchmark and write RESULTS.md and results.json beside this file.

python -m benchmarks.run_all [--quick] [--out FOLDER] [--losses FOLDER]

Laws of loss curves and predictors over mixtures are measured on published losses, which are not part of
the project: `--losses` names a folder that holds `multi_power_law/csv_25`, `multi_power_law/csv_100`,
`lr_schedules_124m` and `regmix_1m`.
Without it what was measured before is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.page import page

HERE = Path(__file__).resolve().parent

_MULTI_POWER = ("schedules", "--law", "multi-power", "--data")

RUNS: dict[str, tuple[str, ...]] = {
    "chinchilla": ("fit_chinchilla",),
    "d-cpt 540": ("fit_dcpt",),
    "d-cpt 540, ratios from 0": ("fit_dcpt", "--truth", "wide eps"),
    "d-cpt 5400": ("fit_dcpt", "--checkpoints", "200", "--random-starts", "5"),
    "refits chinchilla": ("refits", "--law", "chinchilla"),
    "refits d-cpt 540": ("refits", "--law", "d-cpt"),
    "coverage": ("coverage", "--replicates", "400"),
    "coverage, with profiles": ("coverage", "--profiles"),
    "annealing sums": ("annealing_sums",),
    "curves 25M": ("schedules", "--data", "{losses}/multi_power_law/csv_25"),
    "curves 100M": ("schedules", "--data", "{losses}/multi_power_law/csv_100"),
    "curves 25M, multi-power": (*_MULTI_POWER, "{losses}/multi_power_law/csv_25"),
    "curves 100M, multi-power": (*_MULTI_POWER, "{losses}/multi_power_law/csv_100"),
    "curves 25M, chosen": ("schedules", "--choose", "--data", "{losses}/multi_power_law/csv_25"),
    "curves 100M, chosen": ("schedules", "--choose", "--data", "{losses}/multi_power_law/csv_100"),
    "curves 124M": ("schedule_transfer", "--data", "{losses}/lr_schedules_124m"),
    "curves 124M, multi-power": (
        *("schedule_transfer", "--law", "multi-power", "--data"),
        "{losses}/lr_schedules_124m",
    ),
    "mixtures": ("mixtures", "--data", "{losses}/regmix_1m"),
    "mixtures, trees": ("mixtures", "--only", "boosted-trees", "--data", "{losses}/regmix_1m"),
    "mixtures, exponential": ("mixtures", "--only", "exponential", "--data", "{losses}/regmix_1m"),
    "mixtures, 64 runs": ("mixtures", "--runs", "64", "--subsets", "3", "--data", "{losses}/regmix_1m"),
    "plans": ("plan",),
    "next runs": ("next_runs", "--draws", "200"),
    "next runs, promises": ("next_runs_promise",),
    "next runs, curves": ("next_runs_curves",),
    "sampler": ("sampler",),
    "status": ("status",),
    "workers": ("cpu_sweep",),
    "packs": ("packing",),
    "packs, 0.1M": ("packing", "--shape", "0.1M"),
    "packs, 0.6M": ("packing", "--shape", "0.6M", "--ratios", "4"),
    "kills": ("kill_sweep", "--kills", "200"),
}
"""Name of a result to the module and its options; each runs in a process of its own."""

WHOLE = ("sampler", "status", "cpu_sweep", "packing")
"""Modules that have nothing to sample."""


def main(argv: list[str] | None = None) -> int:
    """Run all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="sample the slow comparisons, and say so")
    parser.add_argument("--only", nargs="+", choices=RUNS, help="measure these anew and keep the others")
    parser.add_argument("--out", type=Path, help="folder of the results; with --quick none by default")
    parser.add_argument("--losses", type=Path, help="folder of the published loss curves")
    options = parser.parse_args(argv)
    out = options.out or HERE
    kept = out / "results.json"
    old: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    foreign = [name for name, words in RUNS.items() if any("{losses}" in word for word in words)]
    results = dict(old) if options.only else {name: old[name] for name in foreign if name in old}
    for name in options.only or RUNS:
        if name in foreign and options.losses is None:
            continue
        if options.quick and name == "kills":
            continue
        module, *rest = (word.replace("{losses}", str(options.losses)) for word in RUNS[name])
        command = [
            sys.executable,
            "-m",
            f"benchmarks.{module}",
            *rest,
            *(["--quick"] * (options.quick and module not in WHOLE)),
        ]
        print(f"== {name}: python -m {' '.join(command[2:])}", flush=True)
        done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(done.stderr)
            return done.returncode
        words, _, last = done.stdout.rstrip().rpartition("\n")
        print(words, flush=True)
        results[name] = {"benchmark": module, **json.loads(last)}
    results = {name: results[name] for name in RUNS if name in results}
    text = page(results, options.quick)
    if options.quick and not options.out:  # a quick look does not replace what was measured in full
        print(text)
        return 0
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(results, indent=1) + "\n")
    (out / "RESULTS.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
