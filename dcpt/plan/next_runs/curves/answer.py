"""The answer that runs are bought for: a knob of the run, a domain share under a limit, or a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.symbols import GENERAL
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.plan.limit import Limit
from dcpt.plan.schedule.aim import Aim, price
from dcpt.plan.schedule.forecast import final_losses, start_losses
from dcpt.plan.schedule.setting import Setting
from dcpt.plan.schedule.sweep import ScheduleSweep

Array = NDArray[np.float64]
Fits = Mapping[str, CurveFit]
Solver = Callable[[Fits], "Solved"]
"""Fits, by side, to the answer of their point and draws."""

STEP = 0.1
"""Standard deviations of a parameter's draws either way over which the answer's slope is taken: wide enough
for the digits of a minimum, narrow enough for a straight line."""

FINE = 40
"""Points between two compared values at which the spline is looked at."""

WIDE = 8.0
"""Ratio of the largest to the least positive value from which a knob is taken by its logarithm."""

SHARES = tuple(round(0.02 * step, 2) for step in range(1, 50))
"""Domain shares among which the one that keeps a limit is looked for."""


@dataclass(frozen=True, eq=False)
class Solved:
    """The answer under a point fit and its draws.

    Attributes
    ----------
    value : float
        Under the point fit.
    draws : ndarray, shape (draws,)
        Under the draws.
    regret : float or None
        Objective that acting on the point's answer gives away on average over the draws; None where the
        answer is no choice of the least objective.
    inside : bool
        Whether the answer lies between what was compared, so that it moves with the parameters.
    parts : mapping
        Side to its part of the least objective, weight times loss; empty where there is no objective.
    """

    value: float
    draws: Array
    regret: float | None
    inside: bool
    parts: Mapping[str, float] = field(default_factory=dict)


def best_of(make: Callable[[Aim], ScheduleSweep], aim: Aim) -> Solver:
    """The value of a knob with the least objective, between the values that are compared."""

    def solve(fits: Fits) -> Solved:
        sweep = make(_with(aim, fits))
        objective = sweep.priced.objective
        draws = np.empty((0, len(sweep.values))) if objective.draws is None else objective.draws
        place = int(np.argmin(objective.mean))
        inside = 0 < place < len(sweep.values) - 1
        chosen = _lowest(sweep.values, draws)
        lost = (draws[:, place] - draws.min(axis=1)).mean() if len(draws) else 0.0
        value = float(_lowest(sweep.values, objective.mean[None])[0])
        priced = zip(sweep.priced.sides, aim.weights, sweep.priced.losses, strict=True)
        parts = {side: weight * float(loss.mean[place]) for side, weight, loss in priced}
        return Solved(value, chosen, float(lost), inside, parts)

    return solve


def loss_of(aim: Aim, setting: Setting) -> Solver:
    """The weighted sum of final losses of one run."""

    def solve(fits: Fits) -> Solved:
        objective = price(_with(aim, fits), [setting]).objective
        draws = np.empty(0) if objective.draws is None else objective.draws[:, 0]
        return Solved(float(objective.mean[0]), draws, None, True)

    return solve


def share_under(limit: Limit, setting: Setting, shares: Sequence[float] = SHARES) -> Solver:
    """The largest domain share whose general loss keeps a limit.

    Raises
    ------
    ConfigError
        When the limit is on another loss.
    PlanError
        From the solver, when the point fit keeps the limit at no share.
    """
    if limit.eval_set != GENERAL:
        raise ConfigError(f"keep: got a limit on {limit.eval_set!r}; curves answer one on {GENERAL!r}.")
    settings = [replace(setting, r=share) for share in shares]
    grid = np.array(shares)

    def solve(fits: Fits) -> Solved:
        fit = fits[GENERAL]
        found = final_losses(fit, settings)
        draws = np.empty((0, len(grid))) if found.draws is None else found.draws
        measured = setting.base_losses.get(GENERAL)
        if measured is None and limit.kind != "ceiling":
            start = start_losses(fit, [setting])
            base = float(start.mean[0])
            bases = np.empty(0) if start.draws is None else start.draws[:, 0]
        else:
            base, bases = measured or 0.0, np.full(len(draws), measured or 0.0)
        least = int(np.argmin(found.mean))
        if found.mean[least] > limit.ceiling(base):
            raise PlanError(
                f"next runs: no domain share from {grid[0]:g} to {grid[-1]:g} keeps '{limit}': the lowest "
                f"predicted general loss is {found.mean[least]:.4f}, at r = {grid[least]:.2f}, and the limit "
                f"allows {limit.ceiling(base):.4f}.",
                hint="the nearest that can be kept: "
                f"'{limit.admitting(float(found.mean[least]), None if limit.kind == 'ceiling' else base)}'",
            )
        point = _kept(grid, found.mean[None] - limit.ceiling(base))
        over = draws - np.array([limit.ceiling(float(one)) for one in bases])[:, None]
        return Solved(float(point[0]), _kept(grid, over), None, bool(grid[0] < point[0] < grid[-1]))

    return solve


def slopes(solve: Solver, fits: Fits) -> dict[str, Array]:
    """Derivatives of the answer by all parameters of each side, shape (p,), to first order.

    Where the answer does not move (it lies on the end of what is compared), the straight line through the
    answers of the draws stands in.
    """
    steps = {side: STEP * fit.draws.std(axis=0) for side, fit in fits.items()}
    now = solve(fits)
    if not now.inside:
        return _regressed(fits, now.draws)
    total = sum(2 * len(step) for step in steps.values())
    tables: dict[str, Array] = {}
    widths, row = {}, 0
    for side, fit in fits.items():
        theta = np.array([fit.params[name] for name in fit.law.names])
        lo, hi = (np.array([getattr(item, end) for item in fit.law.parameters]) for end in ("lo", "hi"))
        up, down = np.clip(theta + steps[side], lo, hi), np.clip(theta - steps[side], lo, hi)
        table = np.repeat(theta[None], total, axis=0)
        p = len(theta)
        table[row + np.arange(p), np.arange(p)] = up
        table[row + p + np.arange(p), np.arange(p)] = down
        tables[side], widths[side] = table, up - down
        row += 2 * p
    moved = solve({side: replace(fit, draws=tables[side]) for side, fit in fits.items()}).draws
    found, row = {}, 0
    for side, width in widths.items():
        p = len(width)
        change = moved[row : row + p] - moved[row + p : row + 2 * p]
        found[side] = np.divide(change, width, out=np.zeros(p), where=width > 0)
        row += 2 * p
    return found


def _regressed(fits: Fits, answers: Array) -> dict[str, Array]:
    """Slopes of the straight line through the answers of the draws, by ridge regression."""
    count = min(len(answers), *(len(fit.draws) for fit in fits.values()))
    parts, scales = [], {}
    for side, fit in fits.items():
        spread = fit.draws[:count].std(axis=0)
        scales[side] = np.where(spread > 0, spread, 1.0)
        parts.append((fit.draws[:count] - fit.draws[:count].mean(axis=0)) / scales[side])
    table = np.concatenate(parts, axis=1)
    line = np.linalg.solve(
        table.T @ table + np.eye(table.shape[1]), table.T @ (answers[:count] - answers[:count].mean())
    )
    found, row = {}, 0
    for side, scale in scales.items():
        found[side] = line[row : row + len(scale)] / scale
        row += len(scale)
    return found


def _with(aim: Aim, fits: Fits) -> Aim:
    own: list[Any] = [fits[fit.side] for fit in aim.fits]
    return replace(aim, fits=tuple(own))


def _lowest(values: Array, losses: Array) -> Array:
    """Where each row has its minimum, on a cubic spline through what was compared, shape (rows,)."""
    if len(values) < 4 or not len(losses):
        return np.asarray(values[losses.argmin(axis=1)]) if len(losses) else np.empty(0)
    wide = values[0] > 0 and values[-1] / values[0] >= WIDE
    x = np.log(values) if wide else values
    fine = np.unique(np.concatenate([np.linspace(*pair, FINE + 1) for pair in pairwise(x)]))
    table = CubicSpline(x, losses, axis=1)(fine)
    rows, place = np.arange(len(table)), np.clip(table.argmin(axis=1), 1, len(fine) - 2)
    # The vertex of a parabola: a slope needs more digits than the grid has.
    one, two, three = (fine[place + shift] for shift in (-1, 0, 1))
    left = (table[rows, place] - table[rows, place - 1]) / (two - one)
    right = (table[rows, place + 1] - table[rows, place]) / (three - two)
    bend = (right - left) / (three - one)
    vertex = 0.5 * (one + two) - 0.5 * np.divide(left, bend, out=np.zeros_like(left), where=bend > 0)
    ends = np.where(table[:, 0] < table[:, -1], x[0], x[-1])
    found = np.where(bend > 0, np.clip(vertex, one, three), ends)
    return np.asarray(np.exp(found) if wide else found)


def _kept(grid: Array, over: Array) -> Array:
    """Largest share at which each row is not above 0, between the shares; the first where all are."""
    found = np.empty(len(over))
    for row, excess in enumerate(over):
        below = np.flatnonzero(excess <= 0)
        if not len(below):
            found[row] = grid[0]
        elif below[-1] == len(grid) - 1:
            found[row] = grid[-1]
        else:
            at = below[-1]
            part = excess[at] / (excess[at] - excess[at + 1])
            found[row] = grid[at] + part * (grid[at + 1] - grid[at])
    return found
