"""A fit of fewer targets: what is not asked for is not computed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.fit.mixtures.boosted_trees import FittedBoostedTrees
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.predictor import FittedPredictor
from dcpt.fit.mixtures.process import FittedProcess
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.mixtures.transfer import FittedTransfer

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Some targets of a fitted predictor.

    Attributes
    ----------
    whole : FittedPredictor
        The predictor.
    targets : tuple of str
        Those that are answered.
    """

    whole: FittedPredictor
    targets: tuple[str, ...]

    @property
    def name(self) -> str:
        """The predictor's name."""
        return self.whole.name

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora."""
        return self.whole.corpora

    @property
    def _at(self) -> list[int]:
        return [self.whole.targets.index(name) for name in self.targets]

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k)."""
        return self.whole.mean(shares)[:, self._at]

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviations, shape (q, k)."""
        return self.whole.sd(shares, noise)[:, self._at]

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn, shape (count, q, k)."""
        return self.whole.draws(shares, count, seed)[:, :, self._at]

    def gradient(self, shares: ArrayLike) -> Array | None:
        """Derivatives by each share, shape (q, k, p)."""
        gradient = self.whole.gradient(shares)
        return None if gradient is None else gradient[:, self._at]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of the whole predictor."""
        return self.whole.to_dict()


def narrow(fitted: FittedPredictor, targets: Sequence[str]) -> FittedPredictor:
    """The same predictor for these targets only, in this order.

    Draws of a narrowed process are other draws of the same process.
    """
    wanted = tuple(targets)
    if wanted == fitted.targets:
        return fitted
    at = [fitted.targets.index(name) for name in wanted]
    if isinstance(fitted, MixtureFit):
        used = [place for place, row in enumerate(fitted.weights[:, at]) if row.any()]
        return replace(
            fitted,
            targets=wanted,
            parts=tuple(narrow(fitted.parts[place], wanted) for place in used),
            weights=fitted.weights[np.ix_(used, at)],
            stretch=fitted.stretch[at],
            losses=fitted.losses[:, at],
            base=None if fitted.base is None else fitted.base[at],
        )
    if isinstance(fitted, FittedProcess):
        return replace(
            fitted,
            targets=wanted,
            losses=tuple(fitted.losses[column] for column in at),
            processes=tuple(fitted.processes[column] for column in at),
        )
    if isinstance(fitted, FittedBoostedTrees):
        scatter = Scatter(fitted.scatter.missed[at], fitted.scatter.noise[at])
        models = tuple(fitted.models[column] for column in at)
        return replace(fitted, targets=wanted, models=models, scatter=scatter)
    if isinstance(fitted, FittedTransfer):
        process = fitted.process
        return replace(
            fitted,
            cheap=narrow(fitted.cheap, wanted),
            centre=fitted.centre[at],
            level=fitted.level[at],
            slope=fitted.slope[at],
            root=fitted.root[at],
            scatter=Scatter(fitted.scatter.missed[at], fitted.scatter.noise[at]),
            process=process if process is None else narrow(process, wanted),  # type: ignore[arg-type]
        )
    return Columns(fitted, wanted)


def smooth_part(fitted: FittedPredictor) -> FittedPredictor | None:
    """What of a predictor has gradients: all, some parts of an average, or None.

    Of an average the weights of the smooth parts are scaled to sum to 1; a target that rests on trees
    alone makes it None.
    """
    if isinstance(fitted, FittedTransfer):
        cheap = smooth_part(fitted.cheap)
        return None if cheap is None else fitted if cheap is fitted.cheap else replace(fitted, cheap=cheap)
    if not isinstance(fitted, MixtureFit):
        corners = np.eye(len(fitted.corpora))[:1]
        return None if fitted.gradient(corners) is None else fitted
    smooth = [smooth_part(part) for part in fitted.parts]
    kept = [place for place, part in enumerate(smooth) if part is not None]
    total = fitted.weights[kept].sum(axis=0)
    if not kept or (total <= 0).any():
        return None
    parts = tuple(part for part in smooth if part is not None)
    if len(parts) == len(fitted.parts) and all(map(operator.is_, parts, fitted.parts)):
        return fitted
    return replace(fitted, parts=parts, weights=fitted.weights[kept] / total)


def runs_behind(fitted: FittedPredictor) -> Array:
    """Mixtures of every run a fit rests on, those of cheaper sizes included, shape (n, p)."""
    if isinstance(fitted, FittedTransfer):
        return runs_behind(fitted.cheap)
    if isinstance(fitted, MixtureFit):
        carried = [runs_behind(part) for part in fitted.parts if isinstance(part, FittedTransfer)]
        return np.vstack([fitted.shares, *carried])
    return fitted.shares if isinstance(fitted, FittedProcess) else np.empty((0, len(fitted.corpora)))
