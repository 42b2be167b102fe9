"""A history of pre-training and continual pre-training, as the terms of the dynamics laws read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.annealing import ANNEALING_MEMORY, Policy, Rewarm, laid_rates, momentum_area, rate_drops
from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError
from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.fall_kernel import FallKernel
from dcpt.laws.curves.kernel import Falls, falls_of

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LATE_KEYS = ("s_late", "late")
"""Keys of `Curve.given` for a mixture that changes once: the later share, and the step of the joined history
from which on it is in force."""


@dataclass(frozen=True, eq=False)
class Annealing:
    """The falls of the rate in one stretch of a history, under one kernel.

    Attributes
    ----------
    kernel : FallKernel
        How the gain of a fall builds up.
    area : ndarray, shape (n,), or None
        What they have gained at the observed steps, where the kernel has no parameters.
    falls : Falls or None
        The falls otherwise.
    total : float
        Sum of the falls.
    rows : ndarray of int, shape (n,), or None
        Row of the falls that each observed step reads, -1 where it has none; the steps themselves if None.
    """

    kernel: FallKernel
    area: Array | None
    falls: Falls | None
    total: float
    rows: Integers | None = None

    def endless(self) -> Annealing:
        """The same falls with an endless age and area behind them."""
        if self.falls is None:
            assert self.area is not None
            # The whole gain of a unit fall under the memory that needs no parameter.
            whole = self.total / (1.0 - ANNEALING_MEMORY)
            return replace(self, area=np.full_like(self.area, whole))
        far = np.full_like(self.falls.steps, np.inf)
        return replace(self, falls=replace(self.falls, steps=far, forward=far))

    def gain(self, psi: Values) -> Array:
        """Sum of the falls, each times the kernel's weight, shape (n,)."""
        if self.falls is None:
            assert self.area is not None
            return self.area
        falls = self.falls
        return self._gathered(self._sizes(psi), self.kernel.weight(falls.steps, falls.forward, psi))

    def growth(self, psi: Values) -> tuple[Array, Mapping[str, Array]]:
        """`gain`, and its derivatives by the parameters of the kernel, each of shape (n,)."""
        if self.falls is None:
            gain = self.gain(psi)
            return gain, {name: np.zeros_like(gain) for name in self.kernel.shapes}
        falls, kernel, sizes = self.falls, self.kernel, self._sizes(psi)
        weight, slopes = kernel.growth(falls.steps, falls.forward, psi)
        found = {name: self._gathered(sizes, slope) for name, slope in slopes.items()}
        if kernel.curved:
            turn = kernel.size_power_slope(falls.high, falls.low, psi)
            found["p"] = self._gathered(np.append(turn, 0.0)[falls.source], weight)
        return self._gathered(sizes, weight), found

    def _sizes(self, psi: Values) -> Array:
        """What the fall of every pair counts as."""
        assert self.falls is not None
        if not self.kernel.curved:
            return self.falls.mass
        sizes = self.kernel.size(self.falls.high, self.falls.low, psi)
        return np.asarray(np.append(sizes, 0.0)[self.falls.source])

    def _gathered(self, sizes: Array, values: Array) -> Array:
        """Sums over the falls behind every observed step."""
        assert self.falls is not None
        sums = np.add.reduceat(sizes * values, self.falls.first)
        return np.asarray(sums if self.rows is None else np.append(sums, 0.0)[self.rows])


@dataclass(frozen=True, eq=False)
class MixturePhase:
    """A stretch of continual pre-training under one mixture.

    Attributes
    ----------
    share : float
        Share of the tokens from the side the loss is measured on; nan when the curve does not say.
    start, end : ndarray, shape (n,)
        Forward area of continual pre-training at which the stretch begins, and that it has reached, at
        each observed step; equal before it begins.
    annealing : Annealing
        Falls of the rate in the stretch.
    """

    share: float
    start: Array
    end: Array
    annealing: Annealing


@dataclass(frozen=True, eq=False)
class TwoPhases:
    """What the dynamics laws keep of one curve.

    Attributes
    ----------
    S : ndarray, shape (n,)
        Forward area of the whole history; of continual pre-training alone when pre-training is unknown.
    pre : Annealing or None
        Falls of the rate in pre-training; they go on gaining after the switch. None when unknown.
    phases : tuple of MixturePhase
        Continual pre-training, one entry per mixture.
    side : str
        Whose loss it is.
    millions : float
        Non-embedding parameters in millions; nan when the curve does not say.
    """

    S: Array
    pre: Annealing | None
    phases: tuple[MixturePhase, ...]
    side: str
    millions: float

    def endless(self) -> TwoPhases:
        """The same curve after endless training at its last rate: no limit to the area, all gains in."""
        far = np.full_like(self.S, np.inf)
        last = self.phases[-1]
        phases = (
            *(replace(phase, annealing=phase.annealing.endless()) for phase in self.phases[:-1]),
            replace(last, end=far, annealing=last.annealing.endless()),
        )
        pre = None if self.pre is None else self.pre.endless()
        return replace(self, S=far, pre=pre, phases=phases)

    @classmethod
    def of(
        cls,
        history: RateHistory,
        steps: Integers,
        given: Values,
        side: str,
        kernel: FallKernel,
        policy: Policy,
        rewarm: Rewarm,
        known: bool = True,
    ) -> TwoPhases:
        """Read a history; with ``known=False`` what stands before the switch is left out, as if unknown."""
        switch, rates = history.switch, laid_rates(history, policy)
        if known:
            drops = rate_drops(history, policy, rewarm)
        else:  # the base is taken to have ended at a rate of 0, so that all of the first rate is a rise
            rates, steps, switch = rates[switch:], steps - switch, 0
            drops = -np.diff(rates, prepend=0.0)
            if rewarm == "skip":
                drops[history.rising[history.switch :]] = 0.0
        if (steps < 1).any():
            raise ConfigError("a law of an unknown base has no loss before continual pre-training.")
        S1 = np.cumsum(rates)
        edges = [switch, len(rates)]
        shares = [float(given.get("s", np.nan))]
        late = _late_step(given, history)
        if late is not None:
            edges.insert(1, late - 1 - (history.switch - switch))
            shares.append(float(given["s_late"]))

        def annealing(first: int, last: int) -> Annealing:
            part = np.zeros_like(drops)
            part[first:last] = drops[first:last]
            if not part.any():
                return Annealing(kernel, np.zeros(len(steps)), None, 0.0)
            if not kernel.shapes:
                return Annealing(kernel, momentum_area(part)[steps - 1], None, float(part.sum()))
            return Annealing(kernel, None, falls_of(history, part, rates, steps), float(part.sum()))

        area = S1[steps - 1]
        before = np.concatenate([[0.0], S1])
        origin = before[switch]
        phases = tuple(
            MixturePhase(
                share,
                np.full(len(steps), before[first] - origin),
                np.clip(area, before[first], before[last]) - origin,
                annealing(first, last),
            )
            for share, first, last in zip(shares, edges, edges[1:], strict=False)
        )
        pre = annealing(0, switch) if known else None
        return cls(area, pre, phases, side, float(given.get("N", np.nan)) / 1e6)


def _late_step(given: Values, history: RateHistory) -> int | None:
    """First step of the later mixture, if there is one."""
    got = [key for key in LATE_KEYS if key in given]
    if not got:
        return None
    if len(got) < len(LATE_KEYS) or "s" not in given:
        raise ConfigError(
            f"a mixture that changes needs s, s_late and late; got {', '.join(key for key in given)}.",
            hint="s is the first share, s_late the later one, late the step it begins with",
        )
    late = int(given["late"])
    if not history.switch < late <= len(history):
        raise ConfigError(
            f"the later mixture begins with step {late}; wanted a step of continual pre-training, "
            f"{history.switch + 1} to {len(history)}."
        )
    return late
