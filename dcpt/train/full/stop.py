"""Whether the processes of a run should stop: they were asked to, or whoever started them has gone."""

from __future__ import annotations

import os
import signal
from types import FrameType

GO_ON, SAVE, LEAVE = 0, 1, 2
"""Go on; write a checkpoint and stop; stop at once."""

EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: stopped on request, to be resumed."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""What batch systems send before they take a machine away, and Ctrl-C."""


class Asked:
    """Takes the signals that ask for an end.

    Parameters
    ----------
    launcher : int, optional
        Process of this machine without which the run is to save and stop.
    """

    def __init__(self, launcher: int | None = None) -> None:
        self.launcher, self.parent = launcher, os.getppid()
        self.signalled = self.begun = False
        for number in SIGNALS:
            signal.signal(number, self._take)

    def wish(self) -> int:
        """What this process wants; from the first call on a signal no longer ends it by itself.

        A process whose agent has died must not write beside its successors.
        """
        self.begun = True
        if os.getppid() != self.parent:
            return LEAVE
        return SAVE if self.signalled or not self.launcher_lives else GO_ON

    @property
    def launcher_lives(self) -> bool:
        """Whether there still is somebody to train for."""
        if self.launcher is None:
            return True
        try:
            os.kill(self.launcher, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True
        if not self.begun:
            raise SystemExit(EXIT_STOPPED)
