"""A worker's guard: the process that has imported everything, and forks the one that trains.

When the training process is killed, the next one is there in a moment, because nothing is imported again.
The guard itself computes nothing: it has one thread and no CUDA context, so forking it is safe.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from dcpt.core.errors import DcptError

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


Work = Callable[[int, int | None], int]


def guard(parent: int, emit: Callable[[dict[str, Any]], None], work: Work) -> int:
    """Fork a process that works; when a signal has killed it, say so and fork the next.

    After a death the guard emits ``died`` with the signal and drops what comes in on standard input up to
    the line ``{"again": true}``: an order that was on its way to the dead process is not carried out by
    the next one, which may be told otherwise.

    Parameters
    ----------
    parent : int
        Process id of the parent; the guard ends when it dies, and the process that works with it.
    emit : callable
        Sends an event.
    work : callable
        Called in the new process with the guard's process id and a pidfd of the guard's parent; returns
        its exit status.

    Returns
    -------
    int
        Exit status of the process that works, once it has ended by itself.
    """
    if not _can_fork():
        return work(parent, None)
    above = os.pidfd_open(parent)
    if os.getppid() != parent:  # it died before, and its number may be another's by now
        return os.EX_TEMPFAIL
    gc.freeze()
    own = os.getpid()
    child = 0
    asked = False

    def forward(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        if child:
            os.kill(child, number)

    while True:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        child = os.fork()
        if child == 0:
            for number in _FORWARDED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            _leave(lambda: work(own, above))
        for number in _FORWARDED:
            signal.signal(number, forward)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        status = _wait(child, above)
        child = 0
        if status is None:
            return os.EX_TEMPFAIL  # the parent died: the child sees the guard go, and stops
        if status >= 0 or asked:
            return status if status >= 0 else os.EX_TEMPFAIL
        emit({"event": "died", "signal": -status})
        if not _told_to_go_on(above):
            return 0


def _leave(work: Callable[[], int]) -> None:
    """Work, and end the process without coming back into the guard's code."""
    status = 1
    try:
        status = work()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except DcptError as error:
        print(error, file=sys.stderr)
        status = error.exit_code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int, above: int) -> int | None:
    """Exit status of the child, negative for a signal; None when the parent died before it."""
    pidfd = os.pidfd_open(child)
    try:
        ended = select.select([pidfd, above], [], [])[0]
    finally:
        os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if pidfd in ended else None


def _told_to_go_on(above: int) -> bool:
    """Drop lines up to ``{"again": true}``; False at the end of the input or of the parent."""
    rest = b""
    while above not in select.select([0, above], [], [])[0]:
        # Byte by byte: what follows the line is the next process's.
        letter = os.read(0, 1)
        if not letter:
            return False
        if letter != b"\n":
            rest += letter
            continue
        try:
            line = json.loads(rest)
        except ValueError:
            line = None
        rest = b""
        if isinstance(line, dict) and line.get("again") is True:
            return True
    return False


def _can_fork() -> bool:
    """Linux, one thread: a fork copies only the one that calls it, and what others held stays locked."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    for _ in range(5):
        if len(os.listdir("/proc/self/task")) == 1:
            return True
        time.sleep(0.02)
    return False
