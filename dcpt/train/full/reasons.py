"""Why an attempt of a full run came to nothing: of its processes' reasons, the one the others follow from.

When one process fails the others lose their connection to it, and whichever is quicker might be heard first.
So each notes what it met in a file of its own, whether that may be a consequence of another's end, and those
to whom it happened wait a moment for the one to whom it happened first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch.distributed as dist

from dcpt.core import files
from dcpt.core.errors import DataError

FOLDER = "reasons"
SCHEMA_VERSION = 1

WAIT_SECONDS = 3.0
"""How long a process whose partner has gone waits for the partner's word: it is noted before the connection
is given up, so this has to cover a file system that shows files late, and no more."""

_LOOK_SECONDS = 0.05

# What gloo and NCCL say of a partner that has gone; they raise plain RuntimeErrors, too.
_GONE = (
    "connection closed by peer", "connection reset by peer", "connection refused", "broken pipe",
    "remote process exited", "socket timeout", "failed to recv", "timed out waiting", "unexpected eof",
    "connection was likely closed", "[gloo/transport",
)  # fmt: skip


class AbsentError(RuntimeError):
    """Not all processes of the run have come to where they meet."""


@dataclass(frozen=True)
class Reason:
    """What one process met.

    Attributes
    ----------
    rank : int
        The process.
    words : str
        The reason in one sentence.
    consequence : bool
        Whether it is what befalls a process whose partner has gone.
    start : str
        The start of the processes it belongs to.
    """

    rank: int
    words: str
    consequence: bool
    start: str


def is_consequence(error: BaseException) -> bool:
    """Whether an exception says that another process of the run is gone, rather than what is wrong."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        # All that torch.distributed raises by itself is about the others: network, store, backend.
        if isinstance(found, (AbsentError, ConnectionError, dist.DistError)):
            return True
        words = str(found).lower()
        if isinstance(found, RuntimeError) and any(part in words for part in _GONE):
            return True
        found = found.__cause__ or found.__context__
    return False


def this_start() -> str:
    """Name of this start of the processes, one for all of them and another after a restart."""
    names = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")
    return "/".join(os.environ.get(name, "") for name in names)


def note(run_dir: Path, rank: int, words: str, consequence: bool) -> None:
    """Write down what a process met first; on a full disk nothing."""
    if any(item.rank == rank for item in noted(run_dir)):
        return
    reason = Reason(rank, words, consequence, this_start())
    with contextlib.suppress(DataError):
        files.write_json(_path(run_dir, rank), {"schema_version": SCHEMA_VERSION, **asdict(reason)})


def noted(run_dir: Path, start: str | None = "") -> list[Reason]:
    """Reasons of a start: first those that are no consequence, each in the order of their files' times.

    The times are those of the disk that all processes see, whatever the machines' clocks say.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    start : str, optional
        By default this one; None takes them all.
    """
    wanted = this_start() if start == "" else start
    found = [
        (reason.consequence, at, reason.rank, reason)
        for reason, at in _read(run_dir)
        if wanted is None or reason.start == wanted
    ]
    return [reason for *_, reason in sorted(found, key=lambda item: item[:3])]


def wait_for_cause(run_dir: Path, seconds: float | None = None) -> Reason | None:
    """The first reason that is no consequence; None when no process has noted one within some seconds."""
    until = time.monotonic() + (WAIT_SECONDS if seconds is None else seconds)
    while True:
        reasons = noted(run_dir)
        if reasons and not reasons[0].consequence:
            return reasons[0]
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_SECONDS)


def spokesman(run_dir: Path, rank: int, consequence: bool) -> bool:
    """Whether it is for this process to say why the attempt came to nothing.

    It is for the first that failed by itself. Where none did (one was killed), it is for the first of those
    that were left behind. A process that could note nothing speaks for itself.

    Parameters
    ----------
    run_dir : Path
        Folder of the run; this process has called `note`.
    rank : int
        This process.
    consequence : bool
        Whether what it met may follow from another's end.
    """
    if consequence and wait_for_cause(run_dir) is not None:
        return False
    reasons = noted(run_dir)
    if not reasons or (reasons[0].consequence and not consequence):
        return True
    return reasons[0].rank == rank


def in_words(reasons: list[Reason], but: str = "") -> tuple[str, ...]:
    """Reasons with the processes they are of, without the one that is told anyway."""
    return tuple(f"rank {item.rank}: {item.words}" for item in reasons if item.words != but)


def forget(run_dir: Path) -> None:
    """Remove all notes."""
    shutil.rmtree(run_dir / FOLDER, ignore_errors=True)


def _path(run_dir: Path, rank: int) -> Path:
    return run_dir / FOLDER / f"rank-{rank:05d}.json"


def _read(run_dir: Path) -> Iterator[tuple[Reason, int]]:
    for path in (run_dir / FOLDER).glob("rank-*.json"):
        try:
            document = files.read_json(path, "a process's reason", SCHEMA_VERSION)
            document.pop("schema_version")
            reason, at = Reason(**document), path.stat().st_mtime_ns
        except (DataError, TypeError, OSError):
            continue
        yield reason, at
