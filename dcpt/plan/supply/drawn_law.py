"""A fitted law at one size, at points of its own in every bootstrap draw."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.law_fit import LawFit
from dcpt.fit.law_inputs import law_inputs
from dcpt.plan.supply.repetition import Supply, shown_to

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Members = slice | Integers
"""Which of the point fit (number 0) and the draws (1 and on)."""

_ANY_TOKENS, _ANY_SHARE = 1e6, 0.5
"""A run to read the inputs off that do not depend on it."""


@dataclass(frozen=True, eq=False)
class DrawnLaw:
    """One law at one model size: its point fit and draws that are paired with those of other laws.

    Parameters
    ----------
    name : str
        Evaluation set, or what the loss is called in an answer.
    fit : LawFit
        The fit.
    N : float
        Non-embedding parameters.
    rows : ndarray of int, shape (draws,)
        Rows of ``fit.draws``; row i of every law of a question comes from one resample of the runs.
    start : mapping
        L0 and G0 at the target, where they are known; else the fit's bases are asked.
    shifts : mapping of str to ndarray, shape (draws,)
        Log of each draw's start loss over the one in `start`: an uncertain base.
    offsets : ndarray, shape (draws,), optional
        Log offset of each draw's losses: the law's error at the target.

    Raises
    ------
    ConfigError
        When the arrays differ in length, or the law lacks an input.
    """

    name: str
    fit: LawFit
    N: float
    rows: Integers
    start: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, Array] = field(default_factory=dict)
    offsets: Array | None = None
    _theta: Array = field(init=False, repr=False)
    _fixed: dict[str, Array] = field(init=False, repr=False)
    _offset: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.rows)
        for what, given in (*self.shifts.items(), ("its offset", self.offsets)):
            if given is not None and len(given) != count:
                raise ConfigError(f"law of {self.name}: {len(given)} draws of {what} for {count} of the law.")
        law = self.fit.law
        theta = np.vstack([self.fit.theta[None], self.fit.draws[np.asarray(self.rows, dtype=np.int64)]])
        given_U = {"U": _ANY_TOKENS} if "U" in law.inputs else {}
        known = law_inputs(self.fit, self.N, _ANY_TOKENS, _ANY_SHARE, {**given_U, **self.start})
        fixed: dict[str, Array] = {}
        for name, value in known.items():
            if name in ("D", "s", "r", "U"):
                continue
            column = np.full(1 + count, float(value[0]))
            if name in self.shifts:
                column[1:] *= np.exp(self.shifts[name])
            fixed[name] = column
        offset = np.ones(1 + count)
        if self.offsets is not None:
            offset[1:] = np.exp(self.offsets)
        object.__setattr__(self, "_theta", theta.T.copy())
        object.__setattr__(self, "_fixed", fixed)
        object.__setattr__(self, "_offset", offset)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.rows)

    @property
    def measures_repetition(self) -> bool:
        """Whether the decay of repeated tokens is a fitted parameter of the law."""
        return "U" in self.fit.law.inputs and "R_D" in self.fit.law.names

    @classmethod
    def between(cls, N: float, laws: Sequence[DrawnLaw], weights: Sequence[float]) -> DrawnLaw:
        """The law at a size between those of others, their start losses and offsets weighted in logs.

        Parameters
        ----------
        N : float
            The size.
        laws : sequence of DrawnLaw
            The same law at sizes around it.
        weights : sequence of float
            Weights of an interpolation in log N; they add up to 1.
        """
        made = copy.copy(laws[0])
        fixed: dict[str, Array] = {}
        for name in laws[0]._fixed:
            logs = [weight * np.log(law._fixed[name]) for law, weight in zip(laws, weights, strict=True)]
            fixed[name] = np.asarray(np.exp(sum(logs)))
        if "N" in fixed:
            fixed["N"] = np.full(1 + made.draws, N / made.fit.units.N)
        offsets = [weight * np.log(law._offset) for law, weight in zip(laws, weights, strict=True)]
        for name, value in (("N", N), ("_fixed", fixed), ("_offset", np.exp(sum(offsets)))):
            object.__setattr__(made, name, value)
        return made

    def losses(self, members: Members, D: Array, r: Array, supply: Supply) -> Array:
        """Loss of a run on limited pools; infinite where the law has no positive one.

        Parameters
        ----------
        members : slice or ndarray of int
            The b members to evaluate.
        D, r : ndarray
            Training tokens and domain share, with a first axis of 1 or b and as many axes.
        supply : Supply
            The pools.

        Returns
        -------
        ndarray, first axis b
        """
        runs = shown_to(self.fit.role, D, r, supply, "U" in self.fit.law.inputs)
        found = self._at(members, *runs[0], r)
        for run in runs[1:]:
            found = np.maximum(found, self._at(members, *run, r))
        return found

    def _at(self, members: Members, D: Array, s: Array, U: Array, r: Array) -> Array:
        theta, offset = self._theta[:, members], self._offset[members]
        lift = (...,) + (None,) * (D.ndim - 1)
        unit = self.fit.units.D
        points = {"D": D / unit, "s": s, "r": r, "U": U / unit}
        law = self.fit.law
        columns = [
            points[name] if name in points else self._fixed[name][members][lift] for name in law.inputs
        ]
        with np.errstate(all="ignore"):
            loss = law.compiled.value(*columns, *theta[(slice(None), *lift)])
            loss = np.asarray(loss * offset[lift], dtype=np.float64)
        shape = (theta.shape[1], *np.broadcast_shapes(D.shape, r.shape)[1:])
        loss = np.broadcast_to(loss, shape)
        return loss if (loss > 0).all() and np.isfinite(loss.sum()) else np.where(loss > 0, loss, np.inf)
