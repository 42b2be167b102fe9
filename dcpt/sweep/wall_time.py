"""How long a sweep will take on a machine: its arithmetic, and all that takes time without any."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dcpt.core.run_spec import RunSpec
from dcpt.cost.hardware import Hardware, get_hardware
from dcpt.run.machine import count_cores, count_gpus
from dcpt.sweep.work import count_evaluations

COMMAND, WORKER = 3.0, 6.0
"""Processor seconds until the command has prepared its runs, and until a worker has loaded torch and
transformers. These and the constants below were measured on a server core at 66 GFLOP/s (fp32, torch 2):
loading by the processor time of the process, the others by the steps of Llama decoders of 2 and 4 layers."""

RUN = 0.5
"""Processor seconds of a run outside of its steps: building the network, reading and writing checkpoints."""

STEP, FORWARD = 4.3e-3, 1.2e-3
"""Processor seconds per layer of an optimizer step, and of a pass of an evaluation, beside arithmetic."""

LAYERS = 12
"""Layers of a network whose configuration does not say them: the smallest of the usual checkpoints."""

CPU = "cpu-core"
"""Hardware of a machine without a GPU."""

_BURST = 0.05
"""Processor seconds of looking how busy the machine is."""


@dataclass(frozen=True)
class Waiting:
    """A run to do.

    Attributes
    ----------
    run_id : str
        Its name.
    parent : str or None
        The run it starts from.
    flops : float
        Arithmetic of its steps and evaluations.
    overhead : float
        Processor seconds beside it, at likely speed.
    """

    run_id: str
    parent: str | None
    flops: float
    overhead: float

    @classmethod
    def of(cls, run: RunSpec, flops: float, layers: int | None, sets: int) -> Waiting:
        """What a run of a network of so many layers, measured on so many sets, will take."""
        steps = run.schedule.steps - run.first_step
        deep = LAYERS if layers is None else layers
        overhead = RUN + deep * (STEP * steps + FORWARD * sets * count_evaluations(run))
        return cls(run.run_id, None if run.start is None else run.start.run_id, flops, overhead)


def sweep_hours(
    runs: Sequence[Waiting], hardware: Hardware, slots: int | None = None, here: bool = True
) -> tuple[float, float, float]:
    """Wall hours of runs: shortest, likely, longest.

    The shortest takes the machine for idle and its speed for the best; the likely one and the longest take
    other work on it for lasting as it is now.

    Parameters
    ----------
    runs : sequence of Waiting
        The runs to do.
    hardware : Hardware
        What the FLOPs are turned into seconds with; on this machine without a GPU its cores are.
    slots : int, optional
        Runs at a time; by default one per GPU, else per core.
    here : bool
        Whether this machine trains them: else its load says nothing.
    """
    if not runs:
        return 0.0, 0.0, 0.0
    gpus = count_gpus() if here else 0
    width = max(1, min(slots or (gpus or count_cores() if here else 1), len(runs)))
    alone = crowd = 1.0
    if here and not gpus:
        hardware = get_hardware(CPU)
        alone = max(1.0, width / count_cores())
        crowd = alone + crowding() - 1
    low, likely, high = hardware.utilisation
    # On a GPU packs and larger steps hide most of the overhead, how much is not known: the longest has it.
    hidden = hardware.name != CPU
    found = []
    for utilisation, share, slow in ((high, 0.5, alone), (likely, 1.0, crowd), (low, 2.0, crowd)):
        part = 0.0 if hidden and share <= 1 else share
        seconds = {
            run.run_id: run.flops / (hardware.peak_flops * utilisation) + part * run.overhead for run in runs
        }
        start = (COMMAND + WORKER) * share
        found.append(slow * (start + makespan(runs, seconds, width)) / 3600)
    return found[0], found[1], found[2]


def makespan(runs: Sequence[Waiting], seconds: dict[str, float], width: int) -> float:
    """Seconds until all runs are done, `width` at a time, each after the one it starts from.

    Of the runs that can start the one with the longest way behind it goes first.
    """
    known = {run.run_id for run in runs}
    children: dict[str, list[str]] = {}
    ready: list[tuple[float, str]] = []
    way: dict[str, float] = {}
    for run in reversed(runs):  # parents stand before their children
        way[run.run_id] = seconds[run.run_id] + max(
            (way[child] for child in children.get(run.run_id, ())), default=0.0
        )
        if run.parent in known:
            children.setdefault(str(run.parent), []).append(run.run_id)
        else:
            heapq.heappush(ready, (-way[run.run_id], run.run_id))
    now, busy = 0.0, list[tuple[float, str]]()
    while ready or busy:
        while ready and len(busy) < width:
            _, name = heapq.heappop(ready)
            heapq.heappush(busy, (now + seconds[name], name))
        now, done = heapq.heappop(busy)
        for child in children.get(done, ()):
            heapq.heappush(ready, (-way[child], child))
    return now


def crowding() -> float:
    """How many times longer than its processor time a process takes now: 1 on a machine with a free core."""
    wall, used = time.perf_counter(), time.process_time()
    while time.process_time() - used < _BURST:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - wall) / (time.process_time() - used))
