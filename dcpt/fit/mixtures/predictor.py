"""What every predictor of losses from mixtures can do: the recipe, and what it becomes once fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.mixture_table import SUM_TOLERANCE, MixtureTable

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@runtime_checkable
class FittedPredictor(Protocol):
    """Losses as functions of the mixture, fitted to runs.

    q is the number of mixtures asked for, k that of targets, p that of corpora. Shares are read in
    the order of `corpora`.
    """

    @property
    def name(self) -> str:
        """The predictor's name."""

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora, length p."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the losses, length k."""

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k), of mixtures of shape (q, p)."""

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation, shape (q, k), of a new run's loss; without `noise` of the expected loss."""

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Joint draws of the expected losses, shape (count, q, k).

        Each draw is a function of the mixture: the same count and seed give the same functions,
        whichever mixtures they are asked at. Noise of single runs is not in them.
        """

    def gradient(self, shares: ArrayLike) -> Array | None:
        """Derivatives of `mean` by each share, the others held, shape (q, k, p); None for steps."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `dcpt.fit.mixtures.predictor_file.predictor_from_dict` reads them."""


class Predictor(Protocol):
    """A recipe: settings that a fit needs beside the data."""

    @property
    def name(self) -> str:
        """What the tables of the tournament call it."""

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedPredictor:
        """Fit every target of a table.

        Raises
        ------
        FitError
            When the data cannot support it, with the reason.
        ConfigError
            When something it needs is not installed.
        """


@dataclass(frozen=True)
class HeldOut:
    """Predictions of runs by fits that had not seen them.

    Attributes
    ----------
    mean, sd : ndarray, shape (n, k)
        Predicted loss, and standard deviation of a new run's loss; nan where `held` is False.
    held : ndarray of bool, shape (n,)
        Rows that were predicted.
    """

    mean: Array
    sd: Array
    held: NDArray[np.bool_]


@runtime_checkable
class CrossFitting(Protocol):
    """A predictor that predicts held-out runs faster than by one fit per fold."""

    def cross_fit(
        self, table: MixtureTable, folds: Integers, seed: int = 0
    ) -> tuple[FittedPredictor, HeldOut]:
        """The fit to all runs, and the held-out predictions of (some of) them."""


def cross_fit(
    predictor: Predictor, table: MixtureTable, folds: Integers, seed: int = 0
) -> tuple[FittedPredictor, HeldOut]:
    """Fit a predictor to all runs, and hold each fold out in turn.

    Parameters
    ----------
    folds : ndarray of int, shape (n,)
        Fold of each run, from 0; see `dcpt.fit.mixtures.folds.mixture_folds`.
    """
    if isinstance(predictor, CrossFitting):
        return predictor.cross_fit(table, folds, seed)
    return predictor.fit(table, seed), hold_out(predictor, table, folds, seed)


def hold_out(predictor: Predictor, table: MixtureTable, folds: Integers, seed: int = 0) -> HeldOut:
    """Predict each fold by a fit to the others."""
    mean = np.full(table.losses.shape, np.nan)
    sd = np.full(table.losses.shape, np.nan)
    for fold in np.unique(folds[folds >= 0]):
        out = folds == fold
        fitted = predictor.fit(table.rows(~out), seed)
        mean[out], sd[out] = fitted.mean(table.shares[out]), fitted.sd(table.shares[out])
    return HeldOut(mean, sd, folds >= 0)


def as_shares(shares: ArrayLike | Mapping[str, float], corpora: tuple[str, ...]) -> Array:
    """Mixtures as an array of shape (q, p): one mixture may come as p numbers or by name.

    Raises
    ------
    ConfigError
        When a corpus is unknown, shares are not p numbers from 0 to 1, or do not sum to about 1.
    """
    if isinstance(shares, Mapping):
        unknown = [name for name in shares if name not in corpora]
        if unknown:
            raise ConfigError(f"mixture: corpus {unknown[0]!r} is unknown; wanted {', '.join(corpora)}.")
        shares = [float(shares.get(name, 0.0)) for name in corpora]
    array = np.atleast_2d(np.asarray(shares, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] != len(corpora):
        raise ConfigError(
            f"mixture: shares have the shape {np.shape(shares)}; wanted {len(corpora)} per mixture, "
            f"of {', '.join(corpora)}."
        )
    sums = array.sum(axis=1)
    bad = (
        ~np.isfinite(array).all(axis=1)
        | (array < -SUM_TOLERANCE).any(axis=1)
        | (abs(sums - 1) > SUM_TOLERANCE)
    )
    if bad.any():
        at = int(np.argmax(bad))
        raise ConfigError(
            f"mixture {at + 1}: shares {np.round(array[at], 6).tolist()} sum to {sums[at]:.6g}; "
            "wanted numbers from 0 to 1 that sum to 1."
        )
    return array
