"""What a predictor with a fixed form misses: noise of single runs, and functions it cannot follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.repeats import repeat_variance

Array = NDArray[np.float64]

FEATURES = 256
"""Random Fourier features behind a drawn function."""

LENGTH = 0.5
"""Distance, between the square roots of shares, over which what is missed changes. A judgement: two mixtures
without a common corpus are sqrt(2) apart."""


@dataclass(frozen=True)
class Scatter:
    """Variance of runs around a fit, in two parts.

    Without repeated mixtures nothing tells the parts apart, and all of it counts as what the form
    misses: draws are then too wide rather than too narrow.

    Attributes
    ----------
    missed : ndarray, shape (k,)
        Variance of what the form misses: the same in every run of a mixture.
    noise : ndarray, shape (k,)
        Variance between runs of one mixture.
    """

    missed: Array
    noise: Array

    @classmethod
    def of(cls, table: MixtureTable, errors: Array) -> Scatter:
        """From the errors of runs that were left out, shape (n, k)."""
        total = (errors**2).mean(axis=0)
        mixtures = table.mixtures
        noise = np.array([repeat_variance(mixtures, losses)[0] for losses in table.losses.T])
        noise = np.minimum(noise, total)
        return cls(total - noise, noise)

    def variance(self, noise: bool) -> Array:
        """Variance of a new run around the fit, or of the expected loss, shape (k,)."""
        return self.missed + self.noise if noise else self.missed

    def functions(self, shares: Array, count: int, seed: int) -> Array:
        """Smooth functions of the mixture with the variance that is missed, shape (count, q, k)."""
        generator = np.random.default_rng(seed)
        frequencies = generator.standard_normal((shares.shape[1], FEATURES)) / LENGTH
        phases = generator.uniform(0, 2 * np.pi, FEATURES)
        waves = np.cos(np.sqrt(np.maximum(shares, 0.0)) @ frequencies + phases)
        amplitudes = generator.standard_normal((count, FEATURES, len(self.missed)))
        return np.asarray(np.matmul(waves, amplitudes * np.sqrt(2 * self.missed / FEATURES)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"missed": self.missed.tolist(), "noise": self.noise.tolist()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Scatter:
        """Undo `to_dict`."""
        return cls(np.array(document["missed"], dtype=float), np.array(document["noise"], dtype=float))
