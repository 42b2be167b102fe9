"""What went wrong with a run, and whether another attempt may help."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dcpt.core.errors import ConfigError, DataError


class Diverged(Exception):
    """A loss or gradient norm that is not a finite number; the run would only repeat it."""


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
    if any(_is_out_of_memory(cause) for cause in chain):
        return Failure("out of memory", True)
    if isinstance(error, (DataError, ConfigError)):
        return Failure(error.message, False)
    if isinstance(error, Diverged):
        return Failure(str(error), False)
    lines = str(error).strip().splitlines()
    return Failure(f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__, True)


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


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        # What PyTorch's CPU allocator raises is a plain RuntimeError.
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
