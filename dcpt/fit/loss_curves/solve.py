"""The solver of laws of curves: damped Gauss-Newton steps on the nonlinear parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.fit.loss_curves.problem import CurveProblem, Point

Array = NDArray[np.float64]

Status = Literal["converged", "max_iter", "bound_hit"]

AGREEMENT = 1e-4
"""Relative difference of objectives within which two starts found the same optimum."""

NOT_FAR = 2.0
"""Ratio of a start's objective to the best one, after the first steps, up to which it is followed: on
experiments/domains_cpu/law one that was 1.43 times the best ended 1.3 % below all that were better then."""

PULL = 20.0
"""Residuals in a row that count as one observation when a prior is weighed against them: neighbouring
residuals of a curve are alike, because what a law misses is."""

NEAR = 0.3
"""Share of their curvature that residuals beyond the Huber threshold keep in steps near an optimum: with 1,
reweighted least squares, these creep where many are beyond, and with 0 they go too far. Steps from a start
keep it all: with less, some end in other optima.

Ten refits to 3,044 losses of 138 runs (experiments/cpt_dynamics_cpu, general loss, the law with options size,
replay and rate-power) took 94 evaluations with 1, 70 with 0.3, 85 with 0.1 and 113 with 0.001."""

_ITERATIONS, _FIRST = 60, 6
_SETTLED, _EXACTLY = 1e-7, 1e-11
_WALL = 1e-6
_EXACT = 1e-20


@dataclass(frozen=True, eq=False)
class CurveSolution:
    """Where the solver ended.

    Attributes
    ----------
    point : Point
        The best point found.
    status : str
        converged, max_iter or bound_hit.
    at_bound : tuple of str
        Nonlinear parameters on a bound, and linear ones at 0.
    agree, starts : int
        Starts that were followed to the end and found the best objective, and all of those.
    """

    point: Point
    status: Status
    at_bound: tuple[str, ...]
    agree: int
    starts: int


def solve_curves(problem: CurveProblem, starts: Sequence[Array], follow: int | None = None) -> CurveSolution:
    """Minimise from several starts; all go a few steps and the best `follow` of them to the end.

    By default half of them are followed, two at least, and those within `NOT_FAR` of the best.

    Where the law has a prior, it is weighed by the scatter of the residuals found without it, and the ends go
    on from there; the problem keeps that weight.

    Raises
    ------
    FitError
        When the law is finite at none of the starts.
    """
    begun = []
    for u in starts:
        try:
            begun.append(descend(problem, problem.at(u), _FIRST)[0])
        except (FitError, np.linalg.LinAlgError):
            continue
    if not begun:
        raise FitError(f"fit: {problem.law.name} is finite at none of its {len(starts)} starts.")
    begun.sort(key=lambda point: point.objective)
    if follow is None:
        close = sum(point.objective <= NOT_FAR * begun[0].objective for point in begun)
        follow = max(2, len(starts) // 2, close)
    ends = [descend(problem, point, _ITERATIONS) for point in begun[:follow]]
    point, settled = min(ends, key=lambda end: end[0].objective)
    if problem.law.prior:
        problem.strength = PULL * scatter(point.residual) ** 2
        ends = [descend(problem, problem.at(end.u, end), _ITERATIONS) for end, _ in ends]
        point, settled = min(ends, key=lambda end: end[0].objective)
    limit = point.objective * (1 + AGREEMENT) + _EXACT
    agree = sum(end.objective <= limit for end, _ in ends)
    # A step that gains little is no end yet: in a valley many such ones follow.
    point, done = descend(problem, point, _ITERATIONS, _EXACTLY, NEAR)
    settled = settled or done
    bound = at_bound(problem, point)
    status: Status = "max_iter" if not settled else "bound_hit" if bound else "converged"
    return CurveSolution(point, status, bound, agree, len(ends))


def scatter(residual: Array) -> float:
    """Robust standard deviation of residuals."""
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def descend(
    problem: CurveProblem, point: Point, iterations: int, settled: float = _SETTLED, kept: float = 1.0
) -> tuple[Point, bool]:
    """Levenberg-Marquardt steps from a point; the point they end in, and whether they settled there.

    Parameters
    ----------
    problem : CurveProblem
    point : Point
        Where to begin.
    iterations : int
        Most steps.
    settled : float
        Relative gain of a step below which the search is over.
    kept : float
        See `CurveProblem.slope` and `NEAR`.
    """
    if not len(point.u):
        return point, True
    damping = 1e-3
    for _ in range(iterations):
        if point.objective <= _EXACT * len(point.loss):
            return point, True
        gradient, gram = problem.slope(point, kept)
        low, high = point.u <= problem.lower, point.u >= problem.upper
        loose = ~((low & (gradient > 0)) | (high & (gradient < 0)))
        scale = np.diag(gram).copy()
        loose &= scale > 0
        if not loose.any():
            return point, True
        moved = None
        while damping < 1e10:
            step = np.zeros_like(point.u)
            inner = gram[np.ix_(loose, loose)] + np.diag(damping * scale[loose])
            step[loose] = np.linalg.lstsq(inner, -gradient[loose], rcond=1e-14)[0]
            step = np.clip(step, -3.0, 3.0)
            u = np.clip(point.u + step, problem.lower, problem.upper)
            trial = problem.at(u, point)
            if trial.objective < point.objective:
                moved = trial
                break
            if np.abs(u - point.u).max() <= 1e-10:
                break
            damping = max(damping * 8.0, 1e-6)
        if moved is None:
            return point, True
        gain = point.objective - moved.objective
        damping *= 0.2
        point = moved
        if gain <= settled * point.objective:
            return point, True
    return point, False


def at_bound(problem: CurveProblem, point: Point) -> tuple[str, ...]:
    """Free parameters that sit on a bound."""
    wall = _WALL * (problem.upper - problem.lower)
    stuck = (point.u - problem.lower <= wall) | (problem.upper - point.u <= wall)
    names = [item.name for item, on in zip(problem.free, stuck, strict=True) if on]
    ends = problem.loose & ((point.linear <= problem.least) | (point.linear >= problem.most))
    return (*names, *(name for name, on in zip(problem.law.linear_names, ends, strict=True) if on))
