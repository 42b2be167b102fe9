"""What every place for runs can do: take some, say what becomes of them, stop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Event = dict[str, Any]
"""``event``, the ``run_id`` it is about, and what belongs to it.

==========  ======================================================================================
started     ``step``, ``steps``: the trainer begins or goes on with the run
progress    ``step``, ``steps``, ``loss``, ``tokens_per_second``
finished    its record is written
failed      ``reason``, ``retry``: the trainer gave up; retry says whether another attempt may help
lost        ``reason``, ``began``: the process is gone; began says whether it had come to the run
==========  ======================================================================================

After one of the last three the executor has nothing to do with the run any more.
"""

ENDS = ("finished", "failed", "lost")


class Executor(Protocol):
    """A place for runs: this machine, a Ray cluster, a Slurm cluster.

    An executor knows no graph, counts no attempts and judges no failure: it brings runs whose parents
    have finished to some process, and says what it hears of them. The conductor above it does the rest.
    """

    @property
    def room(self) -> int:
        """How many more groups of runs it takes now; a cluster's own queue may take all there are."""

    def under_way(self) -> Collection[str]:
        """Runs that an earlier runner of this sweep gave to it and that it is still at."""

    def submit(self, runs: Sequence[str]) -> bool:
        """Take a group of runs, to be trained in one process; False while somebody else holds one."""

    def poll(self, seconds: float) -> list[Event]:
        """What has happened since the last call; waits up to `seconds` when nothing has."""

    def cancel(self, grace: float) -> None:
        """Let every run save its state and stop; kill what is there after `grace` seconds."""

    def close(self) -> None:
        """Let go of everything once nothing is under way."""


@dataclass(frozen=True)
class Place:
    """Where and how an executor trains.

    Attributes
    ----------
    root : path
        Folder of the sweep; runs lie in ``root/runs``.
    slots : int, optional
        Runs (or packs of runs) at a time; None leaves it to the executor.
    device, precision : str
        Of the trainer: auto, cpu or cuda; fp32 or bf16.
    hold : int, optional
        File descriptor of the lock that every process of this machine that may write a run keeps.
    options : sequence of str
        More options of the trainer's command line.
    node : str
        Module and class that trains on a node of a cluster: a `dcpt.run.node.Node`, whose module is a program
        with the same command line.
    procs, nodes : int
        Processes per machine, and machines, that one group of runs takes.
    """

    root: Path
    slots: int | None = None
    device: str = "auto"
    precision: str = "fp32"
    hold: int | None = None
    options: Sequence[str] = ()
    node: str = "dcpt.run.node:Node"
    procs: int = 1
    nodes: int = 1


ExecutorFactory = Callable[[Place], Executor]
