"""Loss curves and the learning rates they were measured under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, DataError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

JUMP = 0.2
"""Relative change of the rate between two logged steps from which it is taken for a step of the schedule."""


@dataclass(frozen=True, eq=False, repr=False)
class RateHistory:
    """The learning rate of every optimizer step of one model, pre-training and CPT joined.

    Attributes
    ----------
    rates : ndarray, shape (T,)
        Rate of steps 1 to T, the true warm-up included.
    switch : int
        Steps of pre-training in front of continual pre-training; 0 when none are known.
    rising : ndarray of bool, shape (T,)
        Steps of a warm-up, those of the re-warm-up included.

    Raises
    ------
    ConfigError
        When a rate is negative or not finite, or the switch lies outside the history.
    """

    rates: Array
    switch: int = 0
    rising: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        rates = np.array(self.rates, dtype=np.float64)
        if rates.ndim != 1 or not len(rates):
            raise ConfigError(f"rate history: rates have shape {rates.shape}; wanted one rate per step.")
        bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
        if len(bad):
            raise ConfigError(
                f"rate history: the rate of step {bad[0] + 1} is {rates[bad[0]]:g}; "
                "wanted a finite number >= 0."
            )
        if not rates.max() > 0:
            raise ConfigError("rate history: every rate is 0; wanted a model that was trained.")
        if not 0 <= self.switch < len(rates):
            raise ConfigError(
                f"rate history: switch is {self.switch}; wanted less than its {len(rates)} steps."
            )
        rising = np.array(self.rising, dtype=bool)
        if not rising.size:
            rising = np.zeros(len(rates), dtype=bool)
        if rising.shape != rates.shape:
            raise ConfigError(
                f"rate history: rising has shape {rising.shape} and rates {rates.shape}; wanted the same."
            )
        for name, array in (("rates", rates), ("rising", rising)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def of(
        cls, rates: ArrayLike, switch: int = 0, warmup: int | None = None, rewarm: int | None = None
    ) -> RateHistory:
        """A history from its rates; warm-ups are found where they are not given.

        Parameters
        ----------
        rates : array_like, shape (T,)
            Rate of every step.
        switch : int
            Steps of pre-training in front.
        warmup, rewarm : int, optional
            Steps of the warm-up in front and of the one after the switch. By default every step up to the
            first peak of either part, when that part begins with a rise.
        """
        table = np.asarray(rates, dtype=np.float64)
        rising = np.zeros(len(table), dtype=bool)
        front = _first_peak(table[:switch] if switch else table) if warmup is None else warmup
        rising[:front] = True
        if switch:
            again = _first_peak(table[switch:]) if rewarm is None else rewarm
            rising[switch : switch + again] = True
        return cls(table, switch, rising)

    @classmethod
    def logged(
        cls, steps: ArrayLike, rates: ArrayLike, warmup: int = 0, last: int | None = None
    ) -> RateHistory:
        """A history from logged rates, with the linear warm-up that the log leaves out.

        Between two logged steps the rate is interpolated; where it changes by more than `JUMP` at once, with
        no change on either side, it keeps its old value up to the middle. The warm-up rises from 0 to the
        rate at its end, or to the first logged rate where that stands inside it: no logged rate is changed.

        Parameters
        ----------
        steps, rates : array_like, shape (m,)
            Ascending steps and the rate in force at each; a rate at step 0 is where the first ones start.
        warmup : int
            Steps of a linear warm-up from 0.
        last : int, optional
            Last step; the last logged one by default.
        """
        step, rate = np.asarray(steps, dtype=np.float64), np.asarray(rates, dtype=np.float64)
        if step.shape != rate.shape or step.ndim != 1 or not len(step) or (np.diff(step) <= 0).any():
            raise DataError("logged rates: steps and rates must be equally many, and steps ascend.")
        if step[0] == 0 and len(step) > 1 and 0 < warmup < step[1]:
            step, rate = np.insert(step, 1, warmup), np.insert(rate, 1, rate[1])
        change = np.abs(np.diff(rate)) / rate.max()
        flat = np.concatenate([[True], change < 1e-9, [True]])
        jumps = np.flatnonzero((change > JUMP) & flat[:-2] & flat[2:])
        if step[0] == 0:  # the first rise is a warm-up
            jumps = jumps[jumps > 0]
        for jump in jumps[::-1]:
            middle = np.floor(0.5 * (step[jump] + step[jump + 1]))
            step = np.insert(step, jump + 1, [middle, middle + 1])
            rate = np.insert(rate, jump + 1, [rate[jump], rate[jump + 1]])
        every = np.arange(1.0, (last or int(step[-1])) + 1)
        laid = np.interp(every, step, rate)
        rise = min(warmup, int(step[0]), len(laid))
        if rise:
            laid[:rise] = np.linspace(0.0, laid[rise - 1], rise) if rise > 1 else laid[0]
        return cls.of(laid, warmup=warmup)

    def __len__(self) -> int:
        return len(self.rates)

    def __repr__(self) -> str:
        switch = f", switch at {self.switch}" if self.switch else ""
        return f"<{len(self)} rates, peak {self.peak:g}, warm-up {self.front}{switch}>"

    @cached_property
    def S1(self) -> Array:
        """Forward area: running sum of the rates, shape (T,)."""
        return np.cumsum(self.rates)

    @property
    def peak(self) -> float:
        """Highest rate."""
        return float(self.rates.max())

    @property
    def cpt_peak(self) -> float:
        """Highest rate of continual pre-training; of all steps where no pre-training is known."""
        return float(self.rates[self.switch :].max())

    @property
    def front(self) -> int:
        """Steps of the warm-up in front."""
        return len(self.rising) if self.rising.all() else int(np.argmin(self.rising))

    @property
    def tail(self) -> int:
        """Steps at rate 0 at the end."""
        return int(np.argmax(self.rates[::-1] > 0))

    def up_to(self, step: int) -> RateHistory:
        """The first `step` steps."""
        return RateHistory(self.rates[:step], min(self.switch, step - 1), self.rising[:step])


def _first_peak(rates: Array) -> int:
    """Steps of a rise in front, the first that reaches its top included; 0 without one."""
    rises = np.diff(rates) > 0
    top = 0 if rises.all() else int(np.argmin(rises))
    return top + 1 if top else 0


@dataclass(frozen=True, eq=False, repr=False)
class Curve:
    """Losses of one evaluation set along one history of rates.

    Attributes
    ----------
    name : str
        For messages.
    history : RateHistory
        The rates; at least as long as the last observed step.
    steps : ndarray of int, shape (n,)
        Observed steps of the joined history, ascending from 1: step j of continual pre-training is
        ``switch + j``, and ``switch`` the end of the base.
    loss : ndarray, shape (n,)
        Measured losses, nats per token.
    given : mapping
        Constants of the curve where known: N, r, s, tokens_per_step, L0, G0.
    group : str
        Curves of one group share a run or a prefix and are resampled together; its name by default.
    eval_set, side : str
        The evaluation set, and whether it is on the general or the domain side.

    Raises
    ------
    DataError
        When steps and losses do not match, a loss is not positive, or a step lies outside the history.
    """

    name: str
    history: RateHistory
    steps: Integers
    loss: Array
    given: Mapping[str, float] = field(default_factory=dict)
    group: str = ""
    eval_set: str = "general"
    side: str = "general"

    def __post_init__(self) -> None:
        steps, loss = np.array(self.steps, dtype=np.int64), np.array(self.loss, dtype=np.float64)
        where = f"curve {self.name}"
        if steps.ndim != 1 or steps.shape != loss.shape or not len(steps):
            raise DataError(f"{where}: steps {steps.shape} and losses {loss.shape}; wanted equally many.")
        if (np.diff(steps) <= 0).any():
            raise DataError(f"{where}: steps do not ascend.")
        if steps[0] < 1 or steps[-1] > len(self.history):
            raise DataError(
                f"{where}: observed at steps {steps[0]} to {steps[-1]}; wanted within the "
                f"{len(self.history)} steps of its history."
            )
        bad = np.flatnonzero(~(np.isfinite(loss) & (loss > 0)))
        if len(bad):
            raise DataError(f"{where}: the loss at step {steps[bad[0]]} is {loss[bad[0]]}; wanted above 0.")
        for name, array in (("steps", steps), ("loss", loss)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "given", MappingProxyType(dict(self.given)))
        if not self.group:  # a curve that shares with no other is a group of its own
            object.__setattr__(self, "group", self.name)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<curve {self.name}: {len(self)} losses of {self.eval_set} up to step {self.steps[-1]}>"

    def averaged(self, width: int) -> Curve:
        """Geometric means of `width` losses in a row, at their middle step; a rest at the end is left out.

        Training losses logged at every step are noisy and many: a law needs some hundreds of means.
        """
        count = len(self) // width if width > 0 else 0
        if not count:
            raise ConfigError(f"curve {self.name}: {len(self)} losses give no mean of {width}.")
        rows = slice(0, count * width)
        loss = np.exp(np.log(self.loss[rows]).reshape(count, width).mean(axis=1))
        steps = np.rint(self.steps[rows].reshape(count, width).mean(axis=1)).astype(np.int64)
        return replace(self, steps=steps, loss=loss)

    def take(self, rows: NDArray[np.bool_] | Integers) -> Curve:
        """The curve at some of its observed steps."""
        return replace(self, steps=self.steps[rows], loss=self.loss[rows])
