"""Signals that ask a runner to stop, all of them answered as Ctrl-C is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt: batch systems and closed terminals send them.

    Signals that the caller ignores (nohup) or handles itself are left alone, and so are all of them
    outside the main thread.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    caught = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, stop)
                caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
