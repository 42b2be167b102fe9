"""How often a run on a fast device writes what it could be resumed from."""

from __future__ import annotations

import time

SAVE_SHARE = 0.05
"""Part of a run's time that the checkpoints of its evaluations may take on a GPU, where a pack writes those
of all its runs one after another. One of 5M parameters, 83 MB, took a host 0.4 s."""


class SaveSpacing:
    """Whether another checkpoint is worth its time; a run that was killed repeats what lies behind the last.

    Parameters
    ----------
    share : float or None
        Part of the time that saving may take; None saves whenever it is asked.
    """

    def __init__(self, share: float | None) -> None:
        self.share = share
        self.cost = 0.0
        self.last = time.monotonic()

    def is_worth(self, sharing: int) -> bool:
        """Whether enough time has passed since the last one.

        Parameters
        ----------
        sharing : int
            Runs of the process, each of which saves its own.
        """
        return self.share is None or time.monotonic() - self.last >= self.cost * sharing / self.share

    def note(self, began: float) -> None:
        """A checkpoint whose writing began at this time of `time.monotonic` is there now."""
        self.last = time.monotonic()
        self.cost = self.last - began
