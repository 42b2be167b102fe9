"""The part of a cluster's executor that runs a full run: torchrun on its node, or by srun on several.

``python -m dcpt.launch.node ROOT RUN... --events FILE`` is what a batch job of
``dcpt launch --executor slurm`` starts, on the first of its machines.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from dcpt.core.errors import DcptError
from dcpt.launch.agent import Agent
from dcpt.launch.full_settings import FullSettings
from dcpt.run import store
from dcpt.run.executor import Executor, ExecutorFactory, Place
from dcpt.run.node import EXIT_STOPPED, Node

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Train full runs, as a batch job does.

    Returns
    -------
    int
        Exit status: 0 at the end of the runs; 75 when stopped, to be resumed.
    """
    parser = argparse.ArgumentParser(prog="python -m dcpt.launch.node", description="Train full runs.")
    parser.add_argument("root", type=Path, help="folder of the sweep")
    parser.add_argument("runs", nargs="+", help="run ids, trained one after another")
    parser.add_argument("--events", type=Path, required=True, help="file that events are appended to")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--trainer", default="", help="processes and machines, as one word")
    found = parser.parse_args(arguments)
    place = Place(found.root, None, found.device, found.precision, None, shlex.split(found.trainer))
    try:
        node = FullNode(place, found.events, f"{os.uname().nodename}-{os.getpid()}")
    except DcptError as error:
        print(error, file=sys.stderr)
        return error.exit_code

    def stop(number: int, frame: FrameType | None) -> None:
        node.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, stop)
    try:
        return 0 if node.train(found.runs) else EXIT_STOPPED
    finally:
        node.close()


if __name__ == "__main__":
    sys.exit(main())
