"""Mirror runs while they train, in processes that they do not wait for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.run.sinks.sink import TRACKERS

GRACE = 30.0
"""Seconds all mirrors together get to catch up when the runs have come to their end."""


@dataclass(frozen=True)
class _Follower:
    tracker: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    def last_words(self) -> str:
        try:
            lines = self.log.read_bytes()[self.log_start :].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""


@contextlib.contextmanager
def mirroring(
    root: Path | str, trackers: Sequence[str], project: str, say: Callable[[str], None], grace: float = GRACE
) -> Iterator[None]:
    """Mirror the runs of a folder to trackers while the block lasts.

    Each tracker has a process of its own that reads the runs' journals. Whatever becomes of it, the block
    and the runs do not notice: a missing package, a failure or a mirror that does not catch up in time is
    one sentence.

    Parameters
    ----------
    root : path
        Folder of the sweep (or launch).
    trackers : sequence of str
        Keys of `TRACKERS`.
    project : str
        Name of the sweep in the trackers.
    say : callable
        Told in one sentence what is not mirrored, and why.
    grace : float
        Seconds they get to catch up after the block.
    """
    root = Path(root)
    followers = [item for name in trackers if (item := _start(root, name, project, say)) is not None]
    try:
        yield
    finally:
        _end(root, followers, say, grace)


def _start(root: Path, name: str, project: str, say: Callable[[str], None]) -> _Follower | None:
    if not TRACKERS[name].installed:
        say(f"mirror: {name} is not installed, so nothing is mirrored to it; pip install 'dcpt[{name}]'")
        return None
    log = root / "runs" / "logs" / f"mirror-{name}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as errors:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dcpt.run.sinks.follow"),
                    *(str(root.resolve()), name, project, str(os.getpid())),
                ],
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
            )
            return _Follower(name, process, log, errors.tell())
    except OSError as error:
        say(f"mirror: nothing is mirrored to {name}: {error.strerror or error}")
        return None


def _end(root: Path, followers: Sequence[_Follower], say: Callable[[str], None], grace: float) -> None:
    for follower in followers:
        assert follower.process.stdin is not None
        with contextlib.suppress(OSError):
            follower.process.stdin.write(b"end\n")
        with contextlib.suppress(OSError):
            follower.process.stdin.close()
    until = time.monotonic() + grace
    for follower in followers:
        later = f"dcpt sweep mirror {root} --to {follower.tracker} catches up"
        try:
            status = follower.process.wait(max(0.1, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            follower.process.kill()
            follower.process.wait()
            say(f"mirror: {follower.tracker} did not catch up within {grace:g} s; {later}")
            continue
        if status:
            words = follower.last_words() or f"exit {status}"
            say(f"mirror: {follower.tracker} is not up to date ({words.rstrip('.')}); {later}")
