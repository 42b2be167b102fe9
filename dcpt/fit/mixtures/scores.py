"""How well losses of runs were predicted that the fit had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

LEVEL = 0.9
"""Probability of the intervals whose coverage is reported."""

NORMAL = 1.6448536269514722
"""Half width of the 90 % interval of a normal variable, in standard deviations."""

FLAT = 1e-6
"""Standard deviation, relative to the mean, up to which losses do not vary: what a table's digits lose."""

TAIL, LEAST_TAIL = 0.1, 5
"""Share of the runs, and the fewest, that count as those predicted best."""


@dataclass(frozen=True)
class MixtureScore:
    """Scores of held-out predictions; means over targets, but for `regret_mean`.

    Attributes
    ----------
    mae : float
        Mean absolute error, in the unit of the losses.
    r2 : float
        1 - squared error over the losses' scatter around their mean, over the targets that vary; 0 where
        none does.
    spearman : float
        Rank correlation.
    regret : float
        Regret at 1: measured loss of the run predicted best, minus the least measured.
    regret_mean : float
        The same for the mean loss over targets: one mixture for all.
    optimism : float
        Lower-tail optimism: measured minus predicted loss, mean over the tenth of the runs predicted
        best. Positive means that the best predictions promise too much.
    coverage : float
        Share of the measured losses inside the 90 % intervals.
    runs : int
        Runs scored.
    """

    mae: float
    r2: float
    spearman: float
    regret: float
    regret_mean: float
    optimism: float
    coverage: float
    runs: int


def score(predicted: Array, sd: Array, measured: Array) -> MixtureScore:
    """Score predictions of shape (n, k) with the standard deviations of new runs, shape (n, k)."""
    error = predicted - measured
    scatter = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    varies = ~flat_targets(measured)
    explained = 1 - (error**2).sum(axis=0)[varies] / scatter[varies]
    columns = np.arange(measured.shape[1])
    tail = min(max(LEAST_TAIL, round(TAIL * len(measured))), len(measured))
    best = np.argsort(predicted, axis=0)[:tail]
    first = int(np.argmin(predicted.mean(axis=1)))
    return MixtureScore(
        mae=float(np.abs(error).mean()),
        r2=float(explained.mean()) if varies.any() else 0.0,
        spearman=float(
            np.mean([rank_correlation(*pair) for pair in zip(predicted.T, measured.T, strict=True)])
        ),
        regret=float((measured[best[0], columns] - measured.min(axis=0)).mean()),
        regret_mean=float(measured.mean(axis=1)[first] - measured.mean(axis=1).min()),
        optimism=float(-error[best, columns].mean()),
        coverage=float((np.abs(error) <= NORMAL * sd).mean()),
        runs=len(measured),
    )


def flat_targets(losses: Array) -> NDArray[np.bool_]:
    """Which targets hardly vary between runs, shape (k,), of losses (n, k): there is nothing to explain."""
    return np.asarray(losses.std(axis=0) <= FLAT * np.abs(losses.mean(axis=0)))


def rank_correlation(one: Array, two: Array) -> float:
    """Spearman's rank correlation; 0 where one side is constant."""
    ranks = [rankdata(side) - (len(one) + 1) / 2 for side in (one, two)]
    norm = float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / norm if norm > 0 else 0.0
