"""Loss spikes: a run that left the level of its losses and does not come back."""

from __future__ import annotations

import math
import shutil
import statistics
from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from dcpt.core.run_spec import RunSpec
from dcpt.train.failure import Diverged
from dcpt.train.inputs import read_spec
from dcpt.train.journal import LOG_EVERY, RETRY, Journal

WINDOW, LEAST = 32, 8
"""Logged losses the level is the median of, and how many there must be before anything is judged."""

PATIENCE = 5
"""Logged losses in a row above the threshold that end a run: 50 steps at a row every 10."""

MARGIN, SIGMAS = 1.0, 8.0
"""A threshold lies so many nats, and so many robust standard deviations, above the level. Of 609 journals
of healthy runs (55k to 221k parameters, re-warming included) single rows reached 0.56 nats above the level,
the lowest of five in a row 0.034."""

_NOISE = 1.4826 / math.sqrt(2)
"""Times the median absolute difference of successive values: the standard deviation of normal ones."""

SHIFT = 1000
"""Added to the seed of the data order for another attempt: far from the seeds a sweep counts up from 0."""


class Spike(Diverged):
    """A loss that rose far above its level and stayed there."""


class SpikeWatch:
    """Judges the losses a journal has a row of, so that a resumed run is judged as an undisturbed one is.

    Parameters
    ----------
    spec : RunSpec
        Its optimizer says whether spikes count; where its mixture changes, the level is found anew.
    journal : Journal
        Rewound; what it holds has been seen.
    """

    def __init__(self, spec: RunSpec, journal: Journal) -> None:
        self.minds = spec.optimizer.on_spike != "ignore"
        self.changes = {phase.start // spec.batch for phase in spec.mixture.phases}
        self.level: deque[float] = deque(maxlen=WINDOW)
        self.above = 0
        self.last = spec.first_step
        for row in journal.rows("train", "mixture") if self.minds else ():
            if row["kind"] == "mixture":
                self.forget()
            else:
                self._take(row["step"], row["loss"])

    def look(self, step: int, loss: float) -> None:
        """Take a logged loss.

        Parameters
        ----------
        step : int
            Its step.
        loss : float
            Nats per token.

        Raises
        ------
        Spike
            When it is the last of `PATIENCE` in a row above the threshold.
        """
        if not self.minds:
            return
        level = self._take(step, loss)
        if self.above >= PATIENCE:
            raise Spike(
                f"diverged: the training loss spiked to {loss:.4g} at step {step}, from a level of "
                f"{level:.4g}, and did not come back in {PATIENCE * LOG_EVERY} steps"
            )

    def forget(self) -> None:
        """Find the level anew: the mixture has changed."""
        self.level.clear()
        self.above = 0

    def _take(self, step: int, loss: float) -> float:
        if any(self.last <= change < step for change in self.changes):
            self.forget()
        self.last = step
        if len(self.level) < LEAST:
            self.level.append(loss)
            return loss
        level = statistics.median(self.level)
        # From one loss to the next, so that the fall of a young run is not taken for its noise.
        spread = _NOISE * statistics.median(abs(later - value) for value, later in pairwise(self.level))
        if loss > level + max(MARGIN, SIGMAS * spread):
            self.above += 1
        else:
            self.above = 0
            self.level.append(loss)
        return level


def begin_again(run_dir: Path, spec: RunSpec, journal: Journal, trouble: Diverged) -> bool:
    """Set a run back to its start, to meet its data in another order; once, and only where that is asked for.

    A spike is one reason, a loss or gradient norm that is no finite number another.

    Returns
    -------
    bool
        Whether there is to be another attempt.
    """
    if spec.optimizer.on_spike != "retry" or journal.rows(RETRY):
        return False
    # In this order: a process killed in between begins again from the start and meets the same trouble.
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)
    journal.log_retry(SHIFT, str(trouble))
    return True


def with_data_order(run_dir: Path, spec: RunSpec) -> RunSpec:
    """The run with the order of data it has after earlier attempts, its own and those of what it starts from.

    Raises
    ------
    DataError
        When a journal is damaged.
    """
    own, before = _shifts(run_dir, spec)
    if not own and not before:
        return spec
    mixture = spec.mixture
    return replace(
        spec, mixture=replace(mixture, seed=mixture.seed + own, skip_seed=mixture.skip_seed + before)
    )


def _shifts(run_dir: Path, spec: RunSpec) -> tuple[int, int]:
    """What is added to the seed of a run's data order, and to that of the text held back for its base."""
    own = sum(int(row["shift"]) for row in Journal.rows_in(run_dir, RETRY))
    if spec.start is None or not (run_dir.parent / spec.start.run_id).is_dir():
        return own, 0
    parent = run_dir.parent / spec.start.run_id
    above, before = _shifts(parent, read_spec(parent))
    return (own + above, before) if spec.start.mode == "continue" else (own, above)
