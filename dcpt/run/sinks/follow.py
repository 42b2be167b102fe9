"""A process that mirrors runs while they train: ``python -m dcpt.run.sinks.follow ROOT TRACKER PROJECT``."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from pathlib import Path

from dcpt.run.sinks.mirror import Mirror
from dcpt.run.sinks.sink import TRACKERS

LOOK_SECONDS = 2.0
"""Between two looks at the journals."""

ATTEMPTS = 5
"""Troubles in a row after which it gives up; the waits between them double from `WAIT_SECONDS`."""

WAIT_SECONDS = 2.0


def follow(root: Path, tracker: str, project: str, parent: int) -> int:
    """Mirror until the parent closes the standard input or dies, then once more.

    Returns
    -------
    int
        Exit status: 0, or 1 when the tracker kept failing; the last line of standard error says how.
    """
    mirror = Mirror(root, TRACKERS[tracker], project)
    failures, last = 0, False
    while True:
        try:
            mirror.catch_up()
            if last:
                mirror.close()
                return 0
            failures = 0
        except Exception as error:  # a tracker may raise anything
            mirror.drop()
            failures += 1
            if last or failures >= ATTEMPTS:
                words = str(error).strip().partition("\n")[0][:300]
                print(": ".join(filter(None, (type(error).__name__, words))), file=sys.stderr)
                return 1
        last = _told_to_end(LOOK_SECONDS if not failures else WAIT_SECONDS * 2**failures, parent)


def _told_to_end(seconds: float, parent: int) -> bool:
    """Wait; whether the parent has said that the sweep is over, or is gone."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if os.getppid() != parent or select.select([sys.stdin], [], [], min(left, 1.0))[0]:
            return True
    return False


def main() -> int:
    """Read the arguments; standard output is the parent's, so what a tracker prints goes to the log."""
    root, tracker, project, parent = sys.argv[1:]
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        os.nice(5)
    return follow(Path(root), tracker, project, int(parent))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # A tracker's threads must not keep the process.
    os._exit(status)
