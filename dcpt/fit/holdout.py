"""Hold-outs: the error on a size, a ratio or a number of tokens the fit has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.fit.baselines import BASELINES
from dcpt.fit.bootstrap import resample
from dcpt.fit.dataset import FitData
from dcpt.fit.design import check_design
from dcpt.fit.doubt import FitWarning
from dcpt.fit.extrapolation import distance_outside, error_beyond, widened
from dcpt.fit.objective import Problem
from dcpt.fit.predict import observation_bounds
from dcpt.fit.residuals import residual_sigma
from dcpt.fit.score import LARGEST_D, LARGEST_N, HoldoutScore, score
from dcpt.fit.solve import Solution, solve
from dcpt.fit.space import Space
from dcpt.fit.splits import SPLITS, Split, make_splits
from dcpt.fit.starts import start_grid
from dcpt.fit.unit_words import unit_sign
from dcpt.laws.law import Law

Array = NDArray[np.float64]

LEVEL = 0.9
"""Probability of the interval whose coverage is counted."""

MOST_DRAWS = 100
"""Refits per hold-out: enough to tell inside from outside a 90 % interval."""


def point_fit(law: Law, data: FitData, space: Space, delta: float) -> tuple[Problem, Solution]:
    """Fit a law to rows: values only, no draws.

    Raises
    ------
    ConfigError, FitError
        When the rows cannot be fitted with this law.
    """
    check_design(law, data, space)
    problem = Problem(law, data, space, delta)
    return problem, solve(problem, start_grid(law, data, space))


def score_holdouts(
    law: Law, data: FitData, space: Space, delta: float, draws: int, seed: int
) -> tuple[tuple[HoldoutScore, ...], tuple[FitWarning, ...]]:
    """Refit without each hold-out and score the law and the baselines on it.

    Returns
    -------
    scores : tuple of HoldoutScore
    doubts : tuple of FitWarning
        Hold-outs the rest of the data does not support, and those a baseline wins.
    """
    scores: list[HoldoutScore] = []
    doubts: list[FitWarning] = []
    lost: list[str] = []
    for split in make_splits(data):
        rest, left = data.take(~split.out), data.take(split.out)
        rivals = [
            score(split.kind, split.level, name, left.loss, fit(rest)(left), split.reach)
            for name, fit in BASELINES.items()
        ]
        scores += rivals
        where = f"{split.kind} ({split.label})"
        try:
            own = _score_law(law, rest, left, space, delta, draws, seed, split)
        except FitError as error:
            message = f"The hold-out of the {where} cannot be scored: {error.message}"
            doubts.append(FitWarning("holdout", message))
            continue
        scores.append(own)
        rival = min(rivals, key=lambda item: item.mae)
        if rival.mae < own.mae:
            unit = unit_sign(data.unit)
            lost.append(f"the {where} ({rival.model} {rival.mae:.4f} against {own.mae:.4f} {unit})")
    if lost:
        message = f"Left out of the fit, a baseline errs less than {law.name} on {'; '.join(lost)}."
        doubts.append(FitWarning("holdout", message))
    return tuple(scores), tuple(doubts)


def _score_law(
    law: Law, rest: FitData, left: FitData, space: Space, delta: float, draws: int, seed: int, split: Split
) -> HoldoutScore:
    problem, solution = point_fit(law, rest, space, delta)
    predicted = law.evaluate(solution.theta, left.inputs)
    if not (np.isfinite(predicted) & (predicted > 0)).all():
        raise FitError(f"law {law.name} predicts no finite positive loss there.")
    coverage = None
    kept = resample(problem, solution.u, min(draws, MOST_DRAWS), seed).theta
    if len(kept):
        sigma = residual_sigma(problem.residual(solution.u), len(space.free))
        noise = _log_noise(law, rest, left, space, delta, sigma)
        lo, hi = observation_bounds(law.evaluate(kept, left.inputs), noise, LEVEL)
        coverage = float(((left.loss >= lo) & (left.loss <= hi)).mean())
    return score(split.kind, split.level, law.name, left.loss, predicted, split.reach, coverage)


def _log_noise(law: Law, rest: FitData, left: FitData, space: Space, delta: float, sigma: float) -> Array:
    """Noise of a new log measurement, shape (n,), as a fit of the rest alone would state it.

    Beyond the rest's own range the error of extrapolation is the one the law makes on the largest
    size or budget that is left when the hold-out is gone, as in `LawFit.log_noise`.
    """
    errors = [np.zeros(len(left))]
    for symbol, kind in (("N", LARGEST_N), ("D", LARGEST_D)):
        known = getattr(rest, symbol)
        beyond = distance_outside(getattr(left, symbol), known.min(), known.max())
        if not beyond.any():
            continue
        for split in SPLITS[kind](rest):
            inner, outer = rest.take(~split.out), rest.take(split.out)
            try:
                _, solution = point_fit(law, inner, space, delta)
            except FitError:
                continue  # too few sizes are left to know; the interval then has no such term
            miss = np.log(np.maximum(law.evaluate(solution.theta, outer.inputs), 1e-300) / outer.loss)
            errors.append(error_beyond(float(np.sqrt((miss**2).mean())), split.reach, beyond))
    return widened(sigma, errors)
