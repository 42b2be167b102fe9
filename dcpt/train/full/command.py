"""``python -m dcpt.train full``: one process of a full run, as torchrun or Slurm starts it."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dcpt.core.errors import ConfigError, DataError, DcptError, RunError
from dcpt.core.run_record import RunRecord
from dcpt.train.failure import Failure, Stopped, explain, is_out_of_memory
from dcpt.train.full.attempts import Attempts, GaveUpError, count_start, restarts
from dcpt.train.full.group import Group, find_rank, join_group
from dcpt.train.full.memory import micro_batch_in_use
from dcpt.train.full.options import FullOptions
from dcpt.train.full.parent_death import outlive_parent
from dcpt.train.full.reasons import in_words, is_consequence, note, noted, spokesman
from dcpt.train.full.run import run_full
from dcpt.train.full.stop import EXIT_STOPPED, Asked
from dcpt.train.processor import prepare_processor

Emit = Callable[[dict[str, Any]], None]


def train_full(run_dir: Path, options: FullOptions, threads: int | None, emit: Emit) -> int:
    """Be one process of a full run.

    Under torchrun an exit status other than 0 means another attempt for all processes, so what has come to
    an end, good or bad, exits with 0: the events and the record say which.

    Parameters
    ----------
    run_dir : Path
        ``ROOT/runs/<run_id>``.
    options : FullOptions
        How it is trained.
    threads : int, optional
        Threads of CPU arithmetic.
    emit : callable
        Takes the events.

    Returns
    -------
    int
        Exit status: 0; under another starter than torchrun also 7 for a run that did not finish and 75
        for one that was stopped; 1 asks torchrun for another attempt.
    """
    run_dir, elastic = run_dir.resolve(), "TORCHELASTIC_RUN_ID" in os.environ
    known = Attempts.load(run_dir)
    if known.final and restarts():
        return 0
    asked = Asked(options.parent)
    if not asked.launcher_lives:  # torchrun starts anew what nobody waits for any more
        return 0
    group: Group | None = None
    rank = 0
    try:
        rank, _, local = find_rank()
        if rank == 0:
            count_start(run_dir)
        processor = prepare_processor(_device(options.device, local), options.precision, threads)
        with join_group(processor.device, options.meet_seconds) as group:
            outlive_parent()
            try:
                record = run_full(run_dir, options, processor, group, emit, asked.wish)
            except Exception as error:
                # Before the group is left: that is what the others meet.
                _note(run_dir, rank, error)
                raise
        return _ended(record, group, emit, elastic)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        if group is None or group.first:
            replace(Attempts.load(run_dir), starts=0).save(run_dir)
            emit({"event": "stopped", "run_id": run_dir.name})
        return 0 if elastic else EXIT_STOPPED
    except Exception as error:
        return _failed(run_dir, rank, error, emit, elastic)


def _device(name: str, local: int) -> str:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{local % max(1, torch.cuda.device_count())}" if name == "cuda" else name


def _ended(record: RunRecord, group: Group, emit: Emit, elastic: bool) -> int:
    finished = record.status == "finished"
    if group.first:
        event: dict[str, Any] = {"event": "finished", "run_id": record.run_id}
        if not finished:
            event = {**event, "event": "failed", "reason": record.reason, "retry": False}
        emit(event)
    return 0 if finished or elastic else RunError.exit_code


def _note(run_dir: Path, rank: int, error: Exception) -> None:
    if not isinstance(error, Stopped):
        note(run_dir, rank, explain(error).reason, is_consequence(error))


def _failed(run_dir: Path, rank: int, error: Exception, emit: Emit, elastic: bool) -> int:
    """Say why an attempt came to nothing, if it is for this process to say."""
    if not isinstance(error, DcptError):
        traceback.print_exc(file=sys.stderr)
    consequence = is_consequence(error)
    _note(run_dir, rank, error)
    if not spokesman(run_dir, rank, consequence):
        return 1
    failure, known = explain(error), Attempts.load(run_dir)
    if consequence:
        failure = Failure(f"a process of the run has gone ({failure.reason})", True)
    smaller = is_out_of_memory(error) and (rows := micro_batch_in_use()) is not None and rows > 1
    if smaller:
        assert rows is not None
        known = known.halve(rows)
    else:
        retry = failure.retry and not isinstance(error, GaveUpError)
        reason = error.message if isinstance(error, GaveUpError) else failure.reason
        known = replace(known, reason=reason, final=not retry or reason == "disk full")
    notes = in_words(noted(run_dir), but=explain(error).reason)
    with contextlib.suppress(DataError):  # a full disk; the event says so
        known.save(run_dir)
    if smaller or not known.final:
        emit({"event": "retry", "run_id": run_dir.name, "reason": known.reason, "notes": notes})
        return 1
    if isinstance(error, (DataError, ConfigError, GaveUpError)) and known.reason != "disk full":
        _abandon(run_dir, known.reason)
    emit(
        {
            "event": "failed",
            "run_id": run_dir.name,
            "reason": known.reason,
            "retry": known.reason == "disk full",
            "notes": notes,
        }
    )
    return 1 if elastic else RunError.exit_code


def _abandon(run_dir: Path, reason: str) -> None:
    if run_dir.is_dir():
        try:
            RunRecord(run_dir.name, "abandoned", reason).save(run_dir)
        except DcptError:
            return
