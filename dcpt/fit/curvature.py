"""The scaled Jacobian at the optimum: what the rows tell about each free parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.objective import Problem
from dcpt.fit.solve import Solution

Array = NDArray[np.float64]

RANK = 1e-9
"""Smallest singular value of the scaled Jacobian, relative to the largest, of a full-rank design;
two model sizes give 1e-16, the hardest designs with a unique optimum about 1e-6."""


@dataclass(frozen=True, eq=False)
class Curvature:
    """Singular values of the Jacobian of the log residuals, its columns scaled to length 1.

    Attributes
    ----------
    names : tuple of str
        The q free parameters inside their bounds that move any row.
    idle : tuple of str
        Free parameters inside their bounds that move none.
    singular : ndarray, shape (q,)
        Singular values, descending.
    weakest : ndarray, shape (q,)
        The direction of the smallest one, of length 1.
    correlation : ndarray, shape (q, q)
        Correlations of the parameters to first order; nan when the Jacobian lacks rank.
    """

    names: tuple[str, ...]
    idle: tuple[str, ...]
    singular: Array
    weakest: Array
    correlation: Array

    @property
    def rank(self) -> int:
        """Directions in which the rows hold the parameters."""
        return int((self.singular >= RANK * self.singular[0]).sum()) if len(self.singular) else 0

    @property
    def full_rank(self) -> bool:
        """Whether every parameter that moves a row is held."""
        return self.rank == len(self.names)

    @property
    def condition(self) -> float:
        """Largest over smallest singular value; infinite without full rank, 1 without parameters."""
        if not len(self.singular):
            return 1.0
        return float(self.singular[0] / self.singular[-1]) if self.full_rank else float("inf")

    def pairs(self, above: float) -> list[tuple[str, str, float]]:
        """Pairs of parameters whose correlation is larger in size than `above`, the strongest first."""
        found = [
            (self.names[j], self.names[i], float(self.correlation[i, j]))
            for i in range(len(self.names))
            for j in range(i)
            if abs(self.correlation[i, j]) > above
        ]
        return sorted(found, key=lambda pair: -abs(pair[2]))


def curvature(problem: Problem, solution: Solution) -> Curvature:
    """Decompose the Jacobian of the log residuals at a solution.

    Parameters that sit on a bound are left out: they do not move.
    """
    free = problem.space.free_names
    inner = [index for index, name in enumerate(free) if name not in solution.at_bound]
    jacobian = problem.residual_and_jacobian(solution.u)[1][:, inner]
    length = np.linalg.norm(jacobian, axis=0)
    names = tuple(free[index] for index, size in zip(inner, length, strict=True) if size > 0)
    idle = tuple(free[index] for index, size in zip(inner, length, strict=True) if size == 0)
    q = len(names)
    if not q:
        return Curvature((), idle, np.empty(0), np.empty(0), np.empty((0, 0)))
    scaled = jacobian[:, length > 0] / length[length > 0]
    _, singular, right = np.linalg.svd(scaled, full_matrices=False)
    if len(singular) < q or singular[-1] < RANK * singular[0]:
        if len(singular) < q:  # fewer rows than parameters: the missing directions have no length
            singular = np.concatenate([singular, np.zeros(q - len(singular))])
            right = np.linalg.svd(scaled)[2]
        return Curvature(names, idle, singular, right[-1], np.full((q, q), np.nan))
    spread = (right.T / singular**2) @ right
    correlation = spread / np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    return Curvature(names, idle, singular, right[-1], correlation)
