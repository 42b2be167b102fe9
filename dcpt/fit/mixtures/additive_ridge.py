"""Ridge regression on one function of each share: a logarithm, or a power, of the share plus an offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.predictor import as_shares
from dcpt.fit.mixtures.ridge import fit_ridge
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]

OFFSETS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
"""Offsets tried under the logarithm or power."""

EXPONENTS = (0.25, 0.5, 0.75, 1.0)
"""Exponents tried by the power ridge; the logarithm is that of exponent 0."""

LEAST_RUNS = 4


@dataclass(frozen=True)
class AdditiveRidge:
    """Recipe: loss = level + sum over corpora of slope times (share + offset)^exponent, or its logarithm.

    Offset, exponent and penalty are chosen per target by leave-one-out errors in closed form.

    Parameters
    ----------
    kind : str
        ``log`` or ``power``.
    """

    kind: str = "log"

    def __post_init__(self) -> None:
        if self.kind not in ("log", "power"):
            raise ConfigError(f"ridge: kind is {self.kind!r}; wanted log or power.")

    @property
    def name(self) -> str:
        """``log-ridge`` or ``power-ridge``."""
        return f"{self.kind}-ridge"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedRidge:
        """Fit every target; nothing is random.

        Raises
        ------
        FitError
            When there are fewer than four runs.
        """
        if len(table) < LEAST_RUNS:
            raise FitError(f"{self.name}: got {len(table)} runs; wanted at least {LEAST_RUNS}.")
        exponents = (0.0,) if self.kind == "log" else EXPONENTS
        with one_thread():
            tried = [
                ((offset, exponent), fit_ridge(feature(table.shares, offset, exponent), table.losses))
                for offset in OFFSETS
                for exponent in exponents
            ]
        press = np.stack([(ridge.left_out**2).sum(axis=0) for _, ridge in tried])
        best = [tried[number] for number in np.argmin(press, axis=0)]
        columns = list(enumerate(ridge for _, ridge in best))
        return FittedRidge(
            name=self.name,
            corpora=table.corpora,
            targets=table.targets,
            offset=np.array([settings[0] for settings, _ in best]),
            exponent=np.array([settings[1] for settings, _ in best]),
            centre=np.stack([ridge.centre for _, ridge in columns]),
            level=np.array([ridge.level[k] for k, ridge in columns]),
            slopes=np.stack([ridge.slopes[:, k] for k, ridge in columns]),
            root=np.stack([ridge.root[k] for k, ridge in columns]),
            scatter=Scatter.of(table, np.stack([ridge.left_out[:, k] for k, ridge in columns], axis=1)),
            runs=len(table),
        )


@dataclass(frozen=True)
class FittedRidge:
    """Additive fits of all targets; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    name : str
        The predictor's name.
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    offset, exponent, level : ndarray, shape (k,)
        Offset and exponent (0: logarithm) per target, and its mean loss.
    centre, slopes : ndarray, shape (k, p)
        Means of the functions of the shares, and their coefficients.
    root : ndarray, shape (k, p, m)
        Square root of the coefficients' covariance; m is p, or fewer with fewer runs.
    scatter : Scatter
        Of the runs, each left out, around the fit.
    runs : int
        Runs fitted.
    """

    name: str
    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    offset: Array
    exponent: Array
    centre: Array
    level: Array
    slopes: Array
    root: Array
    scatter: Scatter
    runs: int

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k)."""
        features = self._features(shares)
        return np.asarray(self.level + np.einsum("kqp,kp->qk", features, self.slopes))

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k)."""
        spread = np.matmul(self._features(shares), self.root)
        variance = (spread**2).sum(axis=2).T + self.scatter.variance(True) / self.runs
        return np.asarray(np.sqrt(variance + self.scatter.variance(noise)))

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn from the coefficients' covariance and the scatter, shape (count, q, k)."""
        generator = np.random.default_rng(seed)
        spread = np.matmul(self._features(shares), self.root)
        moved = np.matmul(spread, generator.standard_normal((len(self.level), self.root.shape[2], count)))
        levels = generator.standard_normal((count, 1, len(self.level)))
        levels *= np.sqrt(self.scatter.variance(True) / self.runs)
        missed = self.scatter.functions(as_shares(shares, self.corpora), count, seed + 1)
        return np.asarray(self.mean(shares) + moved.transpose(2, 1, 0) + levels + missed)

    def gradient(self, shares: ArrayLike) -> Array:
        """Derivatives of `mean` by each share, shape (q, k, p)."""
        base = self._base(shares)
        exponent = self.exponent[:, None, None]
        slope = np.where(exponent == 0, 1.0, exponent) * base ** (exponent - 1)
        return np.asarray((slope * self.slopes[:, None, :]).transpose(1, 0, 2))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        names = {"corpora": list(self.corpora), "targets": list(self.targets)}
        scatter = self.scatter.to_dict()
        return {"kind": "ridge", "name": self.name, **names, **arrays, "scatter": scatter, "runs": self.runs}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedRidge:
        """Undo `to_dict`."""
        arrays = {name: np.array(document[name], dtype=np.float64) for name in _ARRAYS}
        scatter = Scatter.from_dict(document["scatter"])
        return cls(
            name=str(document["name"]),
            corpora=tuple(document["corpora"]),
            targets=tuple(document["targets"]),
            scatter=scatter,
            runs=int(document["runs"]),
            **arrays,
        )

    def _base(self, shares: ArrayLike) -> Array:
        array = np.maximum(as_shares(shares, self.corpora), 0.0)
        return np.asarray(array[None] + self.offset[:, None, None])

    def _features(self, shares: ArrayLike) -> Array:
        """Centred functions of the shares, shape (k, q, p)."""
        base, exponent = self._base(shares), self.exponent[:, None, None]
        return np.asarray(np.where(exponent == 0, np.log(base), base**exponent) - self.centre[:, None, :])


_ARRAYS = ("offset", "exponent", "centre", "level", "slopes", "root")


def feature(shares: Array, offset: float, exponent: float) -> Array:
    """The function of each share the ridge is linear in; exponent 0 means the logarithm."""
    base = np.maximum(shares, 0.0) + offset
    return np.asarray(np.log(base) if exponent == 0 else base**exponent)
