"""The chosen predictor of a set of runs: averages, calibrated on held-out runs, with what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from dcpt.core.errors import ConfigError
from dcpt.fit.mixtures.predictor import FittedPredictor, as_shares

if TYPE_CHECKING:
    from dcpt.fit.mixtures.choice import Choice

Array = NDArray[np.float64]

BEYOND = 0.02
"""A share counts as outside when it lies this far beyond those of the fitted runs."""


@dataclass(frozen=True)
class MixtureFit:
    """Losses as functions of the mixture; a `FittedPredictor` whose spread is calibrated.

    Attributes
    ----------
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    parts : tuple of FittedPredictor
        Predictors that are averaged; each answers for all targets.
    weights : ndarray, shape (m, k)
        Weight of each part for each target; columns sum to 1.
    stretch : ndarray, shape (k,)
        Factor on standard deviations, so that held-out runs lie in the 90 % interval as often as said.
    choice : Choice
        What was tried, with which held-out scores, and what ties.
    shares, losses : ndarray, shape (n, p) and (n, k)
        The runs that were fitted.
    warnings : tuple of str
        Reasons not to lean on the fit.
    fingerprint : str
        Hash of the table that was fitted.
    seed : int
        Seed of folds and subsamples.
    sides : tuple of str, length p, optional
        Side of each corpus, ``general`` or ``domain``, where the table says it.
    base : ndarray, shape (k,), optional
        Loss on each target before continual pre-training, where the table says it.
    N, D : float, optional
        Size and training tokens of the runs, where they are known and one.
    keep : tuple of str
        Limits that the sweep's target asks for; a plan keeps them unless it is asked to keep others.
    """

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    parts: tuple[FittedPredictor, ...]
    weights: Array
    stretch: Array
    choice: Choice
    shares: Array
    losses: Array
    warnings: tuple[str, ...]
    fingerprint: str
    seed: int
    sides: tuple[str, ...] | None = None
    base: Array | None = None
    N: float | None = None
    D: float | None = None
    keep: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The predictors averaged, with the mean of their weights over targets."""
        means = self.weights.mean(axis=1)
        if len(self.parts) == 1:
            return self.parts[0].name
        return " + ".join(f"{weight:.2f} {part.name}" for part, weight in zip(self.parts, means, strict=True))

    @property
    def coverage(self) -> float:
        """Share of held-out runs inside the calibrated 90 % intervals, all targets together."""
        return self.choice.chosen.coverage

    def mean(self, shares: ArrayLike | Mapping[str, float]) -> Array:
        """Predicted losses, shape (q, k)."""
        array = as_shares(shares, self.corpora)
        return np.asarray(sum(w * part.mean(array) for w, part in self._each()))

    def sd(self, shares: ArrayLike | Mapping[str, float], noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k).

        Errors of the parts count as wholly correlated: they have seen the same runs.
        """
        array = as_shares(shares, self.corpora)
        return np.asarray(self.stretch * sum(w * part.sd(array, noise) for w, part in self._each()))

    def interval(
        self, shares: ArrayLike | Mapping[str, float], level: float = 0.9, noise: bool = True
    ) -> tuple[Array, Array]:
        """Ends of the interval of a new run's loss, or of the expected loss, each of shape (q, k).

        Raises
        ------
        ConfigError
            When the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ConfigError(f"interval: level is {level}; wanted a share between 0 and 1.")
        half = float(ndtri(0.5 + level / 2)) * self.sd(shares, noise)
        mean = self.mean(shares)
        return mean - half, mean + half

    def draws(self, shares: ArrayLike | Mapping[str, float], count: int, seed: int = 0) -> Array:
        """Functions drawn for the expected losses, shape (count, q, k); see `FittedPredictor.draws`.

        Parts are drawn independently and their average is widened to the standard deviation of `sd`.
        """
        array = as_shares(shares, self.corpora)
        mean = self.mean(array)
        moved = np.zeros((count, *mean.shape))
        linear, square = np.zeros_like(mean), np.zeros_like(mean)
        for number, (weight, part) in enumerate(self._each()):
            moved += weight * (part.draws(array, count, seed + 104729 * number) - part.mean(array))
            if len(self.parts) > 1:
                spread = weight * part.sd(array, False)
                linear += spread
                square += spread**2
        widened = linear / np.sqrt(np.maximum(square, 1e-300)) if len(self.parts) > 1 else 1.0
        return np.asarray(mean + self.stretch * widened * moved)

    def gradient(self, shares: ArrayLike | Mapping[str, float]) -> Array | None:
        """Derivatives of `mean` by each share, shape (q, k, p); None where a part has none."""
        array = as_shares(shares, self.corpora)
        total = np.zeros((len(array), len(self.targets), len(self.corpora)))
        for weight, part in self._each():
            gradient = part.gradient(array)
            if gradient is None:
                return None
            total += weight[:, None] * gradient
        return total

    def outside(self, shares: ArrayLike | Mapping[str, float]) -> NDArray[np.bool_]:
        """Whether a share lies beyond those of the fitted runs, shape (q,): the answer extrapolates."""
        array = as_shares(shares, self.corpora)
        low, high = self.shares.min(axis=0) - BEYOND, self.shares.max(axis=0) + BEYOND
        return np.asarray(((array < low) | (array > high)).any(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values with a schema_version."""
        from dcpt.fit.mixtures.mixture_fit_file import mixture_fit_to_dict

        return mixture_fit_to_dict(self)

    def write(self, path: Path | str) -> Path:
        """Write the fit as JSON, atomically; `load_mixtures` reads it."""
        from dcpt.core.files import write_json

        return write_json(path, self.to_dict())

    def _each(self) -> zip[tuple[Array, FittedPredictor]]:
        return zip(self.weights, self.parts, strict=True)
