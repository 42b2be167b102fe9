"""The point fit: all starts at once, and what to say about the best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.core.errors import FitError
from dcpt.fit.batch import BatchSolution, minimise
from dcpt.fit.objective import Problem, huber
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]
Status = Literal["converged", "max_iter", "bound_hit"]

LEAD = (30.0, 10.0, 3.0, 1.0)
"""Factors of the Huber threshold that the point fit goes through. A wide one is close to least squares,
without kinks, and leads into the valley from far away; the last one is what the fit is defined by."""

POINT_GAIN = 1e-12
"""Share of its objective that a step of the point fit must promise for it to go on."""

MANY_ROWS, LEADING_ROWS = 50_000, 10_000
"""Rows from which about so many lead the starts to their optima, and all rows are seen from there on."""

TOLERANCE = 1e-12
"""Relative change of the objective and of the step at which the trust-region solver stops. Default
tolerances (1e-8) stop short of the optimum in the valleys of these laws."""

EXACT = 1e-24
"""Mean square of the log residuals up to which the law passes through the data."""

UNDEFINED = 600.0
"""Log residual from which a row's stands for a law of 0 or below, or for an overflow."""

EVALUATIONS = 2000
"""Most evaluations of that solver per start; the D-CPT law takes 20 to 200."""

AGREEMENT = 1e-6
"""Relative difference of objectives up to which two starts count as the same optimum."""

SNAP = 1e-9
"""Relative rise of the objective that moving a parameter onto its bound may cost."""

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
    gradient : float
        Largest cosine between the reweighted residuals and a Jacobian column whose parameter is
        not pressed on its bound: 0 at an optimum, whatever the units.
    optima : int
        Different objectives among the ends of the starts.
    ends : ndarray, shape (optima, q)
        One end for each of them, the best first.
    """

    u: Array
    theta: Array
    objective: float
    status: Status
    at_bound: tuple[str, ...]
    agree: int
    starts: int
    gradient: float = float("nan")
    optima: int = 1
    ends: Array = field(default_factory=lambda: np.zeros((0, 0)))


def solve_from(
    problem: Problem, u: Array, weights: Array | None = None, delta: float | None = None
) -> tuple[Array, float, bool]:
    """Minimise the objective from one start by scipy's bounded trust-region method.

    The slower and independent way: for what the batch leaves unconverged, and to check it.

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
    starts = np.asarray(starts, dtype=np.float64)
    usable = starts[np.isfinite(starts).all(axis=1)]
    with one_thread():
        u, objective, converged = _rescue(problem, _descend(problem, usable))
        # Where the law is not above 0 at every fitted row there is no log residual, and no fit.
        objective[(np.abs(problem.evaluator.residual(u)) > UNDEFINED).any(axis=1)] = np.inf
        if not np.isfinite(objective).any():
            raise FitError(
                f"law {problem.law.name}: no start gives a finite objective on {problem.data.eval_set!r}."
            )
        rank = np.argsort(objective, kind="stable")
        best = rank[0]
        level = objective[best] * (1 + AGREEMENT) + 1e-15
        distinct, _ = _distinct(objective)
        end = snap(problem, u[best])
        at_bound = walls(problem, end)
        status: Status = "max_iter" if not converged[best] else "bound_hit" if at_bound else "converged"
        return Solution(
            u=end,
            theta=problem.space.expand(end)[0],
            objective=problem.sorted_objective(end),
            status=status,
            at_bound=at_bound,
            agree=int((objective <= level).sum()),
            starts=len(starts),
            gradient=scaled_gradient(problem, end),
            optima=len(distinct),
            ends=u[distinct],
        )


def _descend(problem: Problem, starts: Array) -> BatchSolution:
    """Minimise from every start; on many rows, from the different optima of a part of them."""
    box, deltas = problem.space.box, [factor * problem.delta for factor in LEAD]
    if len(problem.data) <= MANY_ROWS:
        return minimise(problem.evaluator, starts, box, deltas, gain=POINT_GAIN)
    some = problem.evaluator.order[:: -(-len(problem.data) // LEADING_ROWS)]
    part = Problem(problem.law, problem.data.take(some), problem.space, problem.delta)
    lead = minimise(part.evaluator, starts, box, deltas)
    first, group = _distinct(lead.objective)
    batch = minimise(problem.evaluator, lead.u[first], box, (problem.delta,), gain=POINT_GAIN)
    objective = np.where(group < 0, np.inf, batch.objective[group])
    return BatchSolution(batch.u[group], objective, batch.converged[group], lead.steps + batch.steps[group])


def _rescue(problem: Problem, batch: BatchSolution) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Let the trust-region solver go on where the batch has not converged and might still win."""
    u, objective, converged = batch.u.copy(), batch.objective.copy(), batch.converged.copy()
    settled = objective[converged].min(initial=np.inf)
    for index in np.flatnonzero(~converged & np.isfinite(objective)):
        if objective[index] > 2 * settled:
            continue
        end, value, good = solve_from(problem, u[index])
        if value <= objective[index]:
            u[index], objective[index], converged[index] = end, value, good
    return u, objective, converged


def _distinct(objective: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First start of every group of equal ends, the best group first, and the group of each start.

    Starts without a finite objective have the group -1.
    """
    first: list[int] = []
    group = np.full(len(objective), -1, dtype=np.int64)
    for index in np.argsort(objective, kind="stable"):
        if not np.isfinite(objective[index]):
            break
        if not first or objective[index] > objective[first[-1]] * (1 + AGREEMENT) + 1e-15:
            first.append(int(index))
        group[index] = len(first) - 1
    return np.array(first, dtype=np.int64), group


def scaled_gradient(problem: Problem, u: Array) -> float:
    """Projected gradient free of units: see `Solution.gradient`."""
    columns = np.empty((len(u), 1, len(problem.evaluator)))
    residual, factor = problem.evaluator.columns(u[None], columns)
    r = residual[0]
    pull = np.minimum(1.0, problem.delta / np.maximum(np.abs(r), 1e-300))
    if float(pull @ r**2) <= EXACT * len(r):
        return 0.0  # what is left is rounding, which points anywhere
    jacobian = columns[:, 0] * factor.T
    slope = jacobian @ (pull * r)
    length = np.sqrt((jacobian**2) @ pull * (pull @ r**2))
    lower, upper = problem.space.box
    pressed = ((u <= lower) & (slope >= 0)) | ((u >= upper) & (slope <= 0))
    cosine = np.divide(np.abs(slope), length, out=np.zeros_like(slope), where=length > 0)
    return float(np.where(pressed, 0.0, cosine).max(initial=0.0))


def snap(problem: Problem, u: Array, weights: Array | None = None) -> Array:
    """Move parameters that sit on a bound exactly onto it, if the objective allows.

    A bounded solver stops a hair inside the wall. On it a share exponent of 1e-13 is 0, which
    matters at s = 0, and a value reads 0.
    """
    lower, upper = problem.space.box
    on = np.isin(problem.space.free_names, walls(problem, u))
    moved = np.where(on, np.where(u - lower < upper - u, lower, upper), u)
    allowed = float(problem.objective(u, weights)) * (1 + SNAP)
    return moved if float(problem.objective(moved, weights)) <= allowed else u


def walls(problem: Problem, u: Array) -> tuple[str, ...]:
    """Names of the free parameters that sit on a bound."""
    lower, upper = problem.space.box
    near = WALL * np.maximum(1.0, np.abs(u))
    on = (u - lower <= np.minimum(near, 1e-3 * (upper - lower))) | (upper - u <= near)
    return tuple(name for name, hit in zip(problem.space.free_names, on, strict=True) if hit)
