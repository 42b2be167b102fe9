"""BiMix: each loss falls as a power of its own corpus' share, and of the tokens where they vary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.predictor import as_shares
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]

OFFSET = 1e-3
"""Added to the share: the published power has no value at a share of 0, where many runs lie."""

LEAST_RUNS = 5
_HIGHEST = 5.0


@dataclass(frozen=True)
class BimixPredictor:
    """Recipe: loss = r^-alpha (B D^-beta + C), r the share of the target's own corpus, D the tokens.

    Ge et al. 2024, arXiv:2405.14908, with its factor A inside B and C. Without tokens, or with one
    number of them, B is 0. A target without a corpus of its own has alpha = 0.

    Parameters
    ----------
    own : mapping of str to str
        Target to its corpus; other targets are matched by name (see `own_corpora`).
    """

    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``bimix``."""
        return "bimix"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedBimix:
        """Fit every target, in logarithms of the loss; nothing is random.

        Raises
        ------
        FitError
            When there are fewer than five runs.
        ConfigError
            When `own` names a target or corpus that is not there.
        """
        if len(table) < LEAST_RUNS:
            raise FitError(f"bimix: got {len(table)} runs; wanted at least {LEAST_RUNS}.")
        own = own_corpora(table, self.own)
        tokens = table.D if table.D is not None and np.ptp(table.D) > 0 else None
        middle = None if tokens is None else float(np.exp(np.log(tokens).mean()))
        ratio = None if tokens is None or middle is None else tokens / middle
        theta, roots, errors = [], [], []
        with one_thread():
            for column, losses in zip(own, table.losses.T, strict=True):
                shares = np.ones(len(table)) if column < 0 else table.shares[:, column] + OFFSET
                one, root, error = _fit_target(np.log(shares), ratio, np.log(losses))
                theta.append(one)
                roots.append(root)
                errors.append(error * losses)
        return FittedBimix(
            corpora=table.corpora,
            targets=table.targets,
            own=np.array(own, dtype=np.int64),
            theta=np.stack(theta),
            root=np.stack(roots),
            middle=middle,
            D=None if tokens is None else float(tokens.max()),
            scatter=Scatter.of(table, np.stack(errors, axis=1)),
        )


@dataclass(frozen=True)
class FittedBimix:
    """BiMix of all targets; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    own : ndarray of int, shape (k,)
        Number of each target's corpus, -1 for none.
    theta : ndarray, shape (k, 4)
        alpha, log C, log B and beta, with D in units of `middle`.
    root : ndarray, shape (k, 4, 4)
        Square root of their covariance.
    middle : float or None
        Geometric mean of the tokens fitted; None where they did not vary.
    D : float or None
        Tokens that are answered for: the most fitted, or those of `at_tokens`.
    scatter : Scatter
        Of runs around the law.
    """

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    own: NDArray[np.int64]
    theta: Array
    root: Array
    middle: float | None
    D: float | None
    scatter: Scatter

    @property
    def name(self) -> str:
        """``bimix``."""
        return "bimix"

    def at_tokens(self, tokens: float) -> FittedBimix:
        """The same fit, answering for another number of tokens.

        Raises
        ------
        ConfigError
            When the fit knows no tokens, or they are not positive.
        """
        if self.middle is None:
            raise ConfigError("bimix: the fitted runs had one number of tokens; wanted several.")
        if not tokens > 0:
            raise ConfigError(f"bimix: tokens are {tokens}; wanted a positive number.")
        return replace(self, D=float(tokens))

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k)."""
        return self._mean(as_shares(shares, self.corpora))

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k)."""
        array = as_shares(shares, self.corpora)
        spread = np.matmul(self._jacobian(array), self.root)
        return np.asarray(np.sqrt((spread**2).sum(axis=2).T + self.scatter.variance(noise)))

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn from the parameters' covariance (to first order) and the scatter, (count, q, k)."""
        array = as_shares(shares, self.corpora)
        spread = np.matmul(self._jacobian(array), self.root)
        normal = np.random.default_rng(seed).standard_normal((len(self.targets), 4, count))
        missed = self.scatter.functions(array, count, seed + 1)
        return np.asarray(self._mean(array) + np.matmul(spread, normal).transpose(2, 1, 0) + missed)

    def gradient(self, shares: ArrayLike) -> Array:
        """Derivatives of `mean` by each share, shape (q, k, p)."""
        array = as_shares(shares, self.corpora)
        made = np.zeros((len(array), len(self.targets), len(self.corpora)))
        mean = self._mean(array)
        for target, column in enumerate(self.own):
            if column >= 0:
                share = np.maximum(array[:, column], 0.0) + OFFSET
                made[:, target, column] = -self.theta[target, 0] * mean[:, target] / share
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("own", "theta", "root")}
        names = {"corpora": list(self.corpora), "targets": list(self.targets)}
        sizes = {"middle": self.middle, "D": self.D}
        return {"kind": "bimix", **names, **arrays, **sizes, "scatter": self.scatter.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedBimix:
        """Undo `to_dict`."""
        return cls(
            corpora=tuple(document["corpora"]),
            targets=tuple(document["targets"]),
            own=np.array(document["own"], dtype=np.int64),
            theta=np.array(document["theta"], dtype=np.float64),
            root=np.array(document["root"], dtype=np.float64),
            middle=None if document["middle"] is None else float(document["middle"]),
            D=None if document["D"] is None else float(document["D"]),
            scatter=Scatter.from_dict(document["scatter"]),
        )

    def _logs(self, shares: Array) -> Array:
        """Logarithm of each target's own share, shape (k, q)."""
        logs = np.log(np.maximum(shares, 0.0) + OFFSET).T
        return np.where(self.own[:, None] < 0, 0.0, logs[self.own])

    def _mean(self, shares: Array) -> Array:
        logs = self._logs(shares)
        ratio = None if self.middle is None or self.D is None else np.array([self.D / self.middle])
        parts = [_model(one, log, ratio)[0] for one, log in zip(self.theta, logs, strict=True)]
        return np.asarray(np.exp(np.stack(parts, axis=1)))

    def _jacobian(self, shares: Array) -> Array:
        logs = self._logs(shares)
        ratio = None if self.middle is None or self.D is None else np.array([self.D / self.middle])
        mean = self._mean(shares).T
        parts = [_model(one, log, ratio)[1] for one, log in zip(self.theta, logs, strict=True)]
        return np.asarray(np.stack(parts) * mean[:, :, None])


def own_corpora(table: MixtureTable, own: Mapping[str, str] | None = None) -> list[int]:
    """Number of each target's own corpus, -1 for none.

    A target that is not in `own` belongs to the corpus of its name, else to the one corpus whose name,
    without a prefix that all corpora share, stands in its own as whole words.

    Raises
    ------
    ConfigError
        When `own` names a target or corpus that is not there.
    """
    given = dict(own or {})
    for target, corpus in given.items():
        for name, known, what in ((target, table.targets, "target"), (corpus, table.corpora, "corpus")):
            if name not in known:
                raise ConfigError(f"bimix: {what} {name!r} is unknown; wanted one of {', '.join(known)}.")
    words = [_words(name) for name in table.corpora]
    shared = 0
    while all(len(one) > shared + 1 and one[shared] == words[0][shared] for one in words):
        shared += 1
    words = [one[shared:] for one in words]
    found = []
    for target in table.targets:
        if target in given or target in table.corpora:
            found.append(table.corpora.index(given.get(target, target)))
            continue
        inside = [column for column, one in enumerate(words) if _within(one, _words(target))]
        found.append(inside[0] if len(inside) == 1 else -1)
    return found


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


def _within(part: list[str], whole: list[str]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def _model(theta: Array, logs: Array, ratio: Array | None) -> tuple[Array, Array]:
    """Logarithm of the loss, and its derivatives by alpha, log C, log B, beta."""
    alpha, level, amount, beta = theta
    if ratio is None:
        zero = np.zeros_like(logs)
        return level - alpha * logs, np.stack([-logs, zero + 1, zero, zero], axis=-1)
    falling = np.exp(amount) * ratio**-beta
    total = falling + np.exp(level)
    part = np.broadcast_to(falling / total, logs.shape)
    by_beta = -part * np.log(ratio)
    return np.log(total) - alpha * logs, np.stack([-logs, 1 - part, part, by_beta], axis=-1)


def _fit_target(logs: Array, ratio: Array | None, losses: Array) -> tuple[Array, Array, Array]:
    """Parameters, square root of their covariance, and errors of log losses with each run left out."""
    if np.ptp(logs) > 0:
        slope, level = np.polyfit(logs, losses, 1)
    else:
        slope, level = 0.0, float(losses.mean())
    theta = np.array([-slope, level, -np.inf, 0.0])
    if ratio is not None:
        start = np.array([-slope, level - 0.2, level - 2.0, 0.5])
        found = least_squares(
            lambda at: _model(at, logs, ratio)[0] - losses,
            start,
            jac=lambda at: _model(at, logs, ratio)[1],
            bounds=([-_HIGHEST, level - 10, level - 12, 0.0], [_HIGHEST, level + 1, level + 2, _HIGHEST]),
            max_nfev=200,
        )
        theta = np.asarray(found.x, dtype=np.float64)
    elif not np.isfinite(theta[:2]).all():
        raise FitError("bimix: the losses are not finite in logarithms.")
    theta = np.where(np.isfinite(theta), theta, -700.0)
    fitted, jacobian = _model(theta, logs, ratio)
    values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
    keep = values > 1e-10 * values[-1]
    inverse = np.where(keep, 1 / np.where(keep, values, 1.0), 0.0)
    leverage = np.minimum(((jacobian @ vectors) ** 2) @ inverse, 0.95)
    error = losses - fitted
    variance = float(error @ error) / max(len(losses) - int(keep.sum()), 1)
    return theta, vectors * np.sqrt(variance * inverse), error / (1 - leverage)
