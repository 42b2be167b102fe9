"""Carry a predictor fitted to many cheap runs over to larger models, from a few larger runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.mixture_files import align
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.predictor import FittedPredictor, Predictor, as_shares
from dcpt.fit.mixtures.process import FittedProcess, ProcessPredictor
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.mixtures.tournament import choose

Array = NDArray[np.float64]
Kind = Literal["level", "line"]

SLOPE_SPREAD = 0.5
"""Standard deviation of the slope around 1 before the larger runs are seen: a judgement. It keeps a few runs
on similar mixtures from turning the ranking of the cheap runs around."""

LEAST_RUNS = 3
PROCESS_RUNS = 20
"""From so many larger runs on, a process of what the line misses and one of these runs alone are tried."""

MOST_FOLDS = 24


def fit_transfer(cheap: FittedPredictor, large: MixtureTable, seed: int = 0) -> MixtureFit:
    """Predict losses of larger models from a cheap predictor and a few larger runs.

    A shift of the cheap predictions, a line through them with its slope drawn towards 1, and with twenty
    runs or more the line plus a process of what it misses and a process of the larger runs alone are
    compared by leaving the larger runs out, one at a time up to 24 of them.

    Parameters
    ----------
    cheap : FittedPredictor
        Fitted to runs of a smaller size, on the same corpora and targets.
    large : MixtureTable
        Runs of the larger size.
    seed : int
        Seed of folds and subsamples.

    Returns
    -------
    MixtureFit
        Calibrated on the larger runs that were left out.

    Raises
    ------
    DataError
        When corpora or targets differ.
    FitError
        When there are fewer than four larger runs on distinct mixtures.
    """
    like = MixtureTable(
        cheap.corpora,
        cheap.targets,
        np.full((1, len(cheap.corpora)), 1 / len(cheap.corpora)),
        np.ones((1, len(cheap.targets))),
        ("",),
        where="cheap runs",
    )
    large = align(large, like)
    candidates: list[Predictor] = [TransferPredictor(cheap, "level"), TransferPredictor(cheap, "line")]
    if len(large) >= PROCESS_RUNS:
        candidates += [TransferPredictor(cheap, "line", process=True), ProcessPredictor()]
    return choose(large, seed, candidates, folds=MOST_FOLDS)


@dataclass(frozen=True)
class TransferPredictor:
    """Recipe: loss of the larger size = level + slope times the cheap prediction, per target.

    Parameters
    ----------
    cheap : FittedPredictor
        The cheap predictor.
    kind : str
        ``level`` holds the slope at 1; ``line`` fits it, drawn towards 1.
    process : bool
        Whether a Gaussian process of the residuals is added.
    """

    cheap: FittedPredictor
    kind: Kind = "line"
    process: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("level", "line"):
            raise ConfigError(f"transfer: kind is {self.kind!r}; wanted level or line.")

    @property
    def name(self) -> str:
        """``transfer``, with what is fitted."""
        return f"transfer({self.kind}{' + process' if self.process else ''})"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedTransfer:
        """Fit every target.

        Raises
        ------
        FitError
            When there are fewer than three runs.
        """
        if len(table) < LEAST_RUNS:
            raise FitError(f"{self.name}: got {len(table)} runs; wanted at least {LEAST_RUNS}.")
        cheap = self.cheap.mean(table.shares)
        lines = [_line(x, y, self.kind) for x, y in zip(cheap.T, table.losses.T, strict=True)]
        centre, level, slope = (np.array([line[item] for line in lines]) for item in range(3))
        root = np.stack([line[3] for line in lines])
        residuals = table.losses - level - slope * (cheap - centre)
        errors = np.stack([line[4] for line in lines], axis=1)
        process = None
        if self.process:
            # The process reads losses: residuals are moved to be positive, and nothing else.
            moved = residuals - residuals.min(axis=0) + 1.0
            shifted = MixtureTable(table.corpora, table.targets, table.shares, moved, table.index)
            process = ProcessPredictor(log=False).fit(shifted, seed)
            scatter = Scatter(np.zeros(len(level)), np.zeros(len(level)))
        else:
            total = Scatter.of(table, errors)
            known = slope**2 * (self.cheap.sd(table.shares, False) ** 2).mean(axis=0)
            scatter = Scatter(np.maximum(total.missed - known, 0.0), total.noise)
        return FittedTransfer(
            name=self.name,
            cheap=self.cheap,
            centre=centre,
            level=level + (residuals.min(axis=0) - 1.0 if self.process else 0.0),
            slope=slope,
            root=root,
            scatter=scatter,
            process=process,
        )


@dataclass(frozen=True)
class FittedTransfer:
    """Losses of the larger size; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    name : str
        The predictor's name.
    cheap : FittedPredictor
        The cheap predictor.
    centre, level, slope : ndarray, shape (k,)
        loss = level + slope * (cheap prediction - centre).
    root : ndarray, shape (k, 2, 2)
        Square root of the covariance of level and slope.
    scatter : Scatter
        Of the larger runs around the line, beyond the cheap predictor's own spread.
    process : FittedProcess or None
        What the line misses.
    """

    name: str
    cheap: FittedPredictor
    centre: Array
    level: Array
    slope: Array
    root: Array
    scatter: Scatter
    process: FittedProcess | None

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora."""
        return self.cheap.corpora

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the losses."""
        return self.cheap.targets

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses of the larger size, shape (q, k)."""
        array = as_shares(shares, self.corpora)
        mean = self.level + self.slope * (self.cheap.mean(array) - self.centre)
        return np.asarray(mean if self.process is None else mean + self.process.mean(array))

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k)."""
        array = as_shares(shares, self.corpora)
        variance = (self._features(array) @ self.root) ** 2
        total = variance.sum(axis=2).T + self.scatter.variance(noise)
        if self.process is None:
            total = total + (self.slope * self.cheap.sd(array, False)) ** 2
        else:
            # The process knows what the cheap predictor gets wrong near the larger runs.
            total = total + self.process.sd(array, noise) ** 2
        return np.asarray(np.sqrt(total))

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn for the expected losses of the larger size, shape (count, q, k)."""
        array = as_shares(shares, self.corpora)
        normal = np.random.default_rng(seed).standard_normal((len(self.level), 2, count))
        line = np.matmul(self._features(array) @ self.root, normal).transpose(2, 1, 0)
        drawn = self.mean(array) + line + self.scatter.functions(array, count, seed + 1)
        if self.process is None:
            return np.asarray(
                drawn + self.slope * (self.cheap.draws(array, count, seed + 2) - self.cheap.mean(array))
            )
        return np.asarray(drawn + self.process.draws(array, count, seed + 2) - self.process.mean(array))

    def gradient(self, shares: ArrayLike) -> Array | None:
        """Derivatives of `mean` by each share, shape (q, k, p); None where the cheap predictor has none."""
        array = as_shares(shares, self.corpora)
        cheap = self.cheap.gradient(array)
        if cheap is None:
            return None
        gradient = self.slope[:, None] * cheap
        return np.asarray(gradient if self.process is None else gradient + self.process.gradient(array))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {
            "kind": "transfer",
            "name": self.name,
            "cheap": self.cheap.to_dict(),
            **arrays,
            "scatter": self.scatter.to_dict(),
            "process": None if self.process is None else self.process.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedTransfer:
        """Undo `to_dict`."""
        from dcpt.fit.mixtures.predictor_file import predictor_from_dict

        process = document["process"]
        return cls(
            name=str(document["name"]),
            cheap=predictor_from_dict(document["cheap"]),
            scatter=Scatter.from_dict(document["scatter"]),
            process=None if process is None else FittedProcess.from_dict(process),
            **{name: np.array(document[name], dtype=np.float64) for name in _ARRAYS},
        )

    def _features(self, shares: Array) -> Array:
        """Derivatives by level and slope, shape (k, q, 2)."""
        moved = (self.cheap.mean(shares) - self.centre).T
        return np.stack([np.ones_like(moved), moved], axis=2)


_ARRAYS = ("centre", "level", "slope", "root")


def _line(cheap: Array, losses: Array, kind: Kind) -> tuple[float, float, float, Array, Array]:
    """Centre, level, slope, root of their covariance, and errors with each run left out, shape (n,)."""
    runs = len(losses)
    centre, level = float(cheap.mean()), float(losses.mean())
    moved, y = cheap - centre, losses - level
    square = float(moved @ moved)
    plain = y - moved
    slope, pull = 1.0, np.inf
    noise = float(plain @ plain) / (runs - 1)
    if kind == "line" and square > 0:
        best = y - moved * float(moved @ y) / square
        noise = float(best @ best) / max(runs - 2, 1)
        pull = noise / SLOPE_SPREAD**2
        slope = (float(moved @ y) + pull) / (square + pull) if square + pull > 0 else 1.0
    certain = 1 / (square + pull) if square + pull > 0 else 0.0
    error = y - slope * moved
    leverage = np.minimum(1 / runs + moved**2 * certain, 0.95)
    root = np.diag(np.sqrt([noise / runs, noise * certain]))
    return centre, level, slope, root, error / (1 - leverage)
