"""One runner per folder, one builder per corpus: locks that the system releases when their holders die."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from dcpt.core.errors import ConfigError, DataError

RUNNER, WORKERS = "sweep.lock", "runs/workers.lock"

LEAVE_SECONDS = 180.0
"""How long a new runner waits for workers whose runner died. A worker looks for its parent before each
step; what lies between two steps at most is an evaluation and a checkpoint."""

_LOOK_SECONDS = 0.2


@contextmanager
def only_runner(root: Path | str, leave_seconds: float | None = None) -> Iterator[int]:
    """Hold the folder for one runner and its workers.

    The runner holds one lock. A second one is passed on to its workers, so that it is free only when the
    runner and every worker have ended: a worker that outlives a killed runner for a moment cannot write
    beside the workers of the next.

    Parameters
    ----------
    root : path
        Folder of the sweep.
    leave_seconds : float, optional
        How long to wait for the workers of a runner that died; by default `LEAVE_SECONDS`.

    Yields
    ------
    int
        File descriptor of the second lock, for the workers to inherit.

    Raises
    ------
    ConfigError
        When another runner holds the folder, or workers of a dead one do not leave.
    DataError
        When the folder cannot be written to.
    """
    root = Path(root)
    patience = LEAVE_SECONDS if leave_seconds is None else leave_seconds
    with ExitStack() as opened:
        try:
            (root / WORKERS).parent.mkdir(parents=True, exist_ok=True)
            runner = opened.enter_context(open(root / RUNNER, "a+", encoding="utf-8"))
            workers = opened.enter_context(open(root / WORKERS, "a+", encoding="utf-8"))
            _hold(root, runner)
            _wait_for(root, workers, patience)
        except OSError as error:
            raise DataError(f"{root}: cannot be locked: {error.strerror or error}.") from error
        yield workers.fileno()


@contextmanager
def one_at_a_time(path: Path | str) -> Iterator[None]:
    """Wait until no other process is inside the same block, which `path` stands for.

    Where the file cannot be made (a folder one may only read) there is nothing to guard, and no wait.
    """
    with ExitStack() as opened:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = opened.enter_context(open(path, "a", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            opened.close()
        yield


def _hold(root: Path, runner: TextIO) -> None:
    if not _take(runner):
        runner.seek(0)
        holder = runner.read().strip() or "unknown"
        raise ConfigError(
            f"{root}: another dcpt process (pid {holder}) is running this sweep.",
            hint="wait for it, or stop it; two runners on one folder would do the work twice",
        )
    runner.truncate(0)
    runner.write(str(os.getpid()))
    runner.flush()


def _wait_for(root: Path, workers: TextIO, patience: float) -> None:
    until = time.monotonic() + patience
    while not _take(workers):
        if time.monotonic() >= until:
            raise ConfigError(
                f"{root}: a worker of an earlier dcpt process is still at work after {patience:g} s.",
                hint=f"end it first: fuser {root / WORKERS} names it",
            )
        time.sleep(_LOOK_SECONDS)


def _take(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
