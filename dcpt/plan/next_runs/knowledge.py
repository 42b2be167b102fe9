"""How sure the ratio will be once runs are bought: a linear update of the draws, run after run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.next_runs.belief import Belief
from dcpt.plan.next_runs.candidate import Candidate
from dcpt.plan.next_runs.law_error import LawError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Covariance of the ratio and the losses of all candidates, and the law's error.

    Attributes
    ----------
    belief : Belief
        What it started from.
    candidates : tuple of Candidate
        All candidates.
    anomalies : ndarray, shape (k, 1 + points)
        Root of the covariance of the ratio, then of every log loss of every candidate, evaluation set by
        evaluation set, conditioned on what was bought; see `Belief.moves`.
    law_error : LawError or None
        After what was bought.
    places : tuple of ndarray of int
        Columns of each candidate's losses.
    scale : float
        Variance of the ratio over the draws, relative to that of the anomalies.
    """

    belief: Belief
    candidates: tuple[Candidate, ...]
    anomalies: Array
    law_error: LawError | None
    places: tuple[Integers, ...]
    scale: float

    @classmethod
    def of(cls, belief: Belief, candidates: Sequence[Candidate]) -> Knowledge:
        """What is known before anything is bought."""
        moves = belief.moves(candidates)
        sizes = [len(candidate.runs) for candidate in candidates]
        ends = np.cumsum([0, *sizes])
        count = len(belief.fits)
        places = tuple(
            np.concatenate([1 + k * ends[-1] + np.arange(ends[i], ends[i + 1]) for k in range(count)])
            for i in range(len(candidates))
        )
        now = float(moves[:, 0] @ moves[:, 0])
        scale = belief.parameter_sd**2 / now if now > 0 else 1.0
        return cls(belief, tuple(candidates), moves, belief.law_error, places, scale)

    @property
    def parameter_variance(self) -> float:
        """Variance of the ratio for the parameters of the laws."""
        return self.scale * float(self.anomalies[:, 0] @ self.anomalies[:, 0])

    @property
    def variance(self) -> float:
        """Variance of the ratio: the parameters, and the law's error at the target."""
        return self.parameter_variance + self._law_variance(self.law_error)

    def variances_after(self) -> Array:
        """Variance of the ratio after each candidate alone, shape (candidates,)."""
        left = []
        for number, candidate in enumerate(self.candidates):
            seen = self.anomalies[:, self.places[number]]
            along = seen.T @ self.anomalies[:, 0]
            gain = self.scale * along @ np.linalg.solve(seen.T @ seen + self._noise(candidate), along)
            law = self._law_variance(self.law_error_after(candidate))
            left.append(max(self.parameter_variance - float(gain), 0.0) + law)
        return np.array(left)

    def buy(self, number: int) -> Knowledge:
        """What is known once a candidate is bought.

        The anomalies are transformed by the symmetric square root of the ensemble update (Bishop, Etherton
        and Majumdar 2001, Mon. Weather Rev. 129:420; Wang, Bishop and Julier 2004, ibid. 132:1590): they keep
        their number, and their covariance becomes that of the linear-Gaussian posterior.
        """
        candidate = self.candidates[number]
        seen = self.anomalies[:, self.places[number]]
        white = np.linalg.solve(np.linalg.cholesky(self._noise(candidate)), seen.T)  # (m, draws)
        left, scale, _ = np.linalg.svd(white.T, full_matrices=False)
        shrink = 1 - 1 / np.sqrt(1 + scale**2)
        moved = self.anomalies - left @ (shrink[:, None] * (left.T @ self.anomalies))
        return replace(self, anomalies=moved, law_error=self.law_error_after(candidate))

    def informations(self) -> Array:
        """What every candidate tells of the anomalies' combinations, shape (candidates, k, k)."""
        found = []
        for number, candidate in enumerate(self.candidates):
            seen = self.anomalies[:, self.places[number]]
            found.append(seen @ np.linalg.solve(self._noise(candidate), seen.T))
        return np.array(found)

    def variance_with(self, precision: Array) -> Array:
        """Variance of the ratio for the parameters, for precisions of shape (..., k, k)."""
        along = np.broadcast_to(self.anomalies[:, :1], (*precision.shape[:-1], 1))
        return np.asarray(self.scale * (along * np.linalg.solve(precision, along)).sum(axis=(-2, -1)))

    def law_variance_after(self, points: Sequence[tuple[float, float]]) -> float:
        """Variance of the ratio for the law's error once runs of (N, longest D) are bought."""
        error = self.law_error
        if error is not None and points:
            N, D = zip(*points, strict=True)
            error = error.after(N, D, range(len(points)))
        return self._law_variance(error)

    def beyond(self, point: tuple[float, float]) -> bool:
        """Whether a run of (N, longest D) goes beyond those there are, so that the law's error may move."""
        error = self.law_error
        return error is not None and any(x > error.top[name] for name, x in zip("ND", point, strict=True))

    def law_error_after(self, candidate: Candidate) -> LawError | None:
        """The law's error at the target after a candidate."""
        if self.law_error is None:
            return None
        N, D, _ = candidate.points
        return self.law_error.after(N.tolist(), D.tolist(), candidate.runs.tolist())

    def _law_variance(self, error: LawError | None) -> float:
        return 0.0 if error is None else (self.belief.slope * error.sd) ** 2

    def _noise(self, candidate: Candidate) -> Array:
        """Covariance of what a candidate's losses say beyond the parameters, shape (k n, k n) for k sets."""
        N, D, _ = candidate.points
        n = len(N)
        total = np.zeros((len(self.belief.fits) * n, len(self.belief.fits) * n))
        for number, (name, fit) in enumerate(self.belief.fits.items()):
            # Beyond the range the law errs by itself, by the same in all losses of a size.
            error = self.law_error if name == self.belief.nearest else None
            error = LawError.of(fit, N[0], D[0]) if error is None else error
            beyond = np.hypot(error.along("N", N), error.along("D", D))
            part = slice(number * n, (number + 1) * n)
            noise = self.belief.noise[name].covariance(candidate.runs)
            total[part, part] = noise + np.outer(beyond, beyond)
        return total
