"""What is known of a run's attempts across its processes' lives: how many came to nothing, and why."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dcpt.core import files
from dcpt.core.errors import DataError, DcptError
from dcpt.train.checkpoint import list_steps_in
from dcpt.train.full.reasons import forget, in_words, noted

FILE_NAME = "full.json"
SCHEMA_VERSION = 1

MOST = 3
"""Starts from one and the same step before the run is given up: it gets no further."""


class GaveUpError(DcptError):
    """The run is not tried again; the message says why."""


@dataclass(frozen=True)
class Attempts:
    """Kept in ``full.json``, which every process of the run reads.

    Attributes
    ----------
    micro_batch : int or None
        Sequences per pass, since more of them did not fit.
    step, starts : int
        Step the last start went on from, and how many starts did so.
    reason : str
        What ended the last attempt.
    final : bool
        Whether another attempt would only repeat it.
    notes : tuple of str
        What the other processes met then (see `dcpt.train.full.reasons`).
    """

    micro_batch: int | None = None
    step: int = -1
    starts: int = 0
    reason: str = ""
    final: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, run_dir: Path) -> Attempts:
        """Read the file; nothing is known where it is absent or damaged."""
        try:
            document = files.read_json(run_dir / FILE_NAME, "the attempts of a run", SCHEMA_VERSION)
            document.pop("schema_version")
            found = cls(**document)
            return replace(found, notes=tuple(found.notes))
        except (DataError, TypeError):
            return cls()

    def save(self, run_dir: Path) -> None:
        """Write the file, atomically."""
        files.write_json(run_dir / FILE_NAME, {"schema_version": SCHEMA_VERSION, **asdict(self)})

    def begin(self, step: int) -> Attempts:
        """A start from this step.

        Raises
        ------
        GaveUpError
            When it is one too many.
        """
        starts = self.starts + 1 if step == self.step else 1
        if starts > MOST:
            raise GaveUpError(f"{self.reason or 'killed'} ({MOST} attempts from step {step})")
        return replace(self, step=step, starts=starts, reason="")

    def halve(self, micro_batch: int) -> Attempts:
        """After running out of memory with so many sequences per pass; not counted as an attempt."""
        smaller = (micro_batch + 1) // 2
        return replace(self, micro_batch=smaller, starts=max(0, self.starts - 1), reason="out of memory")


def restarts() -> int:
    """How often torchrun has restarted this process group; 0 for a command given anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def count_start(run_dir: Path) -> None:
    """Note a start from the newest checkpoint; a command given anew counts from the beginning.

    Raises
    ------
    GaveUpError
        When it is one too many.
    """
    known = Attempts.load(run_dir)
    if not restarts():
        known = Attempts(known.micro_batch)
        known.save(run_dir)
    known = replace(known, notes=in_words(noted(run_dir, None), but=known.reason))
    forget(run_dir)
    steps = [step for name in ("shards", "checkpoints") for step in list_steps_in(run_dir / name)]
    known.begin(max(steps, default=-1)).save(run_dir)
