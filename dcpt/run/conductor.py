"""Bring a graph of runs to its end: order, attempts and outcome, whatever the executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.run import store
from dcpt.run.executor import Event, Executor
from dcpt.run.graph import RunGraph

MAX_ATTEMPTS = 3
"""Starts of a run within one command before it is left as failed."""

ALONE_AFTER = 2
"""Attempts after which a run is not packed with others any more."""

DIVERGED = "diverged"
"""First word of the reason of a run that diverged: the same spec diverges again."""

DISK_FULL = "disk full"
"""First words of the reason of a run that found no room for what it wanted to write."""

POLL_SECONDS = 0.5

REFUSED_SECONDS = 5.0
"""How long a run that somebody else holds is left alone before it is looked at again."""

Listener = Callable[[dict[str, Any]], None]

Pack = Callable[[Sequence[RunSpec]], Iterable[Sequence[RunSpec]]]
"""Groups of the runs that may start now, each for one process; their order is kept."""


@dataclass
class Outcome:
    """How a set of runs ended: run ids by status, and the reason of each that did not finish."""

    finished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    abandoned: dict[str, str] = field(default_factory=dict)


def one_each(ready: Sequence[RunSpec]) -> Iterable[Sequence[RunSpec]]:
    """Every run in a process of its own."""
    return ([spec] for spec in ready)


class Conductor:
    """Hands runs to an executor, parents first, and keeps account of how they end.

    Parameters
    ----------
    root : path
        Folder of the sweep.
    specs : sequence of RunSpec
        All runs, parents included.
    work : mapping
        Run id to its share of the work, for the order.
    executor : Executor
        Where they are trained.
    listen : callable
        Called with every event.
    pack : callable
        Groups the runs that are ready.
    """

    def __init__(
        self,
        root: Path,
        specs: Sequence[RunSpec],
        work: Mapping[str, float],
        executor: Executor,
        listen: Listener,
        pack: Pack = one_each,
    ) -> None:
        self.root, self.executor, self.listen, self.pack = root, executor, listen, pack
        self.graph = RunGraph(specs, work)
        self.outcome = Outcome()
        self.attempts: dict[str, int] = dict.fromkeys(self.graph.specs, 0)
        self.waiting: set[str] = set()
        self.away: set[str] = set()
        self.refused: dict[str, float] = {}
        here = set(executor.under_way())
        for name, spec in self.graph.specs.items():
            self._look_at(name, store.write_spec(root, spec), name in here)
        for name in [name for name in reversed(self.graph.order) if name in self.outcome.finished]:
            self._check_parent_of_open_runs(name)
        for name in list(self.outcome.abandoned):
            self._drop_children(name)

    def loop(self) -> Outcome:
        """Work until nothing is left that can be done."""
        while self.waiting or self.away:
            self._submit_ready()
            if not self.away and not self.refused:
                break  # what waits depends on something that failed
            for event in self.executor.poll(POLL_SECONDS):
                self._take(event)
        return self.outcome

    def _look_at(self, name: str, folder: Path, under_way: bool) -> None:
        record = RunRecord.load(folder)
        if record is not None and record.status == "finished":
            self.outcome.finished.append(name)
        elif record is not None and record.status == "abandoned" and record.reason.startswith(DIVERGED):
            self.outcome.abandoned[name] = record.reason
        elif under_way:
            self.away.add(name)
            self.attempts[name] = 1
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
            for child in self.graph.children[name]
            if child in self.waiting and (start := self.graph.specs[child].start) is not None
        }
        if all(store.has_checkpoint(folder, step) for step in needed):
            return
        store.discard_record(folder)
        store.remove_checkpoints(folder)
        self.outcome.finished.remove(name)
        self.waiting.add(name)

    def _submit_ready(self) -> None:
        if not self.waiting or self.executor.room <= 0:
            return
        now = time.monotonic()
        for name in [name for name, since in self.refused.items() if now - since >= REFUSED_SECONDS]:
            self._look_again(name)
        finished = set(self.outcome.finished)
        ready = self.graph.longest_first(
            name
            for name in self.waiting - self.refused.keys()
            if (parent := self.graph.parent(name)) is None or parent in finished
        )
        # What was lost twice goes alone: together its runs may be too much for the memory.
        alone = [[self.graph.specs[name]] for name in ready if self.attempts[name] >= ALONE_AFTER]
        groups = self.pack([self.graph.specs[name] for name in ready if self.attempts[name] < ALONE_AFTER])
        for group in (*alone, *groups):
            if self.executor.room <= 0:
                return
            names = [spec.run_id for spec in group]
            if not self.executor.submit(names):
                self.refused.update(dict.fromkeys(names, now))
                continue
            for name in names:
                self.waiting.discard(name)
                self.away.add(name)
                self.attempts[name] += 1

    def _look_again(self, name: str) -> None:
        """A run that somebody else held a moment ago: it may have finished there."""
        del self.refused[name]
        record = RunRecord.load(store.run_folder(self.root, name))
        if record is not None and record.status == "finished":
            self.waiting.discard(name)
            self.outcome.finished.append(name)
            self.listen({"event": "finished", "run_id": name})

    def _take(self, event: Event) -> None:
        kind, name = event["event"], str(event.get("run_id", ""))
        if name in self.away:
            if kind == "lost":
                self._lost(name, str(event["reason"]), bool(event["began"]))
                return
            if kind == "finished":
                self.away.discard(name)
                self.outcome.finished.append(name)
            elif kind == "failed":
                self._failed(name, str(event.get("reason", "unknown")), bool(event.get("retry", True)))
        if kind != "lost":
            self.listen(event)

    def _lost(self, name: str, reason: str, began: bool) -> None:
        record = RunRecord.load(store.run_folder(self.root, name))
        if record is not None and record.status == "finished":  # it died between the record and the event
            self._take({"event": "finished", "run_id": name})
        elif store.is_full(self.root):  # what died could not even say so
            self._failed(name, DISK_FULL)
        elif not began:  # the process was on its way out: no attempt was made
            self.away.discard(name)
            self.attempts[name] -= 1
            self.waiting.add(name)
        else:
            self._failed(name, reason)

    def _failed(self, name: str, reason: str, retry: bool = True) -> None:
        self.away.discard(name)
        if reason.startswith(DISK_FULL):
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
        for child in self.graph.children[name]:
            if child in self.waiting:
                self.waiting.discard(child)
                self.outcome.failed[child] = f"waits for {cause or name}, which did not finish"
                self._drop_children(child, cause or name)
