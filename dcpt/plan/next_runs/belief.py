"""What the fits believe of the answer, draw by draw, and of losses that were not measured yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.fit.bases import Bases
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.plan.next_runs.candidate import Candidate
from dcpt.plan.next_runs.ensemble import cut_off, even_normals, leading
from dcpt.plan.next_runs.law_error import LawError
from dcpt.plan.next_runs.linear import LinearFit
from dcpt.plan.next_runs.noise import RunNoise, run_noise
from dcpt.plan.next_runs.target import Target
from dcpt.plan.objective import Objective
from dcpt.plan.sides import Sides, choose_sides
from dcpt.plan.trade_off import Bound, Curve, ratio_grid, solve_bounds
from dcpt.plan.uncertainty import spread_answers

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_DRAWS = 50
"""Draws from which covariances are worth taking: correlations are then good to 0.14."""

_STEP = 0.5
"""Law errors either way over which the ratio's slope is taken."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Draws of the answer, and the laws behind them.

    Attributes
    ----------
    r, r_lo, r_hi : float
        The ratio to plan with, and its interval: parameters and law's error together.
    draws : ndarray, shape (draws,)
        Best ratio of each draw, the law's error added.
    ratio : ndarray, shape (draws,)
        The same for the parameters of the laws alone.
    slope : float
        Change of the best ratio per unit of the law's log error; 0 where no ceiling binds.
    law_error : LawError or None
        Of the limit that binds (or comes nearest) at the target; None without limits.
    nearest : str or None
        The evaluation set of that limit.
    fits, noise : mapping
        Evaluation set to the fit used for it, and to the scatter of a loss about its law.
    rows : mapping
        Evaluation set to the rows of its fit's draws that the draws above are made of.
    grid : ndarray, shape (n,)
        Domain shares.
    value : ndarray, shape (draws, n)
        Minimised loss of the target along them, by draw.
    at_r : float
        Minimised loss of the point fits at `r`.
    weights : mapping
        Minimised evaluation set to its weight.
    linear, pull : mapping
        Evaluation set to its law near the point fit, and to what the parameters (whitened, shape (p,)) pull
        the best ratio by, to first order.
    """

    r: float
    r_lo: float
    r_hi: float
    draws: Array
    ratio: Array
    slope: float
    law_error: LawError | None
    nearest: str | None
    fits: Mapping[str, LawFit]
    noise: Mapping[str, RunNoise]
    rows: Mapping[str, Integers]
    grid: Array
    value: Array
    at_r: float
    weights: Mapping[str, float]
    linear: Mapping[str, LinearFit]
    pull: Mapping[str, Array]

    @property
    def width(self) -> float:
        """Width of the interval of the ratio."""
        return self.r_hi - self.r_lo

    @property
    def parameter_sd(self) -> float:
        """Standard deviation of the best ratio over the draws of the parameters."""
        return float(self.ratio.std(ddof=1))

    @property
    def law_sd(self) -> float:
        """Standard deviation of the best ratio for the law's error at the target."""
        return 0.0 if self.law_error is None else abs(self.slope) * self.law_error.sd

    @property
    def unit(self) -> str:
        """Unit of the losses."""
        return next(iter(self.fits.values())).unit

    def moves(self, candidates: Sequence[Candidate]) -> Array:
        """Root of the covariance of the ratio and of the log losses that candidates would measure.

        To first order in the parameters, of which the rows are whitened combinations: the same as the
        draws' where those are many and the laws nearly linear, without the noise of few wild refits. Where
        the ratio does not move to first order (an edge of the range) it is the draws themselves.

        Returns
        -------
        ndarray, shape (k, 1 + sets * points)
            The ratio, then the losses, evaluation set by evaluation set.
        """
        parts = [candidate.points for candidate in candidates]
        N, D, r = (np.concatenate(column) for column in zip(*parts, strict=True))
        given = {
            name: {item: _line(base, N) for item, base in fit.bases.items() if item in fit.law.inputs}
            for name, fit in self.fits.items()
        }
        if not any(pull.any() for pull in self.pull.values()):
            found = [
                cut_off(np.log(fit.draw_means(N, D, r, given[name])[self.rows[name]]))
                for name, fit in self.fits.items()
            ]
            joint = np.column_stack([self.ratio, *found])
            return leading((joint - joint.mean(axis=0)) / np.sqrt(len(joint) - 1))
        made = {name: near.log_losses(N, D, r, given[name]) for name, near in self.linear.items()}
        total = np.zeros((sum(map(len, self.pull.values())), 1 + len(made) * len(N)))
        row = 0
        for place, (name, losses) in enumerate(made.items()):
            rows = slice(row, row + len(losses))
            total[rows, 0] = self.pull[name]
            total[rows, 1 + place * len(N) : 1 + (place + 1) * len(N)] = losses
            row += len(losses)
        return np.asarray(total[np.abs(total).sum(axis=1) > 0])


def believe(
    fits: FitSet, objective: Objective, table: LossTable, law: str | None = None, seed: int = 0
) -> Belief:
    """Solve an objective under every draw of its laws.

    Parameters
    ----------
    fits : FitSet
        Fitted laws with bootstrap draws.
    objective : Objective
        The question; N and D must be given.
    table : LossTable
        The losses the fits were made from; bases are looked up in it.
    law : str, optional
        Law to plan with.
    seed : int
        Seed of the law's error, and of a base that is estimated.

    Raises
    ------
    ConfigError
        When N or D is left open, or the fits' ratios do not meet.
    PlanError
        When no ratio keeps the limits, or the fits have fewer than `LEAST_DRAWS` draws in common.
    FitError
        When a base's loss is needed and cannot be had.
    """
    sides = choose_sides(fits, objective, law, table)
    used = {
        **{name: sides.fits[name] for name in sides.weights},
        **{n: sides.fits[n] for n, _ in sides.limits},
    }
    target = Target.of(objective, used, table)
    rows = _paired(used)
    count = len(next(iter(rows.values())))
    grid = ratio_grid(*_searched(objective, sides.tested))
    base_normal, law_normal = even_normals(np.random.default_rng(seed), count)

    mean = {name: target.mean(fit, grid) for name, fit in used.items()}
    drawn = {name: target.draws(fit, grid, rows[name], base_normal) for name, fit in used.items()}
    value = np.sum([w * drawn[name] for name, w in sides.weights.items()], axis=0)
    point = np.sum([w * mean[name] for name, w in sides.weights.items()], axis=0)
    errors = {name: LawError.of(used[name], target.N, target.D) for name, _ in sides.limits}
    # Of several limits the highest loss relative to its ceiling is what counts.
    over = [np.log(drawn[n] / target.ceiling(item, base_normal)[:, None]) for n, item in sides.limits]
    r = _point(sides, target, grid, mean, point)
    high = [float(np.interp(r, grid, mean[n])) / target.ceiling(item)[0] for n, item in sides.limits]
    nearest = sides.limits[int(np.argmax(high))][0] if high else None

    def best(moved: Array) -> Array:
        """Best ratio of each draw when the laws err by `moved` of their own errors, shape (draws,)."""
        parts = [row + moved[:, None] * errors[n].sd for row, (n, _) in zip(over, sides.limits, strict=True)]
        excess = np.max(parts, axis=0) if parts else np.full_like(value, -1.0)
        return spread_answers(grid, excess, value, r, point, objective.level).r

    with_error, zero = best(law_normal), np.zeros(count)
    slope = 0.0
    if nearest is not None:
        slope = float((best(zero + _STEP) - best(zero - _STEP)).mean()) / (2 * _STEP * errors[nearest].sd)
    noise = {name: run_noise(fit, table) for name, fit in used.items()}
    linear = {name: LinearFit.of(fit, table, noise[name]) for name, fit in used.items()}

    def pulled(name: str) -> Array:
        """Derivatives of the best ratio by the whitened parameters of one law, shape (p,)."""
        moved = linear[name].moved
        rows, still = np.arange(len(moved.draws)), np.zeros(len(moved.draws))
        curves = {n: np.broadcast_to(mean[n], (len(rows), len(grid))) for n in used}
        curves = {**curves, name: target.draws(moved, grid, rows, still)}
        over = [np.log(curves[n] / target.ceiling(item)[0]) for n, item in sides.limits]
        excess = np.max(over, axis=0) if over else np.full(curves[name].shape, -1.0)
        minimised = np.sum([w * curves[n] for n, w in sides.weights.items()], axis=0)
        found = spread_answers(grid, excess, minimised, r, point, objective.level).r
        return linear[name].derivatives(found)

    tail = (1 - objective.level) / 2
    lo, hi = np.quantile(with_error, [tail, 1 - tail])
    return Belief(
        r=r,
        r_lo=min(float(lo), r),
        r_hi=max(float(hi), r),
        draws=with_error,
        ratio=best(zero),
        slope=slope,
        law_error=None if nearest is None else errors[nearest],
        nearest=nearest,
        fits=used,
        noise=noise,
        rows=rows,
        grid=grid,
        value=value,
        at_r=float(np.interp(r, grid, point)),
        weights=sides.weights,
        linear=linear,
        pull={name: pulled(name) for name in used},
    )


def _point(sides: Sides, target: Target, grid: Array, mean: Mapping[str, Array], value: Array) -> float:
    """Best ratio of the point fits."""

    def along(losses: Array) -> Curve:
        return lambda r: np.asarray(np.interp(r, grid, losses))

    bounds = [
        Bound(name, along(mean[name]), target.ceiling(item)[0], item, target.base(item.eval_set))
        for name, item in sides.limits
    ]
    return solve_bounds(bounds, along(value), float(grid[0]), float(grid[-1])).r


def _paired(fits: Mapping[str, LawFit]) -> dict[str, Integers]:
    """Rows of each fit's draws that belong to resamples all of them have."""
    common = reduce(np.intersect1d, [fit.resamples for fit in fits.values()])
    count = len(common)
    if count < LEAST_DRAWS:
        raise PlanError(
            f"next runs: the fits have {count} bootstrap draws in common; wanted at least {LEAST_DRAWS}, to "
            "see which losses move with the ratio.",
            hint="fit again with --bootstrap 400",
        )
    return {name: np.flatnonzero(np.isin(fit.resamples, common)) for name, fit in fits.items()}


def _searched(objective: Objective, tested: tuple[float, float]) -> tuple[float, float]:
    low = tested[0] if objective.r_min is None else objective.r_min
    high = tested[1] if objective.r_max is None else objective.r_max
    if low >= high:
        raise ConfigError(f"next runs: the ratios to search are {low:g} to {high:g}; wanted a range.")
    return low, high


def _line(bases: Bases, N: Array) -> Array:
    """Losses of bases at sizes, shape (n,): a broken line of logs."""
    x, y = np.log(bases.sizes), np.log(bases.losses)
    if len(x) < 2:
        return np.full(len(N), float(np.exp(y[0])))
    at = np.log(N)
    piece = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    slope = (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])
    return np.asarray(np.exp(y[piece] + slope * (at - x[piece])))
