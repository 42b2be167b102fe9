"""Options of ``dcpt sweep run`` on where runs go, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from dcpt.core.errors import ConfigError

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
