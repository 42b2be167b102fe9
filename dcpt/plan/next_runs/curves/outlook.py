"""How sure the answer is once some of the offered runs are bought, and what those runs cost together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve
from dcpt.plan.next_runs.curves.answer import Fits
from dcpt.plan.next_runs.curves.run import CurveRun, stretches
from dcpt.plan.next_runs.curves.told import Told, information

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outlook:
    """Runs on offer, what they tell, and which way the answer is pulled.

    Attributes
    ----------
    runs : tuple of CurveRun
        The runs.
    told : tuple of Told
        One per side.
    pulls : tuple of ndarray, shape (p,)
        Derivatives of the answer by each side's free parameters, in their units.
    member : ndarray of bool, shape (runs, stretches)
        Stretches of each run.
    prices : ndarray, shape (stretches,)
        Their FLOPs.
    lives : ndarray, shape (lives, stretches)
        1 where a stretch belongs to a life.
    """

    runs: tuple[CurveRun, ...]
    told: tuple[Told, ...]
    pulls: tuple[Array, ...]
    member: Mask
    prices: Array
    lives: Array

    @classmethod
    def of(
        cls,
        fits: Fits,
        curves: Mapping[str, Sequence[Curve]],
        pulls: Mapping[str, Array],
        runs: Sequence[CurveRun],
    ) -> Outlook:
        """Of fits to curves by side, the answer's slopes by all parameters, and runs on offer."""
        parts, member = stretches(runs)
        told = tuple(Told.of(fit, curves[side], runs, parts) for side, fit in fits.items())
        pulled = tuple(pulls[side][one.free] * one.size for side, one in zip(fits, told, strict=True))
        count = max((part.life for part in parts), default=-1) + 1
        lives = np.array([[float(part.life == life) for part in parts] for life in range(count)])
        prices = np.array([part.flops for part in parts])
        return cls(tuple(runs), told, pulled, member, prices, lives.reshape(count, len(parts)))

    def none(self) -> Mask:
        """Nothing bought."""
        return np.zeros(len(self.runs), dtype=bool)

    def everything(self) -> Mask:
        """One of every run on offer."""
        return np.ones(len(self.runs), dtype=bool)

    def flops(self, sets: Mask) -> Array:
        """Training FLOPs of sets of runs, shape (...,): what they share is trained once."""
        return np.asarray(self._parts(sets) @ self.prices)

    def variance(self, sets: Mask) -> Array:
        """First-order variance of the answer after sets of runs, shape (...,) for sets (..., runs)."""
        parts = self._parts(sets)
        total = np.zeros(parts.shape[:-1])
        for told, pull in zip(self.told, self.pulls, strict=True):
            squares = np.tensordot(parts, told.squares, axes=1)
            by_life = parts[..., None, :] * self.lives
            known = told.there + information(
                told.scatter, squares, by_life @ told.sums, by_life @ told.counts
            )
            along = np.broadcast_to(pull[:, None], (*known.shape[:-1], 1))
            total = total + (along * np.linalg.solve(known, along)).sum(axis=(-2, -1))
        return np.asarray(total)

    def with_each(self, have: Mask) -> tuple[NDArray[np.int64], Mask]:
        """Numbers of the runs that are not bought, and the sets with each of them, shape (n, runs)."""
        rest = np.flatnonzero(~have)
        sets = np.repeat(have[None], len(rest), axis=0)
        sets[np.arange(len(rest)), rest] = True
        return rest, sets

    def without_each(self, have: Mask) -> tuple[NDArray[np.int64], Mask]:
        """Numbers of the runs that are bought, and the sets without each of them, shape (n, runs)."""
        there = np.flatnonzero(have)
        sets = np.repeat(have[None], len(there), axis=0)
        sets[np.arange(len(there)), there] = False
        return there, sets

    def _parts(self, sets: Mask) -> Array:
        return np.asarray((np.asarray(sets, dtype=np.float64) @ self.member > 0), dtype=np.float64)
