"""A process that has not begun its work ends with the one that started it: the kernel sees to it (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def die_with_parent() -> None:
    """Be killed when torchrun dies; for a process that waits inside of a library, where no signal is heard.

    The kernel sends the signal at the end of the thread that started this process: for torchrun that is its
    main thread. What else starts processes (Slurm) may do so from threads of its own and is left alone.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _set(signal.SIGKILL)


def outlive_parent() -> None:
    """From now on the process looks by itself whether torchrun lives, and leaves in order."""
    _set(0)


def _set(number: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
