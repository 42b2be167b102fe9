"""Hold-outs: the error on a size, a ratio or a number of tokens the fit has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.fit.baselines import BASELINES
from dcpt.fit.bootstrap import resample
from dcpt.fit.dataset import FitData
from dcpt.fit.diagnose import check_design
from dcpt.fit.doubt import FitWarning
from dcpt.fit.objective import Problem
from dcpt.fit.predict import observation_bounds
from dcpt.fit.residuals import residual_sigma
from dcpt.fit.score import LARGEST_D, LARGEST_N, RATIO, HoldoutScore, score
from dcpt.fit.solve import solve
from dcpt.fit.space import Space
from dcpt.fit.starts import start_grid
from dcpt.fit.unit_words import unit_sign
from dcpt.laws.law import Law

LEVEL = 0.9
"""Probability of the interval whose coverage is counted."""

MOST_DRAWS = 100
"""Refits per hold-out: enough to tell inside from outside a 90 % interval."""

LARGEST_SHARE = 0.1
"""Where every run has its own D, the largest D are this share of the rows."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows left out (`out`, a mask) and why."""

    kind: str
    level: float
    out: NDArray[np.bool_]
    reach: float = 0.0


def splits(data: FitData) -> Iterator[Split]:
    """The hold-outs of a data set: largest N, each inner ratio, largest D."""
    top = data.N.max()
    out = top * (1 - 1e-9) <= data.N
    if not out.all():
        yield Split(LARGEST_N, top, out, float(np.log(top / data.N[~out].max())))
    for ratio in np.unique(data.r)[1:-1]:
        yield Split(RATIO, ratio, data.r == ratio)
    least = float(np.quantile(data.D, 1 - LARGEST_SHARE, method="lower"))
    out = least * (1 - 1e-9) <= data.D
    if not out.all():
        yield Split(LARGEST_D, least, out, float(np.log(data.D.max() / data.D[~out].max())))


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
    for split in splits(data):
        rest, left = data.take(~split.out), data.take(split.out)
        for name, fit in BASELINES.items():
            scores.append(score(split.kind, split.level, name, left.loss, fit(rest)(left), split.reach))
        try:
            scores.append(_score_law(law, rest, left, space, delta, draws, seed, split))
        except FitError as error:
            message = f"The hold-out of {_words(split)} cannot be scored: {error.message}"
            doubts.append(FitWarning("holdout", message))
            continue
        rival = min(scores[-1 - len(BASELINES) : -1], key=lambda item: item.mae)
        if rival.mae < scores[-1].mae:
            unit = unit_sign(data.unit)
            errors = f"{rival.model} {rival.mae:.4f} against {scores[-1].mae:.4f} {unit}"
            lost.append(f"{_words(split)} ({errors})")
    if lost:
        message = f"Left out of the fit, a baseline errs less than {law.name} on {'; '.join(lost)}."
        doubts.append(FitWarning("holdout", message))
    return tuple(scores), tuple(doubts)


def _score_law(
    law: Law, rest: FitData, left: FitData, space: Space, delta: float, draws: int, seed: int, split: Split
) -> HoldoutScore:
    check_design(law, rest, space)
    problem = Problem(law, rest, space, delta)
    solution = solve(problem, start_grid(law, rest, space))
    predicted = law.evaluate(solution.theta, left.inputs)
    coverage = None
    kept = resample(problem, solution.u, min(draws, MOST_DRAWS), seed).theta
    if len(kept):
        sigma = residual_sigma(problem.residual(solution.u), len(space.free))
        lo, hi = observation_bounds(law.evaluate(kept, left.inputs), np.full(len(left), sigma), LEVEL)
        coverage = float(((left.loss >= lo) & (left.loss <= hi)).mean())
    return score(split.kind, split.level, law.name, left.loss, predicted, split.reach, coverage)


def _words(split: Split) -> str:
    if split.kind == RATIO:
        return f"the ratio r = {split.level:g}"
    return f"the {split.kind} ({split.level:.3g})"
