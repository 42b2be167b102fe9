"""Losses by mixture whose truth is known, and predictors whose draws are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.exponential import FittedExponential
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.predictor import Predictor
from dcpt.fit.mixtures.process import ProcessPredictor
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.mixtures.tournament import choose

Array = NDArray[np.float64]

CORPORA = ("wiki", "code", "law", "noise")
TARGETS = ("wiki", "code", "law")
LEVEL = np.array([2.0, 1.0, 1.5])
PULL = np.array([[1.0, 0.1, 0.1, 0.0], [0.1, 1.0, 0.1, 0.0], [0.1, 0.1, 1.0, 0.0]])
"""What a share of each corpus is worth to each target: most its own, a little others, the fourth nothing."""


def true_losses(shares: Array) -> Array:
    """Loss of each target: a level plus a hyperbola in the useful share; shape (n, 3)."""
    return np.asarray(LEVEL + 0.1 / (np.asarray(shares) @ PULL.T + 0.1))


def true_best(weights: ArrayLike) -> Array:
    """The best mixture of the first three corpora, by a fine grid; the fourth is worth nothing."""
    step = np.linspace(0, 1, 201)
    a, b = np.meshgrid(step, step)
    inside = a + b <= 1
    grid = np.stack([a[inside], b[inside], 1 - a[inside] - b[inside], 0 * a[inside]], axis=1)
    return np.asarray(grid[int(np.argmin(true_losses(grid) @ np.asarray(weights)))])


def table(
    runs: int = 40, seed: int = 0, noise: float = 0.003, corpora: Sequence[str] = CORPORA
) -> MixtureTable:
    """Runs on mixtures drawn evenly, with noise; the last three repeat the first."""
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.ones(len(CORPORA)), runs)
    shares[-3:] = shares[0]
    losses = true_losses(shares) + noise * draw.standard_normal((runs, 3))
    kept = [CORPORA.index(name) for name in corpora]
    names = tuple(f"run{number}" for number in range(runs))
    return MixtureTable(tuple(corpora), TARGETS, shares[:, kept], losses, names)


def fit(
    runs: int = 40, seed: int = 0, noise: float = 0.003, predictors: Sequence[Predictor] | None = None
) -> MixtureFit:
    """The process fitted to `table`, without a race."""
    return choose(table(runs, seed, noise), seed, predictors or [ProcessPredictor()])


def with_predictor(fitted: MixtureFit, part: Any) -> MixtureFit:
    """A fit that answers by another predictor of the same corpora and targets."""
    ones = np.ones((1, len(fitted.targets)))
    return replace(fitted, parts=(part,), weights=ones, stretch=ones[0])


def exponential(
    seed: int, corpora: Sequence[str] = CORPORA, targets: Sequence[str] = TARGETS
) -> FittedExponential:
    """An exponential law with random exponents: convex, so its optimum can be checked."""
    draw = np.random.default_rng(seed)
    width, count = len(corpora), len(targets)
    return FittedExponential(
        corpora=tuple(corpora),
        targets=tuple(targets),
        level=draw.uniform(1, 2, count),
        exponents=draw.normal(0, 1.5, (count, width)),
        root=np.zeros((count, width + 1, width + 1)),
        scatter=Scatter(np.full(count, 1e-4), np.full(count, 1e-4)),
    )


@dataclass(frozen=True)
class Bowls:
    """A predictor whose draws are bowls around centres that are known."""

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    centres: Array
    name: str = "bowls"

    def mean(self, shares: ArrayLike) -> Array:
        return self._bowl(np.asarray(shares), self.centres.mean(axis=0)[None])[0][:, None]

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        return np.full((len(np.asarray(shares)), 1), 0.02)

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        return self._bowl(np.asarray(shares), self.centres[:count])[:, :, None]

    def gradient(self, shares: ArrayLike) -> Array | None:
        return 2 * (np.asarray(shares) - self.centres.mean(axis=0))[:, None, :]

    def to_dict(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def _bowl(shares: Array, centres: Array) -> Array:
        return np.asarray(2 + ((shares - centres[:, None, :]) ** 2).sum(axis=2))
