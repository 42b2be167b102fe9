"""Checkpoints in shards, written beside the training: a folder per step that is whole or absent.

Each process writes its own part, so a checkpoint costs no gathering; another number of processes reads it
(`torch.distributed.checkpoint` cuts the shards anew). ``state.json`` is that of `dcpt.train.checkpoint`: a
folder gets its name when every file in it is written, counted and hashed.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import nn

from dcpt.core.errors import DataError
from dcpt.train.checkpoint import Progress, list_steps_in, read_progress, write_state
from dcpt.train.full.group import Group
from dcpt.train.full.plain_reader import PlainReader
from dcpt.train.full.state import flat_state, prepare_optimizer

FOLDER = "shards"
"""Folder in a run's folder; beside ``checkpoints``, whose folders a single process reads."""

# One entry with all tensors in it: the writer takes note of every entry at length.
_STATE = "state"

KEPT = 2
"""Checkpoints of a running run: the newest, and the one before should the newest be damaged."""


def shard_folder(run_dir: Path, step: int) -> Path:
    """Folder of a run's sharded checkpoint after `step` steps."""
    return run_dir / FOLDER / f"step-{step:08d}"


def newest_whole(run_dir: Path) -> Progress | None:
    """The latest checkpoint that is as it was written; for one process: what is damaged is removed."""
    folder = run_dir / FOLDER
    for path in folder.glob(".step-*") if folder.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)
    for step in reversed(list_steps_in(folder)):
        try:
            return read_progress(shard_folder(run_dir, step))
        except DataError:
            shutil.rmtree(shard_folder(run_dir, step), ignore_errors=True)
    return None


def load_shards(
    folder: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    group: Group,
    extra: tuple[str, ...] = (),
) -> None:
    """Read a checkpoint into a network in shards, however many processes wrote it.

    Parameters
    ----------
    folder : Path
        A whole checkpoint.
    network, optimizer
        Sharded; changed in place.
    group : Group
        The processes.
    extra : tuple of str
        Entries of the optimizer's state beside those of AdamW.

    Raises
    ------
    DataError
        When it holds another network or optimizer.
    """
    prepare_optimizer(network, optimizer, extra)
    reader = PlainReader(folder)
    reader.read_metadata()  # the loader would wrap what is wrong with it
    try:
        with torch.no_grad():
            dcp.load(
                {_STATE: flat_state(network, optimizer)}, storage_reader=reader, process_group=group.saving
            )
    except (dcp.api.CheckpointException, RuntimeError, ValueError, KeyError, OSError) as error:
        raise DataError(
            f"{folder}: does not fit the run's network ({' '.join(str(error).split())[:300]})."
        ) from error


class Saver:
    """Writes checkpoints of one run while it trains on.

    Parameters
    ----------
    run_dir : Path
        Folder of the run, on a disk that every process sees.
    group : Group
        The processes.
    commit : callable, optional
        Called with the step in the process that writes the state, before the folder gets its name; a test
        may fail there.
    """

    def __init__(
        self, run_dir: Path, group: Group, commit: Callable[[int], None] = lambda step: None
    ) -> None:
        self.run_dir, self.group, self.before_commit = run_dir, group, commit
        self.pool = ThreadPoolExecutor(1)
        self.pending: Future[Any] | None = None
        self.saved: int | None = None

    def save(self, progress: Progress, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Copy the shards and go on; they are written in the background, after those of the last call.

        Raises
        ------
        DataError
            When the disk is full, or the last checkpoint could not be written.
        """
        self.wait()
        state = flat_state(network, optimizer)
        target = shard_folder(self.run_dir, progress.step)
        temporary = target.with_name(f".{target.name}")
        self._check_room(state)
        if self.group.first:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self.group.wait()
        writer = dcp.FileSystemWriter(temporary)
        written = dcp.async_save({_STATE: state}, storage_writer=writer, process_group=self.group.saving)
        self.pending = self.pool.submit(self._finish, written, temporary, target, progress)
        self.saved = progress.step

    def wait(self) -> None:
        """Wait until the last checkpoint has its name.

        Raises
        ------
        DataError
            When it could not be written.
        """
        if self.pending is None:
            return
        pending, self.pending = self.pending, None
        try:
            pending.result()
        except (dcp.api.CheckpointException, RuntimeError, OSError) as error:
            raise DataError(
                f"{self.run_dir / FOLDER}: a checkpoint could not be written ({error})."
            ) from error
        # The others learn from the first that the folder has its name.
        self.group.wait()

    def close(self) -> None:
        """End the thread; what it is at is finished first."""
        self.pool.shutdown(wait=True)

    def _finish(self, written: Any, temporary: Path, target: Path, progress: Progress) -> None:
        (getattr(written, "upload_completion", None) or written).result()
        if not self.group.first:
            return
        self.before_commit(progress.step)
        write_state(temporary, progress)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
        for step in list_steps_in(self.run_dir / FOLDER)[:-KEPT]:
            shutil.rmtree(shard_folder(self.run_dir, step), ignore_errors=True)

    def _check_room(self, state: dict[str, torch.Tensor]) -> None:
        """A full disk is told beforehand: what the writer raises no longer says why."""
        needed = sum(value.numel() * value.element_size() for value in state.values())
        place = self.run_dir
        free = shutil.disk_usage(place).free
        if self.group.largest(int(free < needed)):
            cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise DataError(
                f"{place / FOLDER}: a checkpoint of {needed / 1e9:.3g} GB does not fit on the disk "
                f"({free / 1e9:.3g} GB left).",
                hint="free some disk space",
            ) from cause
