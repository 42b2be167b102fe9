"""The target's runs over several processes of this machine: torchrun, one run after another."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from dcpt.core.errors import DataError, RunError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.launch.agent import Agent
from dcpt.launch.full_settings import FullSettings
from dcpt.run import store
from dcpt.run.conductor import DISK_FULL, Listener
from dcpt.run.lock import only_runner

SHARDS = "shards"
"""Folder of sharded checkpoints in a run's folder, as the trainer names it."""


_STOPPING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class StoppedError(RunError):
    """The run was asked to stop by a signal; it is saved, and the same command goes on with it."""

    exit_code = 75


def begun_in_shards(root: Path, runs: Sequence[RunSpec]) -> bool:
    """Whether one of the runs has checkpoints that only the trainer of several processes reads."""
    return any(
        (store.run_folder(root, run.run_id) / SHARDS).is_dir()
        and store.status(store.run_folder(root, run.run_id)) != "finished"
        for run in runs
    )


def open_runs(root: Path, runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The runs that have not finished, parents first, laid out and ready to be started.

    A run that failed or was abandoned gets a new start. A finished parent whose checkpoint was deleted is
    trained again for the runs that need it.
    """
    waiting: list[RunSpec] = []
    for run in reversed(runs):
        folder = store.write_spec(root, run)
        record = RunRecord.load(folder)
        needed = {
            child.start.step
            for child in waiting
            if child.start is not None and child.start.run_id == run.run_id
        }
        if record is not None and record.status == "finished":
            if all(store.has_checkpoint(folder, step) for step in needed):
                continue
            store.remove_checkpoints(folder)
        store.discard_record(folder)
        waiting.append(run)
    return waiting[::-1]


def train_in_shards(root: Path, runs: Sequence[RunSpec], settings: FullSettings, listen: Listener) -> None:
    """Bring runs to their ends, each over all the processes.

    Parameters
    ----------
    root : Path
        Folder of the sweep.
    runs : sequence of RunSpec
        Parents before the runs that start from them.
    settings : FullSettings
        Of this machine.
    listen : callable
        Called with every event.

    Raises
    ------
    RunError
        When a run did not finish; the message says why.
    StoppedError
        When somebody asked the run's processes to stop.
    DataError
        When the disk is full.
    KeyboardInterrupt
        After the processes have saved their state.
    """
    with only_runner(root) as hold, _stopped_by_signals():
        for run in open_runs(root, runs):
            folder = store.run_folder(root, run.run_id)
            log = root / "runs" / "logs" / f"full-{run.run_id}.log"
            with Agent(settings.here(folder), log, hold) as agent:
                last: dict[str, Any] = {}
                for event in agent.events():
                    if event["event"] in ("finished", "failed", "stopped"):
                        last = event
                    listen(event)
            _judge(root, run, last, agent)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let what a batch system sends before it takes the machine away end the block with `StoppedError`."""

    def stop(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        raise StoppedError(f"launch: stopped by {name}; the same command goes on from the last step.")

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judge(root: Path, run: RunSpec, last: dict[str, Any], agent: Agent) -> None:
    record = RunRecord.load(store.run_folder(root, run.run_id))
    if record is not None and record.status == "finished":
        return
    if last.get("event") == "stopped":
        raise StoppedError(f"launch: run {run.run_id} was asked to stop and has saved its state.")
    reason = str(last.get("reason") or agent.last_words())
    if reason.startswith(DISK_FULL):
        raise DataError(
            f"{root}: the disk is full (run {run.run_id}).",
            hint="free some space and run the same command again; nothing is lost",
        )
    raise RunError(
        f"launch: run {run.run_id} did not finish: {reason.rstrip('.')}.", hint=f"its log is {agent.log}"
    )
