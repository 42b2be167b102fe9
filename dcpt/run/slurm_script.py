"""The batch script of a Slurm array: one task per run, or per pack of runs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dcpt.core.errors import ConfigError
from dcpt.run.executor import Place

OWN = (
    "array",
    "chdir",
    "job-name",
    "open-mode",
    "output",
    "error",
    "requeue",
    "no-requeue",
    "wait",
    "parsable",
)
"""Options of sbatch that the script sets, or that would take its sense away."""

DEFAULTS = {"cpus-per-task": "1", "signal": "B:USR1@120"}
"""Options of sbatch that a user may set otherwise. The signal comes 120 s before the time limit: a worker
saves at its next step, and what lies between two steps at most is an evaluation and a checkpoint."""

_KEY = re.compile(r"[a-z][a-z-]*")

_BODY = """
# Task k trains the runs of line k + 1 of runs.txt. Every run is resumed from its last checkpoint, so the
# task may be stopped, requeued or started twice: a lease in the run's folder lets only one process write.
task=$SLURM_ARRAY_TASK_ID
runs=$(sed -n "$((task + 1))p" {folder}/runs.txt)
{setup}
{python} -m {module} {root} $runs \\
    --events {folder}/events/$task.jsonl --device {device} --precision {precision}{trainer} &
child=$!

# USR1 comes before the time limit: save, and queue the rest. TERM is scancel or a preemption: save only.
again=no
trap 'again=yes; kill -USR1 $child' USR1
trap 'kill -TERM $child' TERM
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
if [ $status -eq 75 ] && [ $again = yes ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$task"
fi
exit $status
"""


def batch_script(name: str, folder: Path, tasks: int, place: Place, options: Mapping[str, str]) -> str:
    """Text for ``sbatch``.

    Parameters
    ----------
    name : str
        Job name.
    folder : path
        Folder of this batch, with ``runs.txt`` and ``events``.
    tasks : int
        Lines of ``runs.txt``.
    place : Place
        Where and how the trainer works.
    options : mapping
        Long options of sbatch by name, and ``setup`` (a shell file to source first) and ``python``.

    Raises
    ------
    ConfigError
        When an option is none of sbatch's by its form, or one that the script sets itself.
    """
    check_options(options)
    head = {
        "job-name": name,
        "array": f"0-{tasks - 1}",
        "output": str(folder / "%a.log"),
        "open-mode": "append",
        "requeue": "",
        **DEFAULTS,
        **({"cpus-per-task": str(place.procs)} if place.procs > 1 else {}),
        **({"nodes": str(place.nodes), "ntasks-per-node": "1"} if place.nodes > 1 else {}),
        **{key: value for key, value in options.items() if key not in ("setup", "python")},
    }
    lines = [f"#SBATCH --{key}" + (f"={shlex.quote(value)}" if value else "") for key, value in head.items()]
    setup = options.get("setup")
    trainer = f" --trainer {shlex.quote(shlex.join(place.options))}" if place.options else ""
    body = _BODY.format(
        folder=shlex.quote(str(folder)),
        root=shlex.quote(str(place.root.resolve())),
        setup=f"source {shlex.quote(str(Path(setup).resolve()))}" if setup else "",
        module=place.node.partition(":")[0],
        python=shlex.quote(options.get("python", sys.executable)),
        device=place.device,
        precision=place.precision,
        trainer=trainer,
    )
    return "\n".join(["#!/bin/bash", *lines]) + "\n" + body


def check_options(options: Mapping[str, str]) -> None:
    """Refuse what cannot stand in the script.

    Raises
    ------
    ConfigError
        Naming the option.
    """
    for key, value in options.items():
        if not _KEY.fullmatch(key) or any(ord(letter) < 32 for letter in value):
            raise ConfigError(
                f"slurm option {key}={value!r}: wanted a long option of sbatch and its value in one line.",
                hint="--option partition=gpu --option time=2:00:00 --option gres=gpu:1",
            )
        if key in OWN:
            raise ConfigError(f"slurm option {key!r}: the batch script sets it itself.")
    setup = options.get("setup")
    if setup is not None and not Path(setup).is_file():
        raise ConfigError(f"slurm option setup={setup}: no such file.")


def runs_text(groups: Sequence[Sequence[str]]) -> str:
    """Content of ``runs.txt``: one line per task."""
    return "".join(" ".join(group) + "\n" for group in groups)
