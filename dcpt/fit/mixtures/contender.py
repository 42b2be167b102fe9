"""Contenders of a race over folds: each predicts one fold after the other until it has clearly lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.predictor import FittedPredictor, HeldOut, Predictor, cross_fit
from dcpt.fit.paired import paired_difference

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LOST = 1.1
"""A contender has lost a target when its error is more than this times the leader's."""

SURE = 0.9
"""Level of the paired interval that must lie beyond the leader's error before a contender is dropped."""

DRAWS = 200
"""Resamples of a paired difference inside the race."""


@dataclass(frozen=True)
class Contender:
    """A predictor and its held-out predictions.

    Attributes
    ----------
    predictor : Predictor
        The recipe.
    held : HeldOut or None
        Held-out predictions so far; None where it could not be fitted.
    fitted : FittedPredictor or None
        The fit to all runs, where it has been made.
    dropped : str or None
        Why it did not run to the end.
    """

    predictor: Predictor
    held: HeldOut | None
    fitted: FittedPredictor | None = None
    dropped: str | None = None


def lead(predictor: Predictor, table: MixtureTable, folds: Integers, seed: int) -> Contender:
    """A contender that runs to the end whatever its errors."""
    try:
        fitted, held = cross_fit(predictor, table, folds, seed)
    except (FitError, ConfigError) as error:
        return Contender(predictor, None, dropped=error.message)
    return Contender(predictor, held, fitted)


def race(
    predictor: Predictor,
    table: MixtureTable,
    folds: Integers,
    leader: Contender | None,
    seed: int,
    targets: Integers | None = None,
    together: bool = False,
) -> Contender:
    """Hold folds out one after the other, until the contender has clearly lost to the leader.

    Parameters
    ----------
    leader : Contender or None
        Whom it is compared with, on the runs both predicted.
    targets : ndarray of int, optional
        Targets that decide alone whether the contender is worth the others, by their mean error: for
        predictors that are slow to fit.
    together : bool
        Whether it has lost when it has lost on all targets together; otherwise it must have lost on each.
    """
    if targets is not None and leader is not None and len(targets) < len(table.targets):
        some = table.only([table.targets[column] for column in targets])
        look = race(predictor, some, folds, _part(leader, targets), seed, together=True)
        if look.dropped and look.held is not None:
            mean, sd = np.full((2, *table.losses.shape), np.nan)
            mean[:, targets], sd[:, targets] = look.held.mean, look.held.sd
            return Contender(predictor, HeldOut(mean, sd, look.held.held), dropped=look.dropped)
        if look.dropped:
            return look
    mean, sd = np.full((2, *table.losses.shape), np.nan)
    held = np.zeros(len(table), dtype=bool)
    try:
        numbers = np.unique(folds)
        for number in numbers:
            out = folds == number
            mean[out], sd[out] = _one_fold(predictor, table, out, seed)
            held |= out
            if leader is not None and number != numbers[-1] and _lost(mean, table, leader, held, together):
                return Contender(predictor, HeldOut(mean, sd, held), dropped=_LOST_WORDS)
    except (FitError, ConfigError) as error:
        return Contender(predictor, None, dropped=error.message)
    return Contender(predictor, HeldOut(mean, sd, held))


_LOST_WORDS = "dropped: clearly behind after the first folds"


def _one_fold(
    predictor: Predictor, table: MixtureTable, out: NDArray[np.bool_], seed: int
) -> tuple[Array, Array]:
    fitted = predictor.fit(table.rows(~out), seed)
    return fitted.mean(table.shares[out]), fitted.sd(table.shares[out])


def _part(leader: Contender, targets: Integers) -> Contender:
    """The leader's predictions of some targets."""
    held = leader.held
    if held is None:
        return leader
    return replace(leader, held=HeldOut(held.mean[:, targets], held.sd[:, targets], held.held))


def _lost(
    mean: Array, table: MixtureTable, leader: Contender, rows: NDArray[np.bool_], together: bool
) -> bool:
    """Whether the contender errs clearly more than the leader and, unless `together`, is near it nowhere."""
    if leader.held is None:
        return False
    both = rows & leader.held.held
    if both.sum() < 4:
        return False
    spread = table.losses.std(axis=0) + 1e-300
    mine = np.abs(mean[both] - table.losses[both]) / spread
    theirs = np.abs(leader.held.mean[both] - table.losses[both]) / spread
    near = mine.mean(axis=0) <= LOST * theirs.mean(axis=0)
    if mine.mean() <= LOST * theirs.mean() or (near.any() and not together):
        return False
    runs = np.repeat(np.arange(len(mine)), mine.shape[1])
    difference = paired_difference(mine.ravel(), theirs.ravel(), runs, level=SURE, draws=DRAWS)
    return difference.lo > 0
