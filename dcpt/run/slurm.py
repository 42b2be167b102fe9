"""The Slurm executor: ready runs go out as one array, their events come back by way of the shared disk."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.run.event_log import EventReader
from dcpt.run.executor import ENDS, Event, Place
from dcpt.run.slurm_script import batch_script, check_options, runs_text

QUEUE_SECONDS = 5.0
"""Between two calls of squeue."""

SETTLE_SECONDS = 15.0
"""How long a task may be gone from the queue before its runs are lost: what it wrote last may still be on
its way over a network disk (the attribute cache of NFS keeps up to 60 s for folders, 3 s for new files)."""

COMMAND_SECONDS = 60.0

ARRAY_TASKS = 500
"""Tasks of an array at most; Slurm's MaxArraySize is 1001 where nobody has set it."""

_NO_CLUSTER = ("configuration source", "fetch config", "slurm.conf")
"""What Slurm's commands say where they are installed and no cluster is."""

_OTHERS = "run dcpt on a machine that jobs are submitted from, or take --executor local or ray"

_AWAY = ("contact slurm controller", "timed out", "temporarily", "connection refused", "socket")


@dataclass
class _Task:
    """One task of an array: the runs it was given that have not ended, and its events."""

    batch: int
    index: int
    runs: list[str]
    reader: EventReader
    log: Path
    gone: float | None = None


class SlurmExecutor:
    """Sends runs to a Slurm cluster that shares the sweep's disk.

    Jobs are looked up with squeue, which needs no accounting. They outlive this process: the next runner
    finds them by their name and takes them over.

    Parameters
    ----------
    place : Place
        ``slots`` limits the tasks in the queue; by default Slurm gets all that is ready.
    options : mapping
        See `dcpt.run.slurm_script.batch_script`.

    Raises
    ------
    ConfigError
        When Slurm's commands are absent, or an option cannot stand in the script.
    """

    def __init__(self, place: Place, options: Mapping[str, str] | None = None) -> None:
        self.place, self.options = place, dict(options or {})
        check_options(self.options)
        for command in ("sbatch", "squeue", "scancel"):
            if shutil.which(command) is None:
                raise ConfigError(
                    f"executor slurm: {command} is not on this machine.",
                    hint=_OTHERS,
                )
        self.folder = place.root.resolve() / "slurm"
        self.name = f"dcpt-{files.content_hash(str(place.root.resolve()), 8)}"
        self.tasks: list[_Task] = []
        self.new: list[list[str]] = []
        self._asked = 0.0
        self._queue: set[tuple[int, int]] = set()
        for batch, index in sorted(self._look() or ()):
            folder = self._batch(batch)
            lines = (folder / "runs.txt").read_text(encoding="utf-8").splitlines()
            self._follow(batch, index, lines[index].split())

    @property
    def room(self) -> int:
        """Free slots; without a limit, any number."""
        slots = self.place.slots
        return 1 << 30 if slots is None else slots - len(self.tasks) - len(self.new)

    def under_way(self) -> Collection[str]:
        """Runs of tasks that an earlier runner submitted and that Slurm still has."""
        return [name for task in self.tasks for name in task.runs]

    def submit(self, runs: Sequence[str]) -> bool:
        """Take a group; it is sent with the others at the next poll."""
        self.new.append(list(runs))
        return True

    def poll(self, seconds: float) -> list[Event]:
        """Send what is new, read events, and look for tasks that are gone."""
        self._send()
        until = time.monotonic() + seconds
        while not (events := self._read()) and time.monotonic() < until:
            time.sleep(min(0.2, seconds))
        now = time.monotonic()
        if now - self._asked >= QUEUE_SECONDS:
            self._asked = now
            events += self._find_lost()
        return events

    def cancel(self, grace: float) -> None:
        """``scancel``, then wait until Slurm has ended the tasks."""
        self.new.clear()
        until = time.monotonic() + grace
        while self._look(whole=True) and time.monotonic() < until:
            jobs = sorted(self._jobs)
            _call(["scancel", *jobs])
            time.sleep(min(1.0, grace))

    def close(self) -> None:
        """Nothing: a task ends with its runs."""

    def _batch(self, number: int) -> Path:
        return self.folder / f"{number:06d}"

    def _follow(self, batch: int, index: int, runs: Sequence[str]) -> None:
        folder = self._batch(batch)
        reader = EventReader(folder / "events" / f"{index}.jsonl")
        self.tasks.append(_Task(batch, index, list(runs), reader, folder / f"{index}.log"))

    def _send(self) -> None:
        while self.new:
            groups = self.new[:ARRAY_TASKS]
            known = [int(path.name) for path in self.folder.glob("[0-9]*")]
            number = max(known, default=0) + 1
            folder = self._batch(number)
            script = folder / "job.sh"
            name = f"{self.name}-{number:06d}"
            files.write_text(folder / "runs.txt", runs_text(groups))
            (folder / "events").mkdir(exist_ok=True)
            files.write_text(script, batch_script(name, folder, len(groups), self.place, self.options))
            done = _call(["sbatch", "--parsable", str(script)])
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                words = (done.stderr or done.stdout).strip()
                if any(part in words.lower() for part in _AWAY):
                    return  # it will be asked again
                if any(part in words.lower() for part in _NO_CLUSTER):
                    last = words.splitlines()[-1].removeprefix("sbatch: ").strip()
                    raise ConfigError(
                        "executor slurm: this machine belongs to no Slurm cluster; sbatch is installed and "
                        f"finds no configuration ({last}).",
                        hint=_OTHERS,
                    )
                said = "; ".join(line.removeprefix("sbatch: error: ").strip() for line in words.splitlines())
                raise ConfigError(
                    f"sbatch refused {self.name}: {said}",
                    hint="--option partition=gpu sets an option of sbatch; any long one can be set",
                )
            del self.new[: len(groups)]
            self._asked = time.monotonic()
            for index, runs in enumerate(groups):
                self._follow(number, index, runs)

    def _read(self) -> list[Event]:
        events: list[Event] = []
        for task in self.tasks:
            for event in task.reader.read():
                name = event.get("run_id")
                if event["event"] in ENDS:
                    if name not in task.runs:
                        continue
                    task.runs.remove(str(name))
                events.append(event)
        self.tasks = [task for task in self.tasks if task.runs]
        return events

    def _find_lost(self) -> list[Event]:
        queue = self._look()
        if queue is None:
            return []  # Slurm does not answer; what it runs goes on
        now = time.monotonic()
        events: list[Event] = []
        for task in self.tasks:
            if (task.batch, task.index) in queue:
                task.gone = None
            elif task.gone is None:
                task.gone = now
            elif now - task.gone >= SETTLE_SECONDS:
                reason = f"Slurm ended task {task.index} of batch {task.batch}: {_last_line(task.log)}"
                for name in task.runs:
                    events.append({"event": "lost", "run_id": name, "reason": reason, "began": True})
                task.runs = []
        self.tasks = [task for task in self.tasks if task.runs]
        return events

    def _look(self, whole: bool = False) -> set[tuple[int, int]] | None:
        """Batch and index of the sweep's tasks in the queue; None when Slurm does not answer.

        A task that is on its way out is left out unless `whole`.
        """
        done = _call(
            ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%F|%K|%T|%j"]
        )
        if done.returncode:
            return None
        found: set[tuple[int, int]] = set()
        self._jobs: set[str] = set()
        for line in done.stdout.splitlines():
            job, index, state, name = line.strip().split("|", 3)
            batch = name.removeprefix(f"{self.name}-")
            if batch == name or not (batch.isdecimal() and index.isdecimal()):
                continue
            if whole or state not in ("COMPLETING", "COMPLETED", "CANCELLED", "FAILED"):
                found.add((int(batch), int(index)))
                self._jobs.add(job)
        return found


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(list(command), capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(list(command), 1, "", f"{command[0]} timed out")
    except OSError as error:
        raise DataError(f"{command[0]} could not be started: {error.strerror or error}.") from error


def _last_line(log: Path) -> str:
    try:
        lines = log.read_bytes()[-4096:].decode("utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][:300] if lines else "it left no word"
