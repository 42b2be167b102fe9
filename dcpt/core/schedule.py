"""Learning-rate schedules: one definition for the trainer, the laws and the plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError

Kind = Literal["constant", "cosine", "linear", "wsd"]
Shape = Literal["linear", "1-sqrt"]

ANNEALING_MEMORY = 0.999
"""Memory per step of the annealing area S2: Tissue et al. 2024 (arXiv:2408.11029) and
Wang et al. 2025 (arXiv:2505.07796) both use 0.999."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a function of the optimizer step.

    Parameters
    ----------
    kind : {"constant", "cosine", "linear", "wsd"}
        Shape after the warm-up. ``wsd`` is warm-up, stable, decay.
    peak : float
        Highest learning rate.
    steps : int
        Optimizer steps of the whole schedule.
    warmup : int
        Steps over which the rate rises linearly from ``peak / warmup`` to ``peak``.
    decay : int
        Steps of the final decay (``wsd`` only; the other kinds decay from the end of the warm-up).
    shape : {"linear", "1-sqrt"}
        Form of the ``wsd`` decay; 1-sqrt after Haegele et al. 2024 (arXiv:2405.18392).
    floor : float
        Rate the decay heads for, as a share of ``peak``.

    Notes
    -----
    Steps count from 1. A decay of n steps uses progress 0, 1/n, ..., (n-1)/n, so that its first
    step still has the rate of the plateau and no step is spent at the floor.

    Raises
    ------
    ConfigError
        When a number is out of range or the parts do not fit into ``steps``.
    """

    kind: Kind
    peak: float
    steps: int
    warmup: int = 0
    decay: int = 0
    shape: Shape = "1-sqrt"
    floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("peak", "floor"):  # a whole number would be spelled, and hashed, differently
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.kind not in ("constant", "cosine", "linear", "wsd"):
            raise ConfigError(f"schedule: kind is {self.kind!r}; wanted constant, cosine, linear or wsd.")
        if self.shape not in ("linear", "1-sqrt"):
            raise ConfigError(f"schedule: shape is {self.shape!r}; wanted linear or 1-sqrt.")
        if not (self.peak > 0 and np.isfinite(self.peak)):
            raise ConfigError(f"schedule: peak is {self.peak}; wanted a positive learning rate.")
        if not 0 <= self.floor <= 1:
            raise ConfigError(f"schedule: floor is {self.floor}; wanted a share of the peak in [0, 1].")
        if min(self.steps, self.warmup, self.decay) < 0:
            raise ConfigError("schedule: steps, warmup and decay must not be negative.")
        if self.warmup + self.decay > self.steps:
            raise ConfigError(
                f"schedule: warm-up ({self.warmup}) and decay ({self.decay}) need "
                f"{self.warmup + self.decay} steps; the run has {self.steps}.",
                hint="train on more tokens, or shorten the warm-up or the decay",
            )

    @property
    def decay_start(self) -> int:
        """Last step before the rate begins to fall (``steps`` for a constant rate)."""
        if self.kind == "constant":
            return self.steps
        return self.steps - self.decay if self.kind == "wsd" else self.warmup

    def rates(self) -> NDArray[np.float64]:
        """Learning rate of every step, shape (steps,)."""
        step = np.arange(1, self.steps + 1, dtype=np.float64)
        rate = np.full(self.steps, self.peak)
        span = self.steps - self.decay_start
        if span:
            progress = np.clip((step - 1 - self.decay_start) / span, 0.0, 1.0)
            if self.kind == "cosine":
                fall = 0.5 * (1 - np.cos(np.pi * progress))
            elif self.kind == "wsd" and self.shape == "1-sqrt":
                fall = np.sqrt(progress)
            else:
                fall = progress
            rate = self.peak * (1 - (1 - self.floor) * fall)
        rising = step <= self.warmup
        rate[rising] = self.peak * step[rising] / self.warmup
        return rate


def forward_area(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """S1: running sum of the learning rates, shape as `rates`."""
    return np.cumsum(rates)


def annealing_area(
    rates: NDArray[np.float64], memory: float = ANNEALING_MEMORY, warmup: int = 0
) -> NDArray[np.float64]:
    """S2: running sum of the momentum of the rate's fall.

    The momentum is m_i = memory * m_{i-1} + (eta_{i-1} - eta_i) with m_0 = 0 and S2 its running
    sum (Tissue et al. 2024, arXiv:2408.11029). The rise of the first `warmup` steps is no fall and
    is left out.

    Parameters
    ----------
    rates : ndarray, shape (steps,)
        Learning rate of every step.
    memory : float
        Share of the momentum kept per step.
    warmup : int
        Steps of the warm-up, whose rise is not counted.

    Returns
    -------
    ndarray, shape (steps,)
    """
    drop = -np.diff(rates, prepend=rates[:1])
    drop[:warmup] = 0.0
    momentum = np.empty_like(rates)
    held = 0.0
    for index, fall in enumerate(drop):
        held = memory * held + fall
        momentum[index] = held
    return np.cumsum(momentum)
