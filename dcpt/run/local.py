"""The local executor: worker processes of this machine, replaced when they die."""

from __future__ import annotations

import select
import time
from collections.abc import Collection, Sequence

from dcpt.run import store
from dcpt.run.executor import ENDS, Event, Place
from dcpt.run.lease import Lease, LeaseOffice
from dcpt.run.machine import count_cores, visible_gpus
from dcpt.run.worker import Worker

CLOSE_SECONDS = 60.0
"""How long an idle worker gets to end once its input is closed."""


class LocalExecutor:
    """Long-lived workers, one per GPU or core, that take one run after another.

    Parameters
    ----------
    place : Place
        ``slots`` is the number of workers; by default one per GPU, else one per core.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.workers: list[Worker] = []
        self.gpus = visible_gpus() if place.device != "cpu" else ()
        self.slots = place.slots or (len(self.gpus) or count_cores())
        self.office = LeaseOffice(place.root)
        self.leases: dict[str, Lease] = {}

    @property
    def room(self) -> int:
        """Workers that are idle or not yet there."""
        return self.slots - sum(bool(worker.runs) for worker in self.workers)

    def under_way(self) -> Collection[str]:
        """Nothing: the workers of an earlier runner have ended before this one begins."""
        return ()

    def submit(self, runs: Sequence[str]) -> bool:
        """Give runs to an idle worker, a new one if there is none; False while one is held elsewhere."""
        folders = [store.run_folder(self.place.root, name) for name in runs]
        for name, folder in zip(runs, folders, strict=True):
            lease = self.office.take(folder)
            if lease is None:
                break
            self.leases[name] = lease
        else:
            while (worker := self._find_worker()) is not None:
                if worker.give(runs, folders):
                    return True
                self._dismiss(worker)
        for name in runs:
            self._let_go(name)
        return False

    def poll(self, seconds: float) -> list[Event]:
        """Events of all workers; a run whose worker has died is lost."""
        busy = [worker for worker in self.workers if worker.runs]
        if not busy:
            time.sleep(seconds)
        events: list[Event] = []
        select.select([worker.output for worker in busy], [], [], seconds if busy else 0.0)
        for worker in busy:
            # The exit is looked at before the pipe is read: what a dying worker said still counts.
            alive = worker.alive
            events += worker.read_events()
            if alive and not self._keeps(worker):
                worker.kill()  # another machine has its run: what it still writes would be written twice
            if not alive:
                began = not worker.served or worker.spoke
                reason = worker.cause_of_death() if worker.runs else ""
                for name in worker.runs:
                    events.append({"event": "lost", "run_id": name, "reason": reason, "began": began})
                self._dismiss(worker)
        for event in events:
            if event["event"] in ENDS:
                self._let_go(str(event.get("run_id")), event["event"] == "finished")
        return events

    def cancel(self, grace: float) -> None:
        """Ask the workers to save and stop."""
        for worker in self.workers:
            worker.terminate()
        self._end(grace)

    def close(self) -> None:
        """Let the idle workers end."""
        self._end(CLOSE_SECONDS)

    def _end(self, grace: float) -> None:
        until = time.monotonic() + grace
        for worker in self.workers:
            worker.close(max(0.1, until - time.monotonic()))
        self.workers.clear()
        for name in list(self.leases):
            self._let_go(name)
        self.office.close()

    def _keeps(self, worker: Worker) -> bool:
        return all(self.leases[name].beat() for name in worker.runs)

    def _let_go(self, name: str, over: bool = False) -> None:
        if (lease := self.leases.pop(name, None)) is not None:
            lease.release(over)

    def _find_worker(self) -> Worker | None:
        """An idle worker, a new one if there is a free slot, or None; those that died idle are replaced."""
        for worker in [worker for worker in self.workers if not worker.runs]:
            if worker.alive:
                return worker
            self._dismiss(worker)
        return self._hire() if len(self.workers) < self.slots else None

    def _dismiss(self, worker: Worker) -> None:
        worker.close(1.0)
        self.workers.remove(worker)

    def _hire(self) -> Worker:
        taken = {worker.number for worker in self.workers}
        number = next(index for index in range(len(taken) + 1) if index not in taken)
        gpu = None
        if self.gpus:
            load = {name: sum(worker.gpu == name for worker in self.workers) for name in self.gpus}
            gpu = min(self.gpus, key=lambda name: load[name])
        place = self.place
        worker = Worker(
            number,
            place.root / "runs" / "logs",
            place.device,
            gpu,
            [self.office.fileno(), *([] if place.hold is None else [place.hold])],
            place.precision,
            place.options,
        )
        self.workers.append(worker)
        return worker
