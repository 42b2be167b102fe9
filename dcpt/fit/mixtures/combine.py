"""Weights of several predictors' averages, per target, chosen by held-out error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

WORTH = 0.01
"""A less simple way of combining must err less by this share; the ways are tried in the order of `WAYS`."""

WAYS = ("one for all targets", "average of those that tie", "one per target", "weights", "weights per target")

LEAST_WEIGHT = 0.03
"""Weights below this are dropped: a predictor that hardly counts still has to be fitted and asked."""

_HELD = 100
"""Runs whose errors weigh as much as the common weights when a target's own are fitted."""


@dataclass(frozen=True)
class Combination:
    """How predictors are averaged.

    Attributes
    ----------
    way : str
        One of `WAYS`.
    weights : ndarray, shape (m, k)
        Weight of each of m predictors for each of k targets; columns sum to 1.
    """

    way: str
    weights: Array


def combine(predicted: Array, measured: Array, folds: Integers, ties: NDArray[np.bool_]) -> Combination:
    """Choose weights by the held-out errors of runs that the weights have not seen either.

    Parameters
    ----------
    predicted : ndarray, shape (m, n, k)
        Held-out predictions of m predictors.
    measured : ndarray, shape (n, k)
        Losses.
    folds : ndarray of int, shape (n,)
        Fold of each run: weights are fitted to the other folds when a way is scored.
    ties : ndarray of bool, shape (m,)
        Predictors that cannot be told from the best one.
    """
    spread = measured.std(axis=0) + 1e-300
    errors = (predicted - measured) / spread
    if len(errors) == 1:
        return Combination(WAYS[0], np.ones((1, measured.shape[1])))
    best, found = np.inf, Combination(WAYS[0], np.ones((1, 1)))
    for way in WAYS:
        left = []
        for fold in np.unique(folds):
            out = folds == fold
            weights = _weights(way, errors[:, ~out], ties)
            left.append(np.abs(np.einsum("mk,mnk->nk", weights, errors[:, out])))
        error = float(np.concatenate(left).mean())
        if error < (1 - WORTH) * best:
            best, found = error, Combination(way, _clean(_weights(way, errors, ties)))
    return found


def _weights(way: str, errors: Array, ties: NDArray[np.bool_]) -> Array:
    """Weights of a way of combining, shape (m, k), from standardised errors of shape (m, n, k)."""
    count, _, targets = errors.shape
    size = np.abs(errors).mean(axis=1)
    if way == WAYS[0]:
        return _one_hot(np.full(targets, int(np.argmin(size.mean(axis=1)))), count)
    if way == WAYS[1]:
        return np.repeat(ties[:, None] / ties.sum(), targets, axis=1)
    if way == WAYS[2]:
        return _one_hot(np.argmin(size, axis=0), count)
    common = _least(errors.reshape(count, -1))
    if way == WAYS[3]:
        return np.repeat(common[:, None], targets, axis=1)
    pull = np.sqrt(_HELD) * np.abs(errors).mean()
    return np.stack([_least(errors[:, :, target], common, pull) for target in range(targets)], axis=1)


def _least(errors: Array, toward: Array | None = None, pull: float = 0.0) -> Array:
    """Non-negative weights summing to 1 with the least squared combined error, shape (m,).

    Parameters
    ----------
    errors : ndarray, shape (m, n)
        Errors of each predictor.
    toward, pull : ndarray of shape (m,) and float
        Weights to stay near, and how strongly.
    """
    count = len(errors)
    gram = errors @ errors.T
    if toward is not None:
        # Only differences of errors matter once weights sum to 1, so the pull is in the errors' unit.
        gram = gram + pull**2 * np.eye(count)
    right = np.zeros(count) if toward is None else pull**2 * toward
    # Minimise w' gram w / 2 - right' w by least squares on a square root, the sum held by a heavy row.
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 1e-9 * values[-1] + 1e-300)
    root = (vectors * np.sqrt(values)).T
    heavy = 1e3 * np.sqrt(values[-1])
    goal = (vectors / np.sqrt(values)).T @ right
    weights, _ = nnls(np.vstack([root, np.full(count, heavy)]), np.r_[goal, heavy])
    return np.asarray(weights / weights.sum())


def _one_hot(chosen: Integers, count: int) -> Array:
    return np.asarray(np.arange(count)[:, None] == chosen, dtype=np.float64)


def _clean(weights: Array) -> Array:
    kept = np.where(weights < LEAST_WEIGHT, 0.0, weights)
    return np.asarray(kept / kept.sum(axis=0))
