"""Two schedules in a row: pre-training, then continual pre-training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.schedule import Schedule


@dataclass(frozen=True)
class JoinedSchedule:
    """The schedules of both trainings of a model, one after the other.

    Parameters
    ----------
    pre : Schedule
        Pre-training.
    cpt : Schedule
        Continual pre-training.
    """

    pre: Schedule
    cpt: Schedule

    @property
    def steps(self) -> int:
        """Optimizer steps of both."""
        return self.pre.steps + self.cpt.steps

    @property
    def switch(self) -> int:
        """Steps of pre-training; step ``switch + 1`` is the first of continual pre-training."""
        return self.pre.steps

    @property
    def rising(self) -> NDArray[np.bool_]:
        """Whether each step is one of a warm-up, the re-warm-up included, shape (steps,)."""
        return np.concatenate([self.pre.rising, self.cpt.rising])

    @property
    def text(self) -> str:
        """One line, ``pre | cpt``."""
        return f"{self.pre.text} | {self.cpt.text}"

    def rates(self) -> NDArray[np.float64]:
        """Learning rate of every step of both, shape (steps,)."""
        return np.concatenate([self.pre.rates(), self.cpt.rates()])


def joined(pre: Schedule | None, cpt: Schedule) -> JoinedSchedule | Schedule:
    """Put pre-training in front of continual pre-training; without it the latter stands alone."""
    return cpt if pre is None else JoinedSchedule(pre, cpt)
