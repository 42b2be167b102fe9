"""Options of training that change what an optimizer step does: weights pulled back, sequences weighed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dcpt.core.errors import ConfigError


@dataclass(frozen=True)
class Interpolation:
    """Reptile's outer step: every `every` steps the weights go back part of the way they have come.

    After step t, a multiple of `every`, counted from the start of the phase::

        weights = anchor + rate * (weights - anchor)

    and the anchor, the weights at the start of the phase or after the last such step, becomes the result.
    The optimizer's moments stay as they are. On top of replay this is meta-experience replay (MER).

    Parameters
    ----------
    every : int
        Optimizer steps between two interpolations, k in the source (500 there).
    rate : float
        In (0, 1]; epsilon in the source (0.1 there). 1 leaves the weights as they are.

    Raises
    ------
    ConfigError
        When a number is out of range.

    References
    ----------
    Abbes et al. 2025, "Revisiting Replay and Gradient Alignment for Continual Pre-Training of Large Language
    Models", arXiv:2508.01908; Nichol et al. 2018, "On First-Order Meta-Learning Algorithms",
    arXiv:1803.02999.
    """

    every: int
    rate: float

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"interpolation: every is {self.every}; wanted 1 step or more.")
        if not 0 < self.rate <= 1:
            raise ConfigError(
                f"interpolation: rate is {self.rate}; wanted a share in (0, 1].",
                hint="1 keeps what was learnt whole, 0.1 a tenth of it",
            )

    def count(self, first: int, last: int) -> int:
        """Interpolations after step `first` up to and including step `last`."""
        return last // self.every - first // self.every

    def ends_near(self, steps: int) -> tuple[int, ...]:
        """Lengths of a run, nearest to so many steps, that end right after an interpolation."""
        below = steps // self.every * self.every
        above = -(-steps // self.every) * self.every
        return tuple(end for end in dict.fromkeys((below, above)) if end)


def check_tilt(tilt: float) -> None:
    """Refuse a tilt that is no number.

    With tilt t the gradient of a batch is that of the tilted loss ``log(mean(exp(t * l))) / t`` of the mean
    losses l of its sequences, in nats per token: sequence i weighs ``exp(t * l_i) / sum(exp(t * l))``.
    t > 0 favours sequences that are hard for the model, t < 0 those that are easy, 0 weighs all the same.

    Raises
    ------
    ConfigError
        When it is infinite or not a number.

    References
    ----------
    Li et al. 2020, "Tilted Empirical Risk Minimization", arXiv:2007.01162, eq. 2.
    """
    if not math.isfinite(tilt):
        raise ConfigError(f"tilt is {tilt}; wanted a number, per nat per token.")
