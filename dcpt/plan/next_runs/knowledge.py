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
    anomalies : ndarray, shape (draws, 1 + points)
        Deviations from the mean over the draws, over the root of their number less 1: of the ratio, then of
        every log loss of every candidate, evaluation set by evaluation set, conditioned on what was bought.
    law_error : LawError or None
        After what was bought.
    places : tuple of ndarray of int
        Columns of each candidate's losses.
    """

    belief: Belief
    candidates: tuple[Candidate, ...]
    anomalies: Array
    law_error: LawError | None
    places: tuple[Integers, ...]

    @classmethod
    def of(cls, belief: Belief, candidates: Sequence[Candidate]) -> Knowledge:
        """What is known before anything is bought."""
        found = belief.losses(candidates)
        joint = np.column_stack([belief.ratio, *found.values()])
        anomalies = (joint - joint.mean(axis=0)) / np.sqrt(len(joint) - 1)
        sizes = [len(candidate.runs) for candidate in candidates]
        ends = np.cumsum([0, *sizes])
        places = tuple(
            np.concatenate([1 + k * ends[-1] + np.arange(ends[i], ends[i + 1]) for k in range(len(found))])
            for i in range(len(candidates))
        )
        return cls(belief, tuple(candidates), anomalies, belief.law_error, places)

    @property
    def parameter_variance(self) -> float:
        """Variance of the ratio for the parameters of the laws."""
        return float(self.anomalies[:, 0] @ self.anomalies[:, 0])

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
            gain = along @ np.linalg.solve(seen.T @ seen + self._noise(candidate), along)
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
            beyond = [np.hypot(error.at("N", x)[0], error.at("D", y)[0]) for x, y in zip(N, D, strict=True)]
            part = slice(number * n, (number + 1) * n)
            noise = self.belief.noise[name].covariance(candidate.runs)
            total[part, part] = noise + np.outer(beyond, beyond)
        return total
