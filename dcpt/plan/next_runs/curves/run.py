"""Runs one could buy for fits of loss curves, and the trunks that some of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CurveRun:
    """A run with the loss read along it.

    Attributes
    ----------
    name : str
        What it is called.
    history : RateHistory
        Rates of its base and of continual pre-training.
    steps : ndarray of int
        Steps of the history at which its losses are read, ascending, none of the base's.
    given : mapping
        Side to what a law reads beside the rates.
    life : tuple
        What it must have in common with another run to be the same up to where their rates part: size,
        mixture, base, seed.
    flops_per_step : float
        Training FLOPs of a step.
    kind : str
        What it adds to the runs that are there, in words.

    Raises
    ------
    ConfigError
        When no loss is read, or a step lies in the base or beyond the schedule.
    """

    name: str
    history: RateHistory
    steps: Integers
    given: Mapping[str, Mapping[str, float]]
    life: tuple[object, ...]
    flops_per_step: float
    kind: str

    def __post_init__(self) -> None:
        steps = np.asarray(self.steps, dtype=np.int64)
        if not len(steps) or steps[0] <= self.history.switch or steps[-1] > len(self.history):
            raise ConfigError(
                f"candidate {self.name}: its losses are read outside its {self.length} steps of continual "
                "pre-training."
            )
        object.__setattr__(self, "steps", steps)

    @property
    def length(self) -> int:
        """Steps of continual pre-training."""
        return len(self.history) - self.history.switch

    @property
    def flops(self) -> float:
        """Training FLOPs of the whole run."""
        return self.length * self.flops_per_step

    def common(self, other: CurveRun) -> int:
        """Steps of continual pre-training that two runs have in common."""
        if self.life != other.life:
            return 0
        one, two = (run.history.rates[run.history.switch :] for run in (self, other))
        n = min(len(one), len(two))
        same = np.isclose(one[:n], two[:n], rtol=1e-9, atol=0)
        return n if same.all() else int(np.argmin(same))


@dataclass(frozen=True, eq=False)
class Stretch:
    """Steps that are trained once for all runs which have them: a piece of a trunk, or of a branch.

    Attributes
    ----------
    run : int
        Number of a run that has it.
    steps : ndarray of int
        Steps of that run's history at which a loss is read; may be empty.
    flops : float
        Training FLOPs.
    life : int
        Number of its life: losses of one life share the offset of their run.
    """

    run: int
    steps: Integers
    flops: float
    life: int


def stretches(runs: Sequence[CurveRun]) -> tuple[tuple[Stretch, ...], Mask]:
    """Take runs apart where their rates part.

    Returns
    -------
    tuple of Stretch
    ndarray of bool, shape (runs, stretches)
        Which stretches a run is made of.
    """
    found: dict[tuple[int, int], Stretch] = {}
    paths: list[list[tuple[int, int]]] = []
    lives = list(dict.fromkeys(run.life for run in runs))
    mine: dict[tuple[object, ...], list[int]] = {life: [] for life in lives}
    for number, run in enumerate(runs):
        mine[run.life].append(number)
    shared: dict[tuple[int, int], int] = {}
    ends: dict[tuple[object, ...], list[int]] = {}
    for life, others in mine.items():
        for one, two in combinations_with_replacement(others, 2):
            shared[one, two] = shared[two, one] = runs[one].common(runs[two])
        ends[life] = sorted({shared[one, two] for one in others for two in others} - {0})
    for number, run in enumerate(runs):
        path, begin, switch = [], 0, run.history.switch
        for end in (end for end in ends[run.life] if end <= run.length):
            first = min(other for other in mine[run.life] if shared[number, other] >= end)
            if (first, end) not in found:
                own = runs[first]
                read = own.steps[(own.steps > switch + begin) & (own.steps <= switch + end)]
                price = (end - begin) * own.flops_per_step
                found[first, end] = Stretch(first, read, price, lives.index(run.life))
            path.append((first, end))
            begin = end
        paths.append(path)
    keys = list(found)
    member = np.array([[key in path for key in keys] for path in map(set, paths)], dtype=bool)
    return tuple(found.values()), member.reshape(len(runs), len(keys))
