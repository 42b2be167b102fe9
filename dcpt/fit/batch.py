"""Many fits at once: a bounded Levenberg-Marquardt method over a batch of starts and weight vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.evaluator import Evaluator
from dcpt.fit.step import Step, bend, bounded_step

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ITERATIONS = 400
"""Most steps of one member; the D-CPT law takes about 15 from a neighbouring optimum."""

GAIN = 1e-9
"""Share of the objective that a step must promise or gain for a member to go on."""

ROUGH = 1e-3
"""The same under the thresholds that only lead the way."""

ELEMENTS = 30_000
"""Rows times members that are worked on at once: the arrays then stay in the processor's cache."""

OUTSIDE = 1e-3
"""Share of their reweighted curvature that rows beyond the threshold lend to a step."""

_PATIENCE = 2
_EXACT = 1e-27  # per row: log residuals of 1e-13, which is as exact as sums of rounded terms get
_FIRST = 1e-3
_DAMPING = (1e-12, 1e10)
_PROBE = 0.1
_LARGEST = 1e100
_PER_SLOT = ("live", "u", "value", "damping", "failed", "stage", "quiet", "age", "residual", "factor")
_BENT = 0.75


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """Ends of a batch.

    Attributes
    ----------
    u : ndarray, shape (b, q)
        Free parameters.
    objective : ndarray, shape (b,)
        Weighted sum of the Huber losses.
    converged : ndarray of bool, shape (b,)
        Whether the last steps promised no more than the gain asked for.
    steps : ndarray of int, shape (b,)
        Steps taken.
    """

    u: Array
    objective: Array
    converged: Mask
    steps: NDArray[np.int64]


def minimise(
    evaluator: Evaluator,
    starts: Array,
    box: tuple[Array, Array],
    deltas: Sequence[float],
    weights: Array | None = None,
    gain: float = GAIN,
) -> BatchSolution:
    """Minimise the Huber loss of the log residuals from every start, or for every weight vector.

    Each step solves with the curvature of the rows inside the Huber threshold plus a small share of
    the reweighted curvature of the others, and is bent along the curvature of the law (geodesic
    acceleration; Transtrum and Sethna 2012, arXiv:1201.5885, Sec. 4): the valleys of these laws are
    long and curved. Members that converge make room for those that wait.

    Parameters
    ----------
    evaluator : Evaluator
        Law and data.
    starts : ndarray, shape (b, q)
        Where each member starts.
    box : (lower, upper)
        Bounds, each of shape (q,) or (b, q).
    deltas : sequence of float
        Huber thresholds, run through one after the other; the last defines the result.
    weights : ndarray, shape (b, n), optional
        How often each row of the data counts, in the data's order.
    gain : float
        Relative gain below which a member ends.
    """
    work = _Work(evaluator, starts, box, np.asarray(deltas, dtype=np.float64), weights, gain)
    while work.live.size:
        work.advance()
    return BatchSolution(work.ends, work.objective, work.converged, work.taken)


class _Work:
    """The members that are being worked on, in slots; `live` holds the member in each slot."""

    def __init__(
        self,
        evaluator: Evaluator,
        starts: Array,
        box: tuple[Array, Array],
        deltas: Array,
        weights: Array | None,
        gain: float,
    ) -> None:
        count, q = starts.shape
        self.evaluator, self.deltas, self.gain = evaluator, deltas, gain
        self.lower, self.upper = (np.broadcast_to(bound, starts.shape) for bound in box)
        self.weights = weights
        self.ends = np.clip(starts, self.lower, self.upper)
        self.objective = np.full(count, np.inf)
        self.converged = np.zeros(count, dtype=bool)
        self.taken = np.zeros(count, dtype=np.int64)
        n = len(evaluator)
        slots = min(count, max(1, ELEMENTS // max(n, 1)))
        self.live = np.arange(slots)
        self.next = slots
        self.u = self.ends[:slots].copy()
        self.step = np.zeros((slots, q))
        self.promised = np.zeros(slots)
        self.value = np.full(slots, np.inf)
        self.damping = np.full(slots, _FIRST)
        self.failed = np.zeros(slots, dtype=bool)
        self.stage = np.zeros(slots, dtype=np.int64)
        self.quiet = np.zeros(slots, dtype=np.int64)
        self.age = np.zeros(slots, dtype=np.int64)
        self.residual = np.zeros((slots, n))
        self.factor = np.zeros((slots, q))
        self.columns = np.zeros((q, slots, n))
        self.spare = np.empty_like(self.columns)
        self.scaled = np.empty_like(self.columns)
        self.w = None if weights is None else weights[:slots, evaluator.order]

    def advance(self) -> None:
        """Try the step of every member, judge it, and make the next."""
        lower, upper = self.lower[self.live], self.upper[self.live]
        trial = np.clip(self.u + self.step, lower, upper)
        residual, factor = self.evaluator.columns(trial, self.spare)
        value = self._objective(residual)
        fresh = np.isinf(self.value)
        better = value < self.value
        gained = np.where(better, self.value - value, 0.0)
        self._accept(better, trial, residual, factor, value)
        last = self.stage == len(self.deltas) - 1
        goal = np.where(last, self.gain, np.maximum(self.gain, ROUGH))
        small = np.maximum(self.promised, gained) <= goal * self.value + _EXACT * len(self.evaluator)
        small &= ~fresh
        self.quiet = np.where(small, self.quiet + 1, 0)
        ratio = gained / np.maximum(self.promised, 1e-300)
        # A step after a failed one keeps its damping: in a bent valley the next would fail again.
        faith = np.where(ratio > 0.75, np.where(self.failed, 1.0, 0.1), np.where(ratio > 0.25, 0.5, 2.0))
        change = np.where(better, faith, 5.0)
        self.failed = ~better
        self.damping = np.where(fresh, self.damping, np.clip(self.damping * change, *_DAMPING))
        self.age += 1
        lost = ~np.isfinite(self.value)
        done = (self.quiet >= np.where(last, _PATIENCE, 1)) | (self.age >= ITERATIONS)
        self._lower_threshold(done & ~last & ~lost)
        self._retire((done & last) | lost)
        if self.live.size:
            self._make_steps()

    def _threshold(self) -> Array:
        return self.deltas[self.stage][:, None]

    def _objective(self, residual: Array) -> Array:
        inner = np.clip(residual, -self._threshold(), self._threshold())
        loss = residual - 0.5 * inner
        loss *= inner
        return np.asarray(loss.sum(axis=1) if self.w is None else np.vecdot(loss, self.w))

    def _accept(self, better: Mask, u: Array, residual: Array, factor: Array, value: Array) -> None:
        worse = np.flatnonzero(~better)
        if len(worse):
            u[worse], residual[worse] = self.u[worse], self.residual[worse]
            factor[worse], value[worse] = self.factor[worse], self.value[worse]
            self.spare[:, worse] = self.columns[:, worse]
        self.u, self.residual, self.factor, self.value = u, residual, factor, value
        self.columns, self.spare = self.spare, self.columns

    def _lower_threshold(self, which: Mask) -> None:
        if which.any():
            self.stage[which] += 1
            self.quiet[which] = 0
            self.value[which] = self._objective(self.residual)[which]

    def _retire(self, done: Mask) -> None:
        slots = np.flatnonzero(done)
        if not len(slots):
            return
        members = self.live[slots]
        self.ends[members] = self.u[slots]
        self.objective[members] = self.value[slots]
        self.converged[members] = self.quiet[slots] >= _PATIENCE
        self.taken[members] = self.age[slots]
        fresh = np.arange(self.next, min(self.next + len(slots), len(self.ends)))
        self.next += len(fresh)
        into = slots[: len(fresh)]
        self.live[into] = fresh
        self.u[into] = self.ends[fresh]
        self.value[into], self.damping[into], self.failed[into] = np.inf, _FIRST, False
        self.stage[into], self.quiet[into], self.age[into] = 0, 0, 0
        if self.w is not None and self.weights is not None and len(fresh):
            self.w[into] = self.weights[fresh][:, self.evaluator.order]
        empty = slots[len(fresh) :]
        if len(empty):
            self._close(empty)

    def _close(self, empty: NDArray[np.int64]) -> None:
        stay = np.setdiff1d(np.arange(len(self.live)), empty)
        for name in _PER_SLOT:
            setattr(self, name, getattr(self, name)[stay])
        if self.w is not None:
            self.w = self.w[stay]
        self.columns = np.ascontiguousarray(self.columns[:, stay])
        self.spare, self.scaled = np.empty_like(self.columns), np.empty_like(self.columns)

    def _make_steps(self) -> None:
        delta, residual = self._threshold(), self.residual
        inner = np.clip(residual, -delta, delta)
        size = np.maximum(np.abs(residual), delta)
        # Where steps fail the share of the outer rows grows up to plain reweighting, which always descends.
        curvature = np.clip(self.damping, OUTSIDE, 1.0)[:, None] * delta / size
        np.copyto(curvature, 1.0, where=size <= delta)
        if self.w is not None:
            inner *= self.w
            curvature *= self.w
        gradient, gram = self._normal_equations(inner, curvature)
        if not np.isfinite(gram.sum()):  # a term that overflows in some row has no slope there
            np.nan_to_num(self.columns, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            np.clip(self.columns, -_LARGEST, _LARGEST, out=self.columns)
            gradient, gram = self._normal_equations(inner, curvature)
        lower, upper = self.lower[self.live], self.upper[self.live]
        step = bounded_step(gram, gradient, self.damping, lower - self.u, upper - self.u)
        self.step, self.promised = step.u, np.maximum(step.promised, 0.0)
        self._bend(step, gram, curvature, residual)
        self.step[np.isinf(self.value)] = 0.0

    def _normal_equations(self, inner: Array, curvature: Array) -> tuple[Array, Array]:
        """Gradient, shape (b, q), and weighted sums of products of the columns, (b, q, q)."""
        gradient = np.vecdot(self.columns, inner).T * self.factor
        np.multiply(self.columns, curvature, out=self.scaled)
        q, slots, _ = self.columns.shape
        gram = np.empty((slots, q, q))
        for i in range(q):
            row = np.vecdot(self.scaled[i], self.columns[: i + 1]).T
            gram[:, i, : i + 1] = row
            gram[:, : i + 1, i] = row
        gram *= self.factor[:, :, None]
        gram *= self.factor[:, None, :]
        return gradient, gram

    def _bend(self, step: Step, gram: Array, curvature: Array, residual: Array) -> None:
        """Add half the geodesic acceleration where it is small against the step."""
        ahead = self.evaluator.residual(self.u + _PROBE * step.u)
        ahead -= residual
        ahead *= 1.0 / _PROBE
        # J^T W (second derivative along the step), by a difference: 2/h (r(u + h v) - r(u)) / h - J v)
        pulled = np.vecdot(self.scaled, ahead).T * self.factor
        second = 2.0 / _PROBE * (pulled - (gram @ step.u[..., None])[..., 0])
        extra = 0.5 * bend(step, second)
        size = np.sqrt(((extra * step.scale) ** 2).sum(axis=1))
        length = np.sqrt(((step.u * step.scale) ** 2).sum(axis=1))
        mild = (2 * size <= _BENT * length)[:, None]
        self.step = np.where(mild & np.isfinite(extra), step.u + extra, step.u)
