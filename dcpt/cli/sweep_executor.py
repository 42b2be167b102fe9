"""Options of sweeps, rounds and launches on where runs go, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dcpt.cli.show import hours
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.run.executor import ExecutorFactory

NAMES = {"ray": "Ray", "slurm": "Slurm"}
"""Executors that decide by themselves how many runs go on at a time."""

Executor = Annotated[
    Literal["local", "ray", "slurm"],
    typer.Option(help="Where runs go: this machine, or a cluster that shares the sweep's disk."),
]
ExecutorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="Of the executor, repeatable: any long option of sbatch; for ray address, num_gpus, num_cpus.",
    ),
]
PackOption = Annotated[
    str, typer.Option("--pack", help="Runs of one shape in one process: auto (on GPUs), off, or how many.")
]
CompileOption = Annotated[
    Literal["auto", "on", "off"], typer.Option("--compile", help="torch.compile for packs.")
]


def read_pack(text: str) -> Literal["auto", "off"] | int:
    """The value of ``--pack``.

    Raises
    ------
    ConfigError
        When it is neither auto, off nor a number from 1 on.
    """
    if text == "auto" or text == "off":
        return text  # type: ignore[return-value]
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"--pack: got {text!r}; wanted auto, off, or a number of runs from 1 on.")
    return int(text)


def ways(
    executor: str,
    options: Sequence[str] | None,
    pack: str,
    compiled: Literal["auto", "on", "off"],
    device: str,
    slots: int | None,
) -> dict[str, Any]:
    """Keyword arguments of `dcpt.sweep.run_sweep.run_sweep`."""
    from dcpt.run.choose import choose_executor
    from dcpt.run.packs import choose_packs

    made = choose_executor(executor, options or ())
    packs, trainer = choose_packs(read_pack(pack), device, slots, compiled)
    return {"executor": made, "pack": packs, "options": trainer}


def cluster_of(executor: str, options: Sequence[str] | None) -> ExecutorFactory | None:
    """What makes the executor of a cluster; None for this machine."""
    from dcpt.run.choose import choose_executor

    made = choose_executor(executor, options or ())
    return made if executor in NAMES else None


def time_line(cost: Any, slots: int | None, executor: str = "local") -> str:
    """How long the runs to do will take, as far as that can be said of the executor.

    A cluster's queue decides how many runs go on at a time: of that only a limit is known.

    Parameters
    ----------
    cost : Price
        Of the runs.
    slots : int, optional
        Runs at a time, where the user limits them.
    executor : str
        local, ray or slurm.
    """
    from dcpt.sweep.price import wall_hours

    if executor not in NAMES:
        low, likely, high = wall_hours(cost, slots)
        return f"on this machine about {hours(likely)} ({hours(low)} to {hours(high)})"
    low, likely, high = wall_hours(cost, slots, here=False)
    width = f"{slots} at a time" if slots else "one by one, and less the more of them it runs at a time"
    return (
        f"on {NAMES[executor]} about {hours(likely)} ({hours(low)} to {hours(high)}) {width}; "
        "what they wait in its queue is not counted"
    )
