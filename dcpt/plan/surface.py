"""A fitted law as a plan sees it: its mean, its draws and what the target's base adds to their scatter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.fit.law_fit import LawFit
from dcpt.fit.law_inputs import law_inputs
from dcpt.fit.positive_loss import positive
from dcpt.plan.supply.repetition import Supply, shown_to

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_STEP = 0.01
"""Change of a log base loss over which a law's elasticity to it is taken."""

_ANY_TOKENS = 1e6
"""Unique tokens to read the other inputs off with."""


@dataclass(frozen=True, eq=False)
class Surface:
    """One law over N, D and r, for one target.

    Attributes
    ----------
    label : str
        What the plan calls the loss.
    fit : LawFit
        The fit.
    start : mapping of str to float
        Losses of the target's base that the law starts from.
    spreads : mapping of str to float
        Standard deviation of the logarithm of each of them, where it is not 0.
    shifts : mapping of str to ndarray, shape (draws,)
        Log of each draw's start loss over the one in `start`.
    rows : ndarray of int, shape (draws,)
        Draws of the fit, paired by the resample behind them with those of the plan's other laws.
    normals : ndarray, shape (draws,)
        Standard normal of each draw's log offset: an error of the law common to all ratios.
    supply : Supply, optional
        Pools that run out; repeated tokens then count for less.
    """

    label: str
    fit: LawFit
    start: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, Array] = field(default_factory=dict)
    rows: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    normals: Array = field(default_factory=lambda: np.empty(0))
    supply: Supply | None = None

    def mean(self, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> Array:
        """Loss of the point fit, shape (n,)."""
        if self.supply is None:
            return self.fit.mean(N, D, r, self.start)
        return positive(self.fit, self._limited(self.fit.theta[None], N, D, r, {})[0], N, D)

    @property
    def unlimited(self) -> Surface:
        """The law as if every token were fresh."""
        return self if self.supply is None else replace(self, supply=Supply())

    def means(self, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> Array:
        """Loss of every refit of the law from the base's point loss, shape (all draws, n)."""
        return self._losses(self.fit.draws, N, D, r, {})

    def draws(self, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> Array:
        """Loss of the paired draws, each from its own base and with its own offset, shape (draws, n)."""
        losses = self._losses(self.fit.draws[self.rows], N, D, r, self.shifts)
        noise = self.fit.log_noise(N, D, r, self.start)
        return np.asarray(losses * np.exp(self.normals[:, None] * noise))

    def log_noise(self, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> Array:
        """Standard deviation of a new log measurement, an uncertain base included, shape (n,)."""
        variance = self.fit.log_noise(N, D, r, self.start) ** 2
        for name, spread in self.spreads.items():
            moved = {**self.start, name: self.start[name] * float(np.exp(_STEP))}
            higher = self.fit.mean(N, D, r, moved)
            elasticity = np.log(higher / self.fit.mean(N, D, r, self.start)) / _STEP
            variance = variance + (elasticity * spread) ** 2
        return np.asarray(np.sqrt(variance))

    def _losses(
        self, theta: Array, N: ArrayLike, D: ArrayLike, r: ArrayLike, shifts: Mapping[str, Array]
    ) -> Array:
        if self.supply is not None:
            return self._limited(theta, N, D, r, shifts)
        return self._evaluate(theta, law_inputs(self.fit, N, D, r, self.start), shifts)

    def _limited(
        self, theta: Array, N: ArrayLike, D: ArrayLike, r: ArrayLike, shifts: Mapping[str, Array]
    ) -> Array:
        """Losses of runs on limited pools; see `dcpt.plan.supply.repetition.shown_to`."""
        assert self.supply is not None
        given = {"U": _ANY_TOKENS} if "U" in self.fit.law.inputs else {}
        known = law_inputs(self.fit, N, D, r, {**given, **self.start})
        tokens, ratios = np.broadcast_arrays(np.atleast_1d(D).astype(float), np.atleast_1d(r).astype(float))
        unit = self.fit.units.D
        found: Array | None = None
        for run in shown_to(self.fit.role, tokens, ratios, self.supply, "U" in self.fit.law.inputs):
            inputs = {**known, "D": run.D / unit, "s": run.s, "U": run.U / unit}
            losses = self._evaluate(theta, inputs, shifts)
            found = losses if found is None else np.maximum(found, losses)
        assert found is not None
        return found

    def _evaluate(self, theta: Array, inputs: Mapping[str, Array], shifts: Mapping[str, Array]) -> Array:
        """Losses for parameters of shape (draws, p); an input that does not vary is taken once."""
        law = self.fit.law
        count = max(len(column) for column in inputs.values())
        columns = []
        for name in law.inputs:
            column = inputs[name][:1] if np.ptp(inputs[name]) == 0 else inputs[name]
            columns.append(column * np.exp(shifts[name])[:, None] if name in shifts else column)
        found = law.compiled.value(*columns, *theta.T[:, :, None])
        return np.broadcast_to(np.asarray(found, dtype=np.float64), (len(theta), count))
