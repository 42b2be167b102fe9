"""Bring a tracker up to what the runs' journals say, once or again and again."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, TextIO

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.run.sinks.journal_tail import JournalTail
from dcpt.run.sinks.sink import FOLDER, MirroredRun, Sink, Tracker

SCHEMA_VERSION = 1

NOTE_SECONDS = 1.0
"""Least time between two notes of how far the runs are."""


class Mirror:
    """The runs of a folder in one tracker.

    How far each run is mirrored is kept in ``runs/mirror/<tracker>.json``, so that a mirror stopped at any
    moment goes on without gaps. Killed between a tracker's taking some steps and that note, it gives it
    those steps once more, with the same values; TensorBoard drops the first of the two.

    A run that begins again from its start has its steps shown anew, with a point ``retry/shift`` at the first
    one. TensorBoard then takes back what the earlier attempt gave; in W&B and trackio, whose steps do not go
    back, the attempt is a run of its own, ``RUN-retry1``, and the first one keeps its curve up to the spike.

    Parameters
    ----------
    root : path
        Folder of the sweep (or launch); runs lie in ``root/runs``.
    tracker : Tracker
        Where to.
    project : str
        Name of the sweep there.

    Raises
    ------
    ConfigError
        When another process mirrors the folder to this tracker.
    DataError
        When the note of how far each run is mirrored is damaged, or cannot be written.
    """

    def __init__(self, root: Path, tracker: Tracker, project: str) -> None:
        self.root, self.tracker, self.project = root, tracker, project
        self.folder = root / FOLDER / tracker.name
        self.note = root / FOLDER / f"{tracker.name}.json"
        self.tails: dict[str, JournalTail] = {}
        self.open: OrderedDict[str, Sink] = OrderedDict()
        self.ended: set[str] = set()
        self._lock = self._take_lock()
        self.through, self.attempts = self._read_note()
        self._written = (dict(self.through), dict(self.attempts))
        self._noted = time.monotonic()

    def catch_up(self) -> int:
        """Hand the tracker every step that is whole by now.

        Returns
        -------
        int
            Steps handed over.

        Raises
        ------
        Exception
            Whatever the tracker raises; `drop` then lets go of the runs that are open in it.
        """
        count = 0
        for path in sorted((self.root / "runs").glob("*/spec.json")):
            name = path.parent.name
            if name not in self.ended:
                count += self._catch_up_run(name, path.parent)
        self._write_note()
        return count

    def drop(self) -> None:
        """Close what is open, whatever the tracker says to that, and forget what was not noted down."""
        for sink in self.open.values():
            with contextlib.suppress(Exception):
                sink.close()
        self.open.clear()
        self.tails.clear()
        self.ended.clear()

    def close(self) -> None:
        """Close what is open, and let another process mirror."""
        while self.open:
            self.open.popitem()[1].close()
        self._lock.close()

    def _catch_up_run(self, name: str, folder: Path) -> int:
        # Asked before the journal is read: what a run logs before its end is then seen.
        ended = (folder / "record.json").exists()
        through, attempt = self.through.get(name, -1), self.attempts.get(name, 0)
        tail = self.tails.setdefault(name, JournalTail(folder / "metrics.jsonl", through, attempt))
        count = last = 0
        for step, values in tail.read(ended):
            if tail.attempt != attempt:
                attempt = tail.attempt
                self.attempts[name], self.through[name] = attempt, -1
                if name in self.open:
                    self.open.pop(name).close()
            if name not in self.open:
                self._open(name, folder, tail)
            self.open[name].log(step, values)
            count, last = count + 1, step
        # What holds one run at a time would close it anyway, and has then written all of it.
        if ended or self.tracker.at_once == 1:
            sink = self.open.pop(name, None)
            if sink is not None:
                sink.close()
        if ended:
            self.ended.add(name)
            self.tails.pop(name)
        if count:
            # Of the attempt noted beside it: the journal may tell of the next one already.
            self.through[name] = last
            if time.monotonic() - self._noted > NOTE_SECONDS:
                self._write_note()
        return count

    def _open(self, name: str, folder: Path, tail: JournalTail) -> None:
        while len(self.open) >= self.tracker.at_once:
            self.open.popitem(last=False)[1].close()
        spec = files.read_json(folder / "spec.json", "a run spec", 1)
        sink = self.tracker.make(self.folder)
        through = self.through.get(name, -1)
        size = str(spec.get("size", ""))
        sink.open(MirroredRun(name, self.project, size, spec, through, tail.attempt, tail.reason))
        self.open[name] = sink

    def _read_note(self) -> tuple[dict[str, int], dict[str, int]]:
        """Last step of each run that was handed over, and the attempt it was of; absent for the first."""
        if not self.note.exists():
            return {}, {}
        document = files.read_json(self.note, "a note on mirrored runs", SCHEMA_VERSION)
        found: list[Any] = [document.get("runs"), document.get("attempts", {})]
        for part in found:
            if not isinstance(part, dict) or not all(type(number) is int for number in part.values()):
                raise DataError(f"{self.note}: is damaged.", hint="delete it, and the mirror beside it")
        return found[0], found[1]

    def _write_note(self) -> None:
        if (self.through, self.attempts) != self._written:
            document = {"schema_version": SCHEMA_VERSION, "runs": self.through, "attempts": self.attempts}
            files.write_json(self.note, document)
            self._written = (dict(self.through), dict(self.attempts))
        self._noted = time.monotonic()

    def _take_lock(self) -> TextIO:
        place = self.root / FOLDER / f"{self.tracker.name}.lock"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = open(place, "a", encoding="utf-8")  # noqa: SIM115 (held until `close`)
        except OSError as error:
            raise DataError(f"{place}: could not be opened: {error.strerror or error}.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise ConfigError(
                f"{self.root}: another process mirrors it to {self.tracker.name}.",
                hint="a sweep that runs with --mirror keeps its mirror up to date by itself",
            ) from None
        return file
