"""What a fit does not know, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import LEGEND
from dcpt.fit.bootstrap import Draws
from dcpt.fit.dataset import FitData
from dcpt.fit.doubt import FitWarning
from dcpt.fit.objective import Problem
from dcpt.fit.solve import WALL, Solution
from dcpt.fit.space import Space
from dcpt.laws.law import Law

Array = NDArray[np.float64]

CORRELATION = 0.95
"""Correlation from which two parameters are named as not told apart."""

SPREAD = 4.0
"""Ratio of the ends of the 90 % interval from which a parameter is called not identified: it is then
known to no better than a factor of 2 either way."""

RANK = 1e-9
"""Smallest singular value of the scaled Jacobian, relative to the largest, of a full-rank design;
two model sizes give 1e-16, the hardest designs with a unique optimum about 1e-6."""

FEW_RUNS, FEW_SIZES = 10, 3
"""Below these the bootstrap has too little to resample: coverage tests with fewer failed."""

_GRID = 9


def check_design(law: Law, data: FitData, space: Space) -> None:
    """Refuse data on which some of the law's terms cannot be told apart whatever the losses are.

    Raises
    ------
    FitError
        When there are fewer rows than free parameters, or an input of the law has one value only
        while a parameter that acts through it is free.
    """
    if len(data) < len(space.free):
        raise FitError(
            f"law {law.name} has {len(space.free)} free parameters; {data.eval_set} has {len(data)} rows "
            "to fit.",
            hint="measure more points, choose a law with fewer parameters, or fix some of them",
        )
    for name in law.inputs:
        values = np.unique(data.inputs[name])
        if values[-1] > values[0] * (1 + 1e-6):
            continue
        idle = [item for item in law.compiled.moves[name] if item in space.free_names]
        if idle:
            words = {"N": "model size", "D": "number of tokens", "s": "ratio"}.get(name, LEGEND[name].meaning)
            raise FitError(
                f"{data.eval_set} has one {words} only; law {law.name} needs several to tell "
                f"{', '.join(idle)} apart.",
                hint=f"measure at a second {words} (three or more to extrapolate), or choose a law "
                f"without {name}",
            )


def diagnose(problem: Problem, solution: Solution, draws: Draws) -> tuple[FitWarning, ...]:
    """Reasons for doubt about a point fit and its draws."""
    return (
        *_status(problem, solution),
        *_design(problem),
        *_curvature(problem, solution),
        *_spread(problem, draws),
        *_shape(problem, solution),
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


def _design(problem: Problem) -> Iterator[FitWarning]:
    data = problem.data
    sizes = np.unique(data.N)
    runs = len(np.unique(data.groups))
    if "N" in problem.law.inputs and len(sizes) < FEW_SIZES:
        yield FitWarning(
            "few_sizes",
            f"There are {len(sizes)} model sizes, too few for the size term; predictions at other sizes "
            "are guesses.",
        )
    if runs < FEW_RUNS:
        message = f"There are {runs} independent runs; intervals from so few are too narrow."
        yield FitWarning("few_runs", message)
    alone = [size for size in sizes if len(np.unique(data.groups[size == data.N])) < 2]
    if alone:
        names = ", ".join(format_quantity(float(size)) for size in alone)
        yield FitWarning(
            "few_runs",
            f"Size {names} has one run, which cannot be resampled; intervals are too narrow for it.",
        )
    if len(sizes) > 2 and len(np.unique(data.D)) > 2:
        together = float(np.corrcoef(np.log(data.N), np.log(data.D))[0, 1])
        if abs(together) > 0.98:
            yield FitWarning(
                "rank",
                f"D follows N in this design (correlation of their logs {together:.3f}); the size term and "
                "the token term can hardly be told apart.",
            )


def _curvature(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    names = [name for name in problem.space.free_names if name not in solution.at_bound]
    inner = [problem.space.free_names.index(name) for name in names]
    jacobian = problem.residual_and_jacobian(solution.u)[1][:, inner]
    length = np.linalg.norm(jacobian, axis=0)
    idle = [name for name, size in zip(names, length, strict=True) if size == 0]
    for name in idle:
        message = f"{name} has no effect on the fitted rows: its term is off."
        yield FitWarning("not_identified", message, (name,))
    names = [name for name in names if name not in idle]
    if not names:
        return
    scaled = jacobian[:, length > 0] / length[length > 0]
    _, singular, right = np.linalg.svd(scaled, full_matrices=False)
    if singular[-1] < RANK * singular[0]:
        direction = np.abs(right[-1])
        large = direction > 0.1 * direction.max()
        share = tuple(name for name, part in zip(names, large, strict=True) if part)
        yield FitWarning(
            "rank",
            f"Some change of {', '.join(share)} together leaves every fitted loss as it is: this design "
            "does not identify them.",
            share,
        )
        return
    spread = (right.T / singular**2) @ right
    correlation = spread / np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    for i in range(len(names)):
        for j in range(i):
            if abs(correlation[i, j]) > CORRELATION:
                yield FitWarning(
                    "correlated",
                    f"{names[j]} and {names[i]} are hardly told apart (correlation "
                    f"{correlation[i, j]:+.3f}): read predictions, not their values.",
                    (names[j], names[i]),
                )


def _spread(problem: Problem, draws: Draws) -> Iterator[FitWarning]:
    if draws.converged < 0.95:
        yield FitWarning("bootstrap", f"Only {100 * draws.converged:.0f} % of the refits converged.")
    if len(draws.theta) < 20:
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


def _shape(problem: Problem, solution: Solution) -> Iterator[FitWarning]:
    law, data = problem.law, problem.data
    least = float(data.loss.min())
    values = dict(zip(law.names, solution.theta, strict=True))
    if "E" in values and values["E"] >= least:
        yield FitWarning(
            "irreducible",
            f"The irreducible loss E = {values['E']:.4f} is above the smallest measured loss {least:.4f}.",
            ("E",),
        )
    axes = {name: _axis(data.inputs[name], name) for name in law.inputs}
    grid = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    loss = law.evaluate(solution.theta, grid)
    for position, name in enumerate(axes):
        sign = law.monotone.get(name)
        if sign is None or len(axes[name]) < 2:
            continue
        wrong = sign * np.diff(loss, axis=position) < -1e-9
        if wrong.any():
            what = {"N": "model size", "D": "tokens", "s": "share of its own side"}.get(name, name)
            yield FitWarning(
                "monotone",
                f"In {100 * wrong.mean():.0f} % of the fitted range the loss does not "
                f"{'fall' if sign < 0 else 'rise'} with {what}: the free form is not monotone in {name}.",
            )


def _axis(values: Array, name: str) -> Array:
    lo, hi = float(values.min()), float(values.max())
    if lo == hi:
        return np.array([lo])
    return np.geomspace(lo, hi, _GRID) if name != "s" and lo > 0 else np.linspace(lo, hi, 3 * _GRID)
