"""Gradient-boosted trees by LightGBM, the predictor of RegMix and CLIMB; an optional dependency."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.folds import mixture_folds
from dcpt.fit.mixtures.predictor import as_shares
from dcpt.fit.mixtures.scatter import Scatter

Array = NDArray[np.float64]

LEAST_RUNS = 40
"""With LightGBM's 20 runs in a leaf at least, fewer runs give a constant."""


@dataclass(frozen=True)
class BoostedTreesPredictor:
    """Recipe: one booster per target, LightGBM's settings otherwise (Liu et al. 2024, arXiv:2407.01492).

    Parameters
    ----------
    trees : int
        Trees per target.
    rate : float
        Shrinkage of each tree.
    held : bool
        Whether the scatter comes from a fifth of the mixtures left out, at the price of a second fit.
        Otherwise it is that of the fitted runs, far too small, for callers who calibrate it.
    """

    trees: int = 200
    rate: float = 0.05
    held: bool = True

    def __post_init__(self) -> None:
        if self.trees < 1 or not 0 < self.rate <= 1:
            raise ConfigError(
                f"boosted trees: {self.trees} trees at rate {self.rate}; wanted 1 or more, at 0 to 1."
            )

    @property
    def name(self) -> str:
        """``boosted-trees``."""
        return "boosted-trees"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedBoostedTrees:
        """Fit every target.

        Raises
        ------
        ConfigError
            When lightgbm is not installed.
        FitError
            When there are fewer than 40 runs.
        """
        if len(table) < LEAST_RUNS:
            raise FitError(f"boosted trees: got {len(table)} runs; wanted at least {LEAST_RUNS}.")
        trees = self._grow(table, seed)
        out = mixture_folds(table, 5, seed) == 0 if self.held else np.ones(len(table), dtype=bool)
        left = self._grow(table.rows(~out), seed) if self.held else trees
        predicted = np.stack([tree.predict(table.shares[out], num_threads=1) for tree in left], axis=1)
        return FittedBoostedTrees(
            corpora=table.corpora,
            targets=table.targets,
            models=tuple(str(tree.model_to_string()) for tree in trees),
            scatter=Scatter.of(table, predicted - table.losses[out]),
        )

    def _grow(self, table: MixtureTable, seed: int) -> list[Any]:
        library = load_lightgbm()
        settings = {
            "objective": "l2",
            "learning_rate": self.rate,
            "num_threads": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        made = []
        for losses in table.losses.T:
            data = library.Dataset(table.shares, losses, free_raw_data=True)
            made.append(library.train(settings, data, num_boost_round=self.trees))
        return made


@dataclass(frozen=True)
class FittedBoostedTrees:
    """Boosters of all targets; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    models : tuple of str
        The trees as LightGBM's text.
    scatter : Scatter
        Of runs around the trees.
    """

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    models: tuple[str, ...]
    scatter: Scatter

    @property
    def name(self) -> str:
        """``boosted-trees``."""
        return "boosted-trees"

    @cached_property
    def _boosters(self) -> list[Any]:
        library = load_lightgbm()
        try:
            return [library.Booster(model_str=text) for text in self.models]
        except library.basic.LightGBMError as error:
            raise DataError(f"boosted trees: the file's trees cannot be read: {error}.") from None

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k); a step function of the shares."""
        array = as_shares(shares, self.corpora)
        parts = [booster.predict(array, num_threads=1) for booster in self._boosters]
        return np.stack(parts, axis=1).astype(np.float64)

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss: the same everywhere, (q, k)."""
        spread = np.sqrt(self.scatter.variance(noise))
        return np.broadcast_to(spread, (len(as_shares(shares, self.corpora)), len(self.targets))).copy()

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """The trees plus functions drawn from the scatter, shape (count, q, k)."""
        array = as_shares(shares, self.corpora)
        return np.asarray(self.mean(array) + self.scatter.functions(array, count, seed))

    def gradient(self, shares: ArrayLike) -> None:
        """Trees are steps: there is no gradient to follow."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = {"corpora": list(self.corpora), "targets": list(self.targets)}
        return {"kind": "trees", **names, "models": list(self.models), "scatter": self.scatter.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedBoostedTrees:
        """Undo `to_dict`."""
        names = (tuple(document["corpora"]), tuple(document["targets"]))
        return cls(*names, tuple(map(str, document["models"])), Scatter.from_dict(document["scatter"]))


def load_lightgbm() -> Any:
    """The library.

    Raises
    ------
    ConfigError
        When it is not installed.
    """
    try:
        return importlib.import_module("lightgbm")
    except (ImportError, OSError):
        raise ConfigError(
            "boosted trees: lightgbm is not installed.", hint="pip install 'dcpt[mixtures]'"
        ) from None
