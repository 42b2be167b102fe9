"""What went wrong with a run, and whether another attempt may help.

Where each trouble is dealt with:

=====================  ==============================================================================
killed, machine lost   the next attempt goes on from the last whole checkpoint (`checkpoint.newest_whole`)
SIGTERM, INT, USR1     checkpoint, exit 75 (`serve.Watch`); no record, the run can be resumed
out of memory          half as many sequences a pass, the same batch (`micro_batch`); then tried again
not a finite number    stopped before the optimizer step; then as a loss spike: `Diverged`
loss spike             abandoned with the reason, or one more attempt in another data order (`spike`)
disk full              nothing half-written (`files`, `checkpoint`); the sweep pauses, nothing is failed
torn journal line      cut off when the run goes on (`journal.Journal.rewind`)
unusable input         abandoned with the reason: another attempt would only repeat it
anything else          tried again, a few times
=====================  ==============================================================================
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dcpt.core.errors import ConfigError, DataError


class Diverged(Exception):
    """A loss or gradient norm that is not a finite number; the run would only repeat it."""


def refuse_divergence(step: int, loss: float, norm: float) -> None:
    """Raise `Diverged` where the training loss or the gradient norm of a step is not finite."""
    for what, value in (("loss", loss), ("gradient norm", norm)):
        if not math.isfinite(value):
            raise Diverged(f"diverged: the training {what} is {value} at step {step}")


class Stopped(Exception):
    """The run was asked to stop and can be resumed."""


@dataclass(frozen=True)
class Failure:
    """Reason of a failure in one sentence; `retry` says whether another attempt may succeed."""

    reason: str
    retry: bool


def explain(error: BaseException) -> Failure:
    """Sort an exception into disk full, out of memory, unusable input, divergence or unknown."""
    chain = list(_chain(error))
    if any(_is_disk_full(cause) for cause in chain):
        return Failure("disk full", True)
    if is_out_of_memory(error):
        return Failure("out of memory", True)
    if isinstance(error, (DataError, ConfigError)):
        return Failure(error.message, False)
    if isinstance(error, Diverged):
        return Failure(str(error), False)
    lines = str(error).strip().splitlines()
    return Failure(f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__, True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one that it came from, says that a GPU or the host is out of memory."""
    return any(
        isinstance(cause, (torch.OutOfMemoryError, MemoryError))
        # What PyTorch's CPU allocator raises is a plain RuntimeError.
        or (isinstance(cause, RuntimeError) and "DefaultCPUAllocator" in str(cause))
        for cause in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


# EFBIG is what a process limited by `ulimit -f` gets.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _is_disk_full(error: BaseException) -> bool:
    # safetensors raises its own error class, with the system's message in it.
    return (isinstance(error, OSError) and error.errno in _NO_ROOM) or any(
        os.strerror(number) in str(error) for number in _NO_ROOM
    )
