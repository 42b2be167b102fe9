"""The part of a cluster's executor that runs on a node: it holds the runs' leases and keeps one worker."""

from __future__ import annotations

import argparse
import os
import select
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from dcpt.core.errors import DcptError
from dcpt.core.run_record import RunRecord
from dcpt.run import store
from dcpt.run.event_log import EventWriter
from dcpt.run.executor import ENDS, Event, Place
from dcpt.run.lease import Lease, LeaseOffice
from dcpt.run.worker import Worker

EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: stopped on request, to be resumed."""

HELD_SECONDS = 5.0
"""Between two looks at a run that somebody else holds."""

LOOK_SECONDS = 0.5


class Node:
    """Trains one group of runs after another, with one worker that stays.

    Parameters
    ----------
    place : Place
        Where and how; ``slots`` plays no part.
    events : path
        File that its events are appended to.
    name : str
        Name of the worker's log.
    """

    def __init__(self, place: Place, events: Path, name: str) -> None:
        self.place, self.name = place, name
        self.events = EventWriter(events)
        self.office = LeaseOffice(place.root)
        self.leases: dict[str, Lease] = {}
        self.worker: Worker | None = None
        self.stopping = False

    def train(self, runs: Sequence[str]) -> bool:
        """Bring a group of runs to its end, or to its last checkpoint when asked to stop.

        Returns
        -------
        bool
            Whether it came to its end, whatever that is for each run.
        """
        try:
            mine = [name for name in runs if self._hold(name)]
            if mine and not self.stopping:
                self._work(mine)
        except DcptError as error:
            full = "No space left" in error.message or "quota" in error.message
            for name in runs:
                reason = "disk full" if full else error.message
                self._tell({"event": "failed", "run_id": name, "reason": reason, "retry": True})
        finally:
            for name in list(self.leases):
                self._let_go(name)
        return not self.stopping

    def stop(self) -> None:
        """Let the worker save and end; safe in a signal handler and from another thread."""
        self.stopping = True
        if self.worker is not None:
            self.worker.terminate()

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close(LOOK_SECONDS)
        self.office.close()

    def _hold(self, name: str) -> bool:
        """Take a run's lease, waiting for who has it; False when the run has finished meanwhile."""
        folder = store.run_folder(self.place.root, name)
        while not self.stopping:
            lease = self.office.take(folder)
            record = RunRecord.load(folder)
            if record is not None and record.status == "finished":
                if lease is not None:
                    lease.release(over=True)
                self._tell({"event": "finished", "run_id": name})
                return False
            if lease is not None:
                self.leases[name] = lease
                return True
            until = time.monotonic() + HELD_SECONDS
            while not self.stopping and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
                self._beat()
        return False

    def _work(self, runs: Sequence[str]) -> None:
        folders = [store.run_folder(self.place.root, name) for name in runs]
        while self.worker is None or not self.worker.give(runs, folders):
            self._hire()
        worker = self.worker
        if self.stopping:
            worker.terminate()
        while worker.runs:
            select.select([worker.output], [], [], LOOK_SECONDS)
            alive = worker.alive
            for event in worker.read_events():
                self._tell(event)
            if alive and not self._beat():
                worker.kill()
            if not alive:
                break
        if not self.stopping:
            for name in worker.runs:
                began = not worker.served or worker.spoke
                reason = worker.cause_of_death()
                self._tell({"event": "lost", "run_id": name, "reason": reason, "began": began})
        if not worker.alive:
            worker.close(LOOK_SECONDS)
            self.worker = None

    def _hire(self) -> None:
        if self.worker is not None:
            self.worker.close(LOOK_SECONDS)
        place = self.place
        hold = [self.office.fileno()]
        logs = place.root / "runs" / "logs"
        self.worker = Worker(self.name, logs, place.device, None, hold, place.precision, place.options)

    def _beat(self) -> bool:
        return all([lease.beat() for lease in self.leases.values()])

    def _tell(self, event: Event) -> None:
        # The run is free before anyone hears of its end, who may give it to another.
        if event["event"] in ENDS:
            self._let_go(str(event.get("run_id")), event["event"] == "finished")
        self.events.write(event)

    def _let_go(self, name: str, over: bool = False) -> None:
        if (lease := self.leases.pop(name, None)) is not None:
            lease.release(over)


def main(
    arguments: Sequence[str] | None = None, kind: type[Node] = Node, program: str = "dcpt.run.node"
) -> int:
    """Train one group of runs, as a batch job does.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.
    kind : type
        What trains them: `Node`, or another one that ``program`` is for.
    program : str
        Module that was started.

    Returns
    -------
    int
        Exit status: 0 at the end of the runs; 75 when stopped, to be resumed.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description="Train runs of a sweep that lie on this machine's disk."
    )
    parser.add_argument("root", type=Path, help="folder of the sweep")
    parser.add_argument("runs", nargs="+", help="run ids; a node says whether together or one by one")
    parser.add_argument("--events", type=Path, required=True, help="file that events are appended to")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--trainer", default="", help="more options of the trainer, as one word")
    options = parser.parse_args(arguments)
    place = Place(options.root, None, options.device, options.precision, None, shlex.split(options.trainer))
    try:
        node = kind(place, options.events, f"{os.uname().nodename}-{os.getpid()}")
    except DcptError as error:
        print(error, file=sys.stderr)
        return error.exit_code

    def stop(number: int, frame: FrameType | None) -> None:
        node.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, stop)
    try:
        return 0 if node.train(options.runs) else EXIT_STOPPED
    finally:
        node.close()


if __name__ == "__main__":
    sys.exit(main())
