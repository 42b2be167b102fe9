"""The local executor: a supervisor over worker processes that survives the death of any of them."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.run import store
from dcpt.run.graph import parents_first
from dcpt.run.lock import only_runner
from dcpt.run.machine import count_cores, visible_gpus
from dcpt.run.stop_signals import stopping_like_ctrl_c
from dcpt.run.worker import Worker

MAX_ATTEMPTS = 3
"""Starts of a run within one command before it is left as failed."""

DIVERGED = "diverged"
"""First word of the reason of a run that diverged: the same spec diverges again."""

GRACE = 60.0
"""Seconds a worker gets to save its state when it is asked to stop."""

Listener = Callable[[dict[str, Any]], None]


@dataclass
class Outcome:
    """How a set of runs ended: run ids by status, and the reason of each that did not finish."""

    finished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    abandoned: dict[str, str] = field(default_factory=dict)


def execute(
    root: Path | str,
    specs: Sequence[RunSpec],
    work: Mapping[str, float],
    slots: int | None = None,
    device: str = "auto",
    listen: Listener | None = None,
    precision: str = "fp32",
) -> Outcome:
    """Bring a graph of runs to its end on this machine.

    Finished runs are skipped, and so are those that diverged; every other run is tried again. A run
    starts when the run it continues from has finished, the one with the most work behind it first.

    Parameters
    ----------
    root : path
        Folder of the sweep (or launch); runs lie in ``root/runs``.
    specs : sequence of RunSpec
        All runs, parents included.
    work : mapping
        Run id to its share of the work (any unit), for the order.
    slots : int, optional
        Runs at a time; by default one per GPU, else one per core.
    device : str
        auto, cpu or cuda.
    listen : callable, optional
        Called with every event of the workers.
    precision : str
        fp32 or bf16: number format of the forward pass.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError
        When another process runs this folder.
    DataError
        When the disk is full, or a run's folder is damaged; every run can be resumed.
    KeyboardInterrupt
        After the workers have saved their state, when Ctrl-C, SIGTERM or SIGHUP came.
    """
    root = Path(root)
    with only_runner(root) as hold, stopping_like_ctrl_c():
        supervisor = _Supervisor(
            root, specs, work, slots, (device, precision), listen or (lambda event: None), hold
        )
        try:
            supervisor.loop()
        except BaseException:
            supervisor.stop(GRACE)
            raise
        supervisor.stop(GRACE, ask=False)
        return supervisor.outcome


class _Supervisor:
    def __init__(
        self,
        root: Path,
        specs: Sequence[RunSpec],
        work: Mapping[str, float],
        slots: int | None,
        processor: tuple[str, str],
        listen: Listener,
        hold: int,
    ) -> None:
        self.root, self.listen, self.hold = root, listen, hold
        self.device, self.precision = processor
        self.specs = {spec.run_id: spec for spec in specs}
        self.outcome = Outcome()
        self.attempts: dict[str, int] = dict.fromkeys(self.specs, 0)
        self.waiting: set[str] = set()
        self.workers: list[Worker] = []
        self.gpus = visible_gpus() if self.device != "cpu" else ()
        self.slots = slots or (len(self.gpus) or count_cores())
        self.children: dict[str, list[str]] = {name: [] for name in self.specs}
        for name, spec in self.specs.items():
            if spec.start is not None and spec.start.run_id in self.specs:
                self.children[spec.start.run_id].append(name)
        self.path: dict[str, float] = {}
        order = parents_first(self.specs)
        for name in reversed(order):
            below = max((self.path[child] for child in self.children[name]), default=0.0)
            self.path[name] = work.get(name, 0.0) + below
        for name, spec in self.specs.items():
            self._look_at(name, store.write_spec(root, spec))
        for name in [name for name in reversed(order) if name in self.outcome.finished]:
            self._check_parent_of_open_runs(name)
        for name in list(self.outcome.abandoned):
            self._drop_children(name)

    def _look_at(self, name: str, folder: Path) -> None:
        record = RunRecord.load(folder)
        if record is not None and record.status == "finished":
            self.outcome.finished.append(name)
        elif record is not None and record.status == "abandoned" and record.reason.startswith(DIVERGED):
            self.outcome.abandoned[name] = record.reason
        else:
            # A run abandoned for what it found on the disk (a damaged journal, another corpus) gets a
            # new start with every command: what was wrong may have been put right.
            store.discard_record(folder)
            self.waiting.add(name)

    def _check_parent_of_open_runs(self, name: str) -> None:
        """A finished run whose checkpoints were deleted is trained again for the runs that need them."""
        folder = store.run_folder(self.root, name)
        needed = {
            start.step
            for child in self.children[name]
            if child in self.waiting and (start := self.specs[child].start) is not None
        }
        if all(store.has_checkpoint(folder, step) for step in needed):
            return
        store.discard_record(folder)
        store.remove_checkpoints(folder)
        self.outcome.finished.remove(name)
        self.waiting.add(name)

    def loop(self) -> None:
        while self.waiting or any(worker.run_id for worker in self.workers):
            self._assign()
            busy = [worker for worker in self.workers if worker.run_id]
            if not busy:
                break  # what waits depends on something that failed
            select.select([worker.output for worker in busy], [], [], 0.5)
            for worker in busy:
                # The exit is looked at before the pipe is read: what a dying worker said still counts.
                alive = worker.alive
                for event in worker.read_events():
                    self._take(worker, event)
                if not alive and worker.run_id is not None:
                    self._died(worker)
                if not alive:
                    self._dismiss(worker)

    def stop(self, grace: float, ask: bool = True) -> None:
        if ask:
            for worker in self.workers:
                worker.terminate()
        until = time.monotonic() + grace
        for worker in self.workers:
            worker.close(max(0.1, until - time.monotonic()))
        self.workers.clear()

    def _assign(self) -> None:
        finished = set(self.outcome.finished)
        ready = [
            name
            for name in self.waiting
            if (start := self.specs[name].start) is None
            or start.run_id in finished
            or start.run_id not in self.specs
        ]
        ready.sort(key=lambda name: (-self.path[name], name))
        for name in ready:
            while (worker := self._find_worker()) is not None:
                if worker.give(name, store.run_folder(self.root, name)):
                    self.waiting.discard(name)
                    self.attempts[name] += 1
                    break
                self._dismiss(worker)
            else:
                return

    def _find_worker(self) -> Worker | None:
        """An idle worker, a new one if there is a free slot, or None; those that died idle are replaced."""
        idle = [worker for worker in self.workers if worker.run_id is None]
        for worker in idle:
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
        worker = Worker(number, self.root / "runs" / "logs", self.device, gpu, self.hold, self.precision)
        self.workers.append(worker)
        return worker

    def _take(self, worker: Worker, event: dict[str, Any]) -> None:
        kind, name = event["event"], event.get("run_id", worker.run_id)
        worker.spoke = worker.spoke or event.get("run_id") == worker.run_id
        if kind == "finished" and name == worker.run_id:
            worker.run_id, worker.served = None, True
            self.outcome.finished.append(str(name))
        elif kind == "failed" and name == worker.run_id:
            self._failed(worker, str(event.get("reason", "unknown")), bool(event.get("retry", True)))
        self.listen(event)

    def _died(self, worker: Worker) -> None:
        name = worker.run_id
        assert name is not None
        record = RunRecord.load(store.run_folder(self.root, name))
        if record is not None and record.status == "finished":  # it died between the record and the event
            self._take(worker, {"event": "finished", "run_id": name})
        elif worker.served and not worker.spoke:  # it was on its way out: the run never began
            worker.run_id = None
            self.attempts[name] -= 1
            self.waiting.add(name)
        else:
            self._failed(worker, worker.cause_of_death())

    def _failed(self, worker: Worker, reason: str, retry: bool = True) -> None:
        name = worker.run_id
        assert name is not None
        worker.run_id = None
        if reason.startswith("disk full"):
            raise DataError(
                f"{self.root}: the disk is full ({name}: {reason}).",
                hint="free some space and run the same command again; nothing is lost",
            )
        if retry and self.attempts[name] < MAX_ATTEMPTS:
            self.waiting.add(name)
            self.listen({"event": "retry", "run_id": name, "reason": reason})
            return
        status: Literal["failed", "abandoned"] = "failed" if retry else "abandoned"
        folder = store.run_folder(self.root, name)
        attempts = max(self.attempts[name], store.count_starts(folder))
        record = RunRecord.load(folder) or RunRecord(name, status, reason)
        replace(record, attempts=max(attempts, record.attempts)).save(folder)
        (self.outcome.failed if retry else self.outcome.abandoned)[name] = reason
        self.listen({"event": status, "run_id": name, "reason": reason})
        self._drop_children(name)

    def _drop_children(self, name: str, cause: str | None = None) -> None:
        """Runs that would go on from `name` cannot; they stay open and run once it has finished."""
        for child in self.children[name]:
            if child in self.waiting:
                self.waiting.discard(child)
                self.outcome.failed[child] = f"waits for {cause or name}, which did not finish"
                self._drop_children(child, cause or name)
