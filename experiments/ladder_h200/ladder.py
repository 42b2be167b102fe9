"""A sweep whose runs are trained on another machine, over as many visits as it takes.

prepare   here: tokenise, list the runs (and those of a launch) in FOLDER/runs.json
train     there, with torch, transformers, numpy and safetensors alone: bring the open runs to their end,
          stop in time, put what the runs measured into OUT/runs.tar.gz
bring     here: take OUT/runs.tar.gz into the folder; `dcpt sweep run FOLDER` then finds the runs finished

Checkpoints stay where they are made, and are removed when no open run starts from them. A later visit with
FOLDER/runs.tar.gz trains the bases again that open runs start from, and no run that has finished.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from experiments.ladder_h200 import archive  # noqa: E402 (the folder must be found first)

if TYPE_CHECKING:
    from dcpt.core.run_spec import RunSpec

SCHEMA_VERSION = 1


def prepare(folder: Path, data_root: Path, plan: Path | None) -> None:
    from dcpt.core.files import write_json
    from dcpt.core.run_spec import to_dict
    from dcpt.sweep.prepare import prepare as prepare_sweep

    sweep = prepare_sweep(folder, data_root, print)
    runs, work = list(sweep.design.runs), dict(sweep.design.work)
    if plan is not None:
        from dcpt.launch.launch import prepare_launch
        from dcpt.plan.plan_file import read_plan

        launch = prepare_launch(read_plan(plan), sweep)
        runs += [run for run in launch.runs if run.run_id not in work]
        work |= launch.work
    document = {"schema_version": SCHEMA_VERSION, "runs": [to_dict(run) for run in runs], "work": work}
    print(f"{len(runs)} runs: {write_json(folder / 'runs.json', document)}")


def train(folder: Path, out: Path, seconds: float, device: str, precision: str, pack: str) -> int:
    from dcpt.core.files import read_json
    from dcpt.core.run_spec import RunSpec, from_dict
    from dcpt.run.execute import execute
    from dcpt.run.machine import visible_gpus
    from dcpt.run.packs import choose_packs

    path = folder / "runs.json"
    document = read_json(path, "a list of runs", SCHEMA_VERSION)
    specs = [from_dict(RunSpec, item, f"{path} run {number}") for number, item in enumerate(document["runs"])]
    began, counts = time.monotonic(), {"finished": 0, "failed": 0}
    # The workers import the package from here as well, wherever they are started.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if (folder / archive.FILE_NAME).is_file():
        print(f"{archive.unpack(folder / archive.FILE_NAME, folder / 'runs')} runs of earlier visits")

    def listen(event: dict[str, Any]) -> None:
        if event["event"] in ("finished", "failed", "retry", "abandoned"):
            counts[event["event"]] = counts.get(event["event"], 0) + 1
            clear(folder / "runs", specs)
            told = {name: value for name, value in event.items() if name in ("event", "run_id", "reason")}
            print(f"{time.monotonic() - began:7.1f} s  {told}", flush=True)

    def enough(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, enough)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        wish: Any = int(pack) if pack.isdigit() else pack
        grouped, options = choose_packs(wish, device)
        outcome = execute(
            folder,
            specs,
            document["work"],
            # One process per GPU, and one where they cannot be listed.
            slots=1 if device.startswith("cuda") and not visible_gpus() else None,
            device=device,
            precision=precision,
            listen=listen,
            pack=grouped,
            options=options,
        )
        left = len(specs) - len(outcome.finished)
    except KeyboardInterrupt:
        print("time is up: runs in progress were saved where they are")
        left = -1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        archive.pack(folder / "runs", out / archive.FILE_NAME)
        for log in (folder / "runs" / "logs").glob("*.log"):  # what a worker said when something broke
            shutil.copyfile(log, out / log.name)
    print(f"{counts} in {time.monotonic() - began:.0f} s; {'some' if left < 0 else left} runs are open")
    return 0 if left == 0 else 75


def clear(runs: Path, specs: Sequence[RunSpec]) -> None:
    """Remove the checkpoints that no open run starts from: those of all runs do not fit on a disk."""
    needed = {
        spec.start.run_id
        for spec in specs
        if spec.start is not None and not archive.is_over(runs / spec.run_id)
    }
    for spec in specs:
        if spec.run_id not in needed and archive.is_over(runs / spec.run_id):
            shutil.rmtree(runs / spec.run_id / "checkpoints", ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare")
    first.add_argument("folder", type=Path)
    first.add_argument("--data-root", type=Path, required=True)
    first.add_argument("--plan", type=Path, help="plan.json whose target is to be trained as well")
    second = commands.add_parser("train")
    second.add_argument("folder", type=Path)
    second.add_argument("--out", type=Path, required=True)
    second.add_argument("--seconds", type=float, default=480.0, help="stop in time (default: 480)")
    second.add_argument("--device", default="cuda")
    second.add_argument("--precision", default="bf16")
    second.add_argument("--pack", default="auto", help="auto, off, or a number of runs (default: auto)")
    third = commands.add_parser("bring")
    third.add_argument("folder", type=Path)
    third.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(options.folder, options.data_root, options.plan)
        return 0
    if options.command == "train":
        return train(
            options.folder,
            options.out,
            options.seconds,
            options.device,
            options.precision,
            options.pack,
        )
    brought = options.out / archive.FILE_NAME
    count = archive.unpack(brought, options.folder / "runs")
    archive.pack(options.folder / "runs", options.folder / archive.FILE_NAME)  # for the next visit
    print(f"{count} runs brought")
    return 0


if __name__ == "__main__":
    sys.exit(main())
