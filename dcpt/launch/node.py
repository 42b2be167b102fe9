"""The part of a cluster's executor that runs a full run: torchrun on its node, or by srun on several.

``python -m dcpt.launch.node ROOT RUN... --events FILE`` is what a batch job of
``dcpt launch --executor slurm`` starts, on the first of its machines.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dcpt.launch.agent import Agent
from dcpt.launch.full_settings import FullSettings
from dcpt.run import store
from dcpt.run.executor import Executor, ExecutorFactory, Place
from dcpt.run.node import Node, main

FULL_NODE = "dcpt.launch.node:FullNode"


def over_processes(made: ExecutorFactory, settings: FullSettings) -> ExecutorFactory:
    """The same executor, each of whose runs is spread over the processes of its job.

    Parameters
    ----------
    made : callable
        Makes an executor of a cluster.
    settings : FullSettings
        Machines and processes of each run.
    """
    words = ["--procs", str(settings.procs), "--nodes", str(settings.nodes)]
    words += ["--micro-batch", str(settings.micro_batch)] if settings.micro_batch is not None else []
    words += [f"--{name}" for name in ("recompute", "compile") if getattr(settings, name)]

    def make(place: Place) -> Executor:
        procs, nodes, options = settings.procs, settings.nodes, (*place.options, *words)
        return made(replace(place, node=FULL_NODE, procs=procs, nodes=nodes, options=options))

    return make


def settings_of(place: Place) -> FullSettings:
    """The settings that `over_processes` put into a place."""
    parser = argparse.ArgumentParser(prog="dcpt.launch.node")
    for name in ("--procs", "--nodes", "--micro-batch"):
        parser.add_argument(name, type=int, default=None if name == "--micro-batch" else 1)
    for name in ("--recompute", "--compile"):
        parser.add_argument(name, action="store_true")
    found = vars(parser.parse_args(place.options))
    return FullSettings(device=place.device, precision=place.precision, **found)


class FullNode(Node):
    """Trains one run after another, each over all processes of the job.

    Parameters
    ----------
    place, events, name
        As of `dcpt.run.node.Node`.
    """

    def __init__(self, place: Place, events: Path, name: str) -> None:
        super().__init__(place, events, name)
        self.settings = settings_of(place)

    def _work(self, runs: Sequence[str]) -> None:
        for name in runs:
            if not self.stopping:
                self._train_one(name)

    def _train_one(self, name: str) -> None:
        folder = store.run_folder(self.place.root, name)
        log = self.place.root / "runs" / "logs" / f"full-{name}.log"
        one = self.settings.nodes == 1
        command = self.settings.here(folder) if one else self.settings.across(folder, _meeting_point())
        with Agent(command, log, self.office.fileno(), one) as agent:
            for event in agent.events(lambda: self.stopping or not self._beat()):
                self._tell(event)
            if name in self.leases and not self._beat():
                agent.kill()  # another machine has its run: what it still writes would be written twice
        if not self.stopping and name in self.leases:
            reason = agent.last_words()
            self._tell({"event": "lost", "run_id": name, "reason": reason, "began": True})


def _meeting_point() -> str:
    """Name of this machine, the first of the job, and a port that is free on it."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"{socket.gethostname()}:{probe.getsockname()[1]}"


if __name__ == "__main__":
    sys.exit(main(kind=FullNode, program="dcpt.launch.node"))
