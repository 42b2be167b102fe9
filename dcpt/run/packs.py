"""Which of the runs that are ready go to one process together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dcpt.core.errors import ConfigError
from dcpt.core.pack_key import pack_key
from dcpt.core.run_spec import RunSpec
from dcpt.run.conductor import Pack, one_each
from dcpt.run.machine import visible_gpus

Wish = Literal["auto", "off"] | int


def choose_packs(
    wish: Wish,
    device: str = "auto",
    slots: int | None = None,
    compiled: Literal["auto", "on", "off"] = "auto",
) -> tuple[Pack, tuple[str, ...]]:
    """How ready runs are grouped, and what the trainer is told of it.

    Parameters
    ----------
    wish : "auto", "off" or int
        ``auto`` packs on GPUs and leaves CPUs alone, where processes are faster; a number packs on any
        device, at most so many runs together.
    device : str
        Of the trainer: auto, cpu or cuda.
    slots : int, optional
        Processes at a time; by default one per GPU of this machine.
    compiled : {"auto", "on", "off"}
        Whether packs are compiled (see `dcpt.train.pack.worklist.Packing`).

    Returns
    -------
    pack : callable
        For `dcpt.run.execute.execute`.
    options : tuple of str
        Options of ``python -m dcpt.train serve``.

    Raises
    ------
    ConfigError
        When a number is below 1.
    """
    if isinstance(wish, int) and wish < 1:
        raise ConfigError(f"--pack: got {wish}; wanted auto, off, or a number of runs from 1 on.")
    gpus = len(visible_gpus()) if device != "cpu" else 0
    on_gpu = device.startswith("cuda") or gpus > 0
    if wish in ("off", 1) or (wish == "auto" and not on_gpu):
        return one_each, ()
    processes = slots or max(1, gpus)
    most = wish if isinstance(wish, int) else None

    def pack(ready: Sequence[RunSpec]) -> list[list[RunSpec]]:
        return together(ready, processes, most)

    return pack, ("--pack", str(wish), "--compile", compiled)


def together(ready: Sequence[RunSpec], processes: int, most: int | None = None) -> list[list[RunSpec]]:
    """Runs of one key together, those of each key spread evenly over the processes.

    Parameters
    ----------
    ready : sequence of RunSpec
        In the order they are to be begun; a group stands where its first run stood.
    processes : int
        Processes that take groups.
    most : int, optional
        Runs of a group; by default the process finds out itself how many of its runs go together.
    """
    by_key: dict[str, list[RunSpec]] = {}
    for spec in ready:
        by_key.setdefault(pack_key(spec) or f"alone {spec.run_id}", []).append(spec)
    groups: list[list[RunSpec]] = []
    for runs in by_key.values():
        count = min(len(runs), max(processes, -(-len(runs) // most) if most else 1))
        groups += [runs[index::count] for index in range(count)]
    place = {spec.run_id: number for number, spec in enumerate(ready)}
    return sorted(groups, key=lambda group: place[group[0].run_id])
