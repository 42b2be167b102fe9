"""The worker: runs come in as lines, events go out as lines."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch

from dcpt.core.errors import DcptError
from dcpt.core.run_record import RunRecord
from dcpt.train.failure import Failure, Stopped, explain
from dcpt.train.pack.worklist import Packing, train_list
from dcpt.train.processor import Processor
from dcpt.train.unit import run

EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: stopped on request, to be resumed."""

LOOK_SECONDS = 1.0
"""How often an idle worker looks whether its parent is alive."""

Emit = Callable[[dict[str, Any]], None]


class Watch:
    """Knows whether the process should stop: SIGTERM, SIGINT or SIGUSR1 came, or its parent died.

    Parameters
    ----------
    parent : int, optional
        Process id of the parent; None for a process that outlives its parent.
    above : int, optional
        A pidfd of the parent's parent, whose death counts as well.
    """

    def __init__(self, parent: int | None, above: int | None = None) -> None:
        self.parent, self.above = parent, above
        self.busy = False
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._take)

    def wish(self) -> Literal["save", "leave"] | None:
        """What the run in progress should do (see `dcpt.train.unit.run`).

        After the parent's death nothing is written: a new supervisor may already have given the run
        to another worker, which starts from the checkpoint of the last evaluation.
        """
        if self.orphaned:
            return "leave"
        return "save" if self.asked else None

    @property
    def orphaned(self) -> bool:
        """Whether the parent died, or the parent's parent."""
        if self.parent is not None and os.getppid() != self.parent:
            return True
        return self.above is not None and bool(select.select([self.above], [], [], 0.0)[0])

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.busy:
            raise SystemExit(EXIT_STOPPED)


def train_one(run_dir: Path, processor: Processor, emit: Emit, watch: Watch) -> bool:
    """Bring one run to its end and say how it went; a run that fails takes nothing else with it.

    Returns
    -------
    bool
        Whether it finished.

    Raises
    ------
    Stopped
        When the process should stop.
    """
    watch.busy = True
    try:
        record = run(run_dir, processor, emit, watch.wish)
        failure = None if record.status == "finished" else Failure(record.reason, record.status == "failed")
    except Stopped:
        raise
    except Exception as error:
        failure = explain(error)
        if not isinstance(error, DcptError):
            traceback.print_exc(file=sys.stderr)
        if not failure.retry:
            failure = _abandon(run_dir, failure)
    finally:
        watch.busy = False
        gc.collect()
        if processor.device.type == "cuda":
            torch.cuda.empty_cache()
    if failure is None:
        emit({"event": "finished", "run_id": run_dir.name})
        return True
    emit({"event": "failed", "run_id": run_dir.name, "reason": failure.reason, "retry": failure.retry})
    return False


def train_several(
    run_dirs: Sequence[Path], processor: Processor, emit: Emit, watch: Watch, packing: Packing
) -> None:
    """Bring several runs to their ends, together where they can be packed (see `train_list`).

    Raises
    ------
    Stopped
        When the process should stop.
    """

    def alone(run_dir: Path) -> None:
        train_one(run_dir, processor, emit, watch)
        watch.busy = True
        if watch.wish() is not None:
            raise Stopped("stopped between two runs")

    watch.busy = True
    try:
        train_list(run_dirs, processor, emit, watch.wish, packing, alone)
    finally:
        watch.busy = False


def serve(processor: Processor, emit: Emit, watch: Watch, packing: Packing | None = None) -> int:
    """Take runs from standard input, one after another or several to a line, until it ends.

    Returns
    -------
    int
        Exit status: 0 at the end of the input, 75 when stopped.
    """
    emit({"event": "ready"})
    try:
        for line in _lines(sys.stdin.fileno(), watch):
            try:
                message = json.loads(line)
                several = message["run_dirs"] if "run_dirs" in message else [message["run_dir"]]
                run_dirs = [Path(item).resolve() for item in several]
            except (ValueError, TypeError, KeyError) as error:
                reason = f"not a run: {line[:80]!r} ({type(error).__name__})"
                emit({"event": "failed", "run_id": "", "reason": reason, "retry": False})
                continue
            if len(run_dirs) == 1:
                train_one(run_dirs[0], processor, emit, watch)
            else:
                train_several(run_dirs, processor, emit, watch, packing or Packing())
            if watch.asked:
                return EXIT_STOPPED
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return EXIT_STOPPED
    return EXIT_STOPPED if watch.orphaned else 0


def _lines(handle: int, watch: Watch) -> Iterator[str]:
    rest = b""
    while not watch.orphaned:
        if not select.select([handle], [], [], LOOK_SECONDS)[0]:
            continue
        chunk = os.read(handle, 1 << 16)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode("utf-8", errors="replace")


def _abandon(run_dir: Path, failure: Failure) -> Failure:
    """Write the record of a run that cannot succeed; a full disk makes it one to try again."""
    if not run_dir.is_dir():
        return failure
    try:
        RunRecord(run_dir.name, "abandoned", failure.reason).save(run_dir)
    except DcptError as error:
        return explain(error)
    return failure
