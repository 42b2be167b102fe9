"""What a fit does not know, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dcpt.core.quantity import format_quantity
from dcpt.fit.annealing import annealing_doubts
from dcpt.fit.bootstrap import Draws
from dcpt.fit.curvature import curvature
from dcpt.fit.design import check_design, design_doubts
from dcpt.fit.doubt import FitWarning
from dcpt.fit.noise import seed_noise
from dcpt.fit.objective import Problem
from dcpt.fit.residuals import outliers, residual_sigma
from dcpt.fit.sensitivity import DeltaSweep, delta_sweep
from dcpt.fit.solve import WALL, Solution

__all__ = ["check_design", "delta_doubts", "diagnose"]

Array = NDArray[np.float64]

CORRELATION = 0.95
"""Correlation from which two parameters are named as not told apart."""

CONDITION = 1e4
"""Condition number of the scaled Jacobian from which the values are called ill-conditioned; designs of three
and four sizes and five to nine ratios give 200 to 2,000 with the D-CPT law (synthetic losses)."""

SPREAD = 4.0
"""Ratio of the ends of the 90 % interval from which a parameter is called not identified: it is then
known to no better than a factor of 2 either way."""

CLOSE = 3.0
"""Residual standard deviations above E within which the smallest loss counts as reaching it."""

_FEW_DRAWS = 20
_GRID = 9
_MOST_CELLS = 20_000
_LISTED = 3


def diagnose(problem: Problem, solution: Solution, draws: Draws) -> tuple[FitWarning, ...]:
    """Reasons for doubt about a point fit and its draws."""
    enough = len(draws.theta) >= _FEW_DRAWS
    return (
        *_status(problem, solution),
        *design_doubts(problem.law, problem.data, problem.space),
        *annealing_doubts(problem.data),
        *_curvature(problem, solution),
        *_spread(problem, draws),
        *_outliers(problem, solution),
        *_lack_of_fit(problem, solution),
        *_floor(problem, solution),
        *_shape(problem, solution),
        *(delta_doubts(problem, solution, draws, delta_sweep(problem, solution)) if enough else ()),
    )


def delta_doubts(
    problem: Problem, solution: Solution, draws: Draws, sweep: DeltaSweep, level: float = 0.9
) -> Iterator[FitWarning]:
    """Doubt about the Huber threshold: predictions that move more with it than their interval is wide.

    Parameters
    ----------
    problem, solution, draws
        The fit.
    sweep : DeltaSweep
        Fits with other thresholds.
    level : float
        Probability of the interval of the mean that the predictions are compared with.
    """
    data, law = problem.data, problem.law
    if len(draws.theta) < _FEW_DRAWS or not sweep.converged.any():
        return
    largest = np.flatnonzero(np.isin(data.N, data.N.max()))
    top = largest[np.isin(data.D[largest], data.D[largest].max())]
    inputs = data.take(top).inputs
    tail = (1 - level) / 2
    lo, hi = np.quantile(law.evaluate(draws.theta, inputs), [tail, 1 - tail], axis=0)
    fitted = law.evaluate(solution.theta, inputs)
    moved = np.where(sweep.converged[:, None], np.abs(law.evaluate(sweep.theta, inputs) - fitted), 0.0)
    which, row = np.unravel_index(int((moved - (hi - lo)).argmax()), moved.shape)
    if moved[which, row] > hi[row] - lo[row]:
        yield FitWarning(
            "delta",
            f"At the largest N and D the prediction moves by {moved[which, row]:.4f} when the Huber "
            f"threshold is {sweep.deltas[which]:g} instead of {problem.delta:g}, more than its "
            f"{100 * level:g} % interval is wide ({hi[row] - lo[row]:.4f}): the answer "
            "rests on the choice of the threshold.",
        )


def _status(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    if solution.status == "max_iter":
        message = "The solver stopped before it converged; the values are not the optimum."
        yield FitWarning("max_iter", message)
    lower, upper = problem.space.box
    names = problem.space.free_names
    for name in solution.at_bound:
        index = names.index(name)
        at = "lower" if solution.u[index] - lower[index] < upper[index] - solution.u[index] else "upper"
        yield FitWarning(
            "bound_hit",
            f"{name} sits on its {at} bound ({solution.u[index]:.3g}): the data do not hold it inside.",
            (name,),
        )
    if solution.starts > 1 and solution.agree < 2:
        yield FitWarning(
            "starts_disagree",
            f"Only one of {solution.starts} starts ends in the best optimum; there may be a better one.",
        )


def _curvature(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    found = curvature(problem, solution)
    for name in found.idle:
        message = f"{name} has no effect on the fitted rows: its term is off."
        yield FitWarning("not_identified", message, (name,))
    if not found.full_rank:
        direction = np.abs(found.weakest)
        large = direction > 0.1 * direction.max()
        share = tuple(name for name, part in zip(found.names, large, strict=True) if part)
        yield FitWarning(
            "rank",
            f"Some change of {', '.join(share)} together leaves every fitted loss as it is (rank "
            f"{found.rank} of {len(found.names)}): this design does not identify them.",
            share,
        )
        return
    if found.condition > CONDITION:
        yield FitWarning(
            "condition",
            f"The scaled Jacobian has the condition number {found.condition:.1e} (wanted {CONDITION:.0e} or "
            "less): the parameters are meaningful together and at full precision only.",
        )
    for one, two, correlation in found.pairs(CORRELATION):
        yield FitWarning(
            "correlated",
            f"{one} and {two} are hardly told apart (correlation {correlation:+.3f}): read predictions, not "
            "their values.",
            (one, two),
        )


def _spread(problem: Problem, draws: Draws) -> Iterator[FitWarning]:
    if draws.converged < 0.95:
        yield FitWarning("bootstrap", f"Only {100 * draws.converged:.0f} % of the refits converged.")
    if len(draws.theta) < _FEW_DRAWS:
        return
    low, high = np.quantile(draws.theta, [0.05, 0.95], axis=0)
    lower, upper = problem.space.lower, problem.space.upper
    for index in problem.space.free:
        name = problem.space.names[index]
        lo, hi = float(low[index]), float(high[index])
        if lower[index] < 0 or (lo > 0 and hi / lo <= SPREAD) or hi <= lo:
            continue
        values = draws.theta[:, index]
        margin = WALL * np.maximum(1.0, np.abs(values))
        stuck = float(((values - lower[index] < margin) | (upper[index] - values < margin)).mean())
        why = f"; {100 * stuck:.0f} % of the refits put it on a bound" if stuck > 0.02 else ""
        yield FitWarning(
            "not_identified",
            f"{name} is not identified by this design: 90 % of the refits lie between {lo:.3g} and "
            f"{hi:.3g}{why}.",
            (name,),
        )


def _outliers(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    data, residual = problem.data, problem.residual(solution.u)
    far = outliers(residual, problem.delta)
    if not len(far):
        return
    seen = np.isfinite(data.r)
    rows = [
        f"N = {format_quantity(float(data.N[row]))}, D = {format_quantity(float(data.D[row]))}"
        + (f", r = {data.r[row]:.3g}" if seen[row] else "")
        + f" ({100 * np.expm1(-residual[row]):+.2g} %)"
        for row in far[:_LISTED]
    ]
    more = f" and {len(far) - _LISTED} more" if len(far) > _LISTED else ""
    yield FitWarning(
        "outliers",
        f"{len(far)} of {len(data)} losses lie more than 6 median residuals off the law: "
        f"{'; '.join(rows)}{more}; check these runs.",
    )


def _lack_of_fit(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    noise = seed_noise(problem.data)
    if noise is None:
        return
    sigma = residual_sigma(problem.residual(solution.u), len(problem.space.free))
    highest = noise.interval(0.9)[1]
    if sigma > highest:
        yield FitWarning(
            "lack_of_fit",
            f"The losses scatter around the law by {100 * sigma:.2g} % and between repeated runs by "
            f"{100 * noise.sigma:.2g} % (at most {100 * highest:.2g} % at 95 %): the form of the law misses "
            "more than noise explains.",
        )


def _floor(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    law, data = problem.law, problem.data
    if "E" not in law.linear_names or "E" in problem.space.fixed:
        return
    floor, least = float(solution.theta[law.names.index("E")]), float(data.loss.min())
    sigma = residual_sigma(problem.residual(solution.u), len(problem.space.free))
    if floor >= least:
        where = "is above"
    elif floor * np.exp(CLOSE * sigma) >= least:
        where = f"is within {CLOSE:g} residual standard deviations of"
    else:
        return
    yield FitWarning(
        "irreducible",
        f"The irreducible loss E = {floor:.4f} {where} the smallest measured loss {least:.4f} (wanted below "
        "the data): little is left for size, tokens and mixture to gain.",
        ("E",),
    )


def _shape(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    law, inputs = problem.law, problem.data.inputs
    judged = [name for name in law.inputs if name in law.monotone]
    points = min(_GRID, int(_MOST_CELLS ** (1 / max(len(judged), 1)) / 3) * 3) or 2
    axes = {name: _axis(inputs[name], name, points) for name in judged}
    # What the law's slope is not declared for stays at its middle.
    grid = {name: np.asarray(np.median(inputs[name])) for name in law.inputs if name not in axes}
    grid |= dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    loss = law.evaluate(solution.theta, grid)
    for position, name in enumerate(axes):
        if len(axes[name]) < 2:
            continue
        wrong = law.monotone[name] * np.diff(loss, axis=position) < -1e-9
        if wrong.any():
            words = {"N": "model size", "D": "tokens", "s": "share of its own side"}
            sense = "fall" if law.monotone[name] < 0 else "rise"
            yield FitWarning(
                "monotone",
                f"In {100 * wrong.mean():.0f} % of the fitted range the loss does not {sense} with "
                f"{words.get(name, name)}: the free form is not monotone in {name}.",
            )


def _axis(values: Array, name: str, points: int) -> Array:
    lo, hi = float(values.min()), float(values.max())
    if lo == hi:
        return np.array([lo])
    return np.geomspace(lo, hi, points) if name != "s" and lo > 0 else np.linspace(lo, hi, 3 * points)
