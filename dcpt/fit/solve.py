"""The point fit: bounded trust-region least squares from every start, and what to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.core.errors import FitError
from dcpt.fit.objective import Problem, huber

Array = NDArray[np.float64]
Status = Literal["converged", "max_iter", "bound_hit"]

TOLERANCE = 1e-12
"""Relative change of the objective and of the step at which the solver stops. Default tolerances
(1e-8) stop short of the optimum in the valleys of these laws."""

EVALUATIONS = 2000
"""Most evaluations per start; the D-CPT law takes 20 to 200."""

AGREEMENT = 1e-6
"""Relative difference of objectives up to which two starts count as the same optimum."""

WALL = 1e-6
"""Distance from a bound, as a share of max(1, the parameter), that counts as being on it."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The best of several starts.

    Attributes
    ----------
    u : ndarray, shape (q,)
        Free parameters.
    theta : ndarray, shape (p,)
        All parameters of the law.
    objective : float
        Sum of the Huber losses.
    status : {"converged", "max_iter", "bound_hit"}
        bound_hit: converged with a parameter on a bound.
    at_bound : tuple of str
        Those parameters.
    agree, starts : int
        Starts that end in the best objective, and all of them.
    """

    u: Array
    theta: Array
    objective: float
    status: Status
    at_bound: tuple[str, ...]
    agree: int
    starts: int


def solve_from(
    problem: Problem, u: Array, weights: Array | None = None, delta: float | None = None
) -> tuple[Array, float, bool]:
    """Minimise the objective from one start.

    Returns
    -------
    u : ndarray, shape (q,)
    objective : float
    converged : bool
    """
    delta = problem.delta if delta is None else delta

    def robust(z: Array) -> Array:  # scipy's convention: z = (residual / delta)^2; rho, rho', rho''
        root = np.sqrt(np.maximum(z, 1e-300))
        inside = z <= 1
        rho = np.empty((3, z.size))
        rho[0] = np.where(inside, z, 2 * root - 1)
        rho[1] = np.where(inside, 1.0, 1 / root)
        rho[2] = np.where(inside, 0.0, -0.5 / (root * z + 1e-300))
        return rho if weights is None else rho * weights

    kept: list[Array] = []

    def residual(x: Array) -> Array:
        value, jacobian = problem.residual_and_jacobian(x)
        kept[:] = [x.copy(), jacobian]
        return value

    def jacobian(x: Array) -> Array:
        return kept[1] if np.array_equal(kept[0], x) else problem.residual_and_jacobian(x)[1]

    lower, upper = problem.space.box
    result = least_squares(
        residual,
        np.clip(u, lower, upper),
        jac=jacobian,
        bounds=(lower, upper),
        method="trf",
        loss=robust,
        f_scale=delta,
        x_scale="jac",
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        gtol=1e-15,
        max_nfev=EVALUATIONS,
    )
    losses = huber(result.fun, delta)
    total = float((losses if weights is None else losses * weights).sum())
    return np.asarray(result.x), total, result.status > 0


def solve(problem: Problem, starts: Array) -> Solution:
    """Minimise the objective from every start and keep the best.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    starts : ndarray, shape (k, q)
        Free parameters to start from.

    Raises
    ------
    FitError
        When no start gives a finite objective.
    """
    ends = []
    for start in starts:
        # A wide threshold first: it is close to least squares, without kinks, and leads into the
        # valley from far away; the last one is what the fit is defined by.
        u = start
        for delta in (100 * problem.delta, 10 * problem.delta):
            u, _, _ = solve_from(problem, u, delta=delta)
        end = solve_from(problem, u)
        if np.isfinite(end[1]):
            ends.append(end)
    if not ends:
        raise FitError(
            f"law {problem.law.name}: no start gives a finite objective on {problem.data.eval_set!r}."
        )
    u, objective, converged = min(ends, key=lambda end: end[1])
    agree = sum(end[1] <= objective * (1 + AGREEMENT) + 1e-15 for end in ends)
    at_bound = walls(problem, u)
    status: Status = "max_iter" if not converged else "bound_hit" if at_bound else "converged"
    u = snap(problem, u)
    objective = float(problem.objective(u))
    theta = problem.space.expand(u)[0]
    return Solution(u, theta, objective, status, at_bound, agree, len(starts))


def snap(problem: Problem, u: Array, weights: Array | None = None) -> Array:
    """Move parameters that sit on a bound exactly onto it, if the objective allows.

    A bounded solver stops a hair inside the wall. On it a share exponent of 1e-13 is 0, which
    matters at s = 0, and a value reads 0.
    """
    lower, upper = problem.space.box
    on = np.isin(problem.space.free_names, walls(problem, u))
    moved = np.where(on, np.where(u - lower < upper - u, lower, upper), u)
    allowed = float(problem.objective(u, weights)) * (1 + AGREEMENT)
    return moved if float(problem.objective(moved, weights)) <= allowed else u


def walls(problem: Problem, u: Array) -> tuple[str, ...]:
    """Names of the free parameters that sit on a bound."""
    lower, upper = problem.space.box
    near = WALL * np.maximum(1.0, np.abs(u))
    on = (u - lower <= np.minimum(near, 1e-3 * (upper - lower))) | (upper - u <= near)
    return tuple(name for name, hit in zip(problem.space.free_names, on, strict=True) if hit)
