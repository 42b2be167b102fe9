"""The exponential mixing law: loss = c + exp(t . r), fitted per target (Ye et al. 2024, arXiv:2403.16952)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures.predictor import as_shares
from dcpt.fit.mixtures.scatter import Scatter
from dcpt.fit.threads import one_thread

Array = NDArray[np.float64]

STARTS = (0.1, 1.0)
"""Where fits start: the level lies below the least loss by these multiples of the losses' range. On RegMix's
13 targets, with 512 runs and with 64, each of them reaches the optimum of the best of 30 random starts."""

PRIOR = 1e-8
"""Pull of the exponents towards their mean, per run, in squared losses' standard deviations: it decides only
among exponents that the runs cannot tell apart."""

LEAST_RUNS = 4
_MOST_STEPS = 60
_SAME = 1e-7


@dataclass(frozen=True)
class ExponentialPredictor:
    """Recipe: the exponential mixing law, by Levenberg-Marquardt with analytic derivatives.

    Shares sum to 1, so the published factor k of the exponential is the mean of the exponents and is
    not a parameter of its own here: c + k exp(t . r) is the same function as c + exp((t + log k) . r).

    Parameters
    ----------
    starts : tuple of float
        Starts; see `STARTS`.
    """

    starts: tuple[float, ...] = STARTS

    def __post_init__(self) -> None:
        if not self.starts or min(self.starts) <= 0:
            raise ConfigError(f"exponential law: starts are {self.starts}; wanted positive numbers.")

    @property
    def name(self) -> str:
        """``exponential``."""
        return "exponential"

    def fit(self, table: MixtureTable, seed: int = 0) -> FittedExponential:
        """Fit every target; nothing is random.

        Raises
        ------
        FitError
            When there are fewer than four runs.
        """
        if len(table) < LEAST_RUNS:
            raise FitError(f"exponential law: got {len(table)} runs; wanted at least {LEAST_RUNS}.")
        with one_thread():
            fits = [_fit_target(table.shares, losses, self.starts) for losses in table.losses.T]
        errors = np.stack([fit.left_out for fit in fits], axis=1)
        return FittedExponential(
            corpora=table.corpora,
            targets=table.targets,
            level=np.array([fit.theta[0] for fit in fits]),
            exponents=np.stack([fit.theta[1:] for fit in fits]),
            root=np.stack([fit.root for fit in fits]),
            scatter=Scatter.of(table, errors),
        )


@dataclass(frozen=True)
class FittedExponential:
    """Exponential laws of all targets; see `FittedPredictor` for what it answers.

    Attributes
    ----------
    corpora, targets : tuple of str
        Names of the columns of shares and losses.
    level : ndarray, shape (k,)
        c, the loss that no mixture goes below; 0 or more.
    exponents : ndarray, shape (k, p)
        t, with log k inside.
    root : ndarray, shape (k, p + 1, p + 1)
        Square root of the covariance of level and exponents.
    scatter : Scatter
        Of runs around the law.
    """

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    level: Array
    exponents: Array
    root: Array
    scatter: Scatter

    @property
    def name(self) -> str:
        """``exponential``."""
        return "exponential"

    @property
    def scale(self) -> Array:
        """The published k, shape (k,): the exponential at the mean of the exponents."""
        return np.asarray(np.exp(self.exponents.mean(axis=1)))

    @property
    def slopes(self) -> Array:
        """The published t, shape (k, p), with mean 0: loss = level + scale * exp(slopes @ shares)."""
        return np.asarray(self.exponents - self.exponents.mean(axis=1, keepdims=True))

    def mean(self, shares: ArrayLike) -> Array:
        """Predicted losses, shape (q, k); convex in the shares."""
        return np.asarray(self.level + self._power(as_shares(shares, self.corpora)))

    def sd(self, shares: ArrayLike, noise: bool = True) -> Array:
        """Standard deviation of a new run's loss, or of the expected loss, shape (q, k)."""
        spread = np.matmul(self._jacobian(as_shares(shares, self.corpora)), self.root)
        return np.asarray(np.sqrt((spread**2).sum(axis=2).T + self.scatter.variance(noise)))

    def draws(self, shares: ArrayLike, count: int, seed: int = 0) -> Array:
        """Functions drawn from the parameters' covariance (to first order) and the scatter, (count, q, k)."""
        array = as_shares(shares, self.corpora)
        generator = np.random.default_rng(seed)
        spread = np.matmul(self._jacobian(array), self.root)
        moved = np.matmul(spread, generator.standard_normal((len(self.level), self.root.shape[2], count)))
        missed = self.scatter.functions(array, count, seed + 1)
        return np.asarray(self.mean(array) + moved.transpose(2, 1, 0) + missed)

    def gradient(self, shares: ArrayLike) -> Array:
        """Derivatives of `mean` by each share, shape (q, k, p)."""
        power = self._power(as_shares(shares, self.corpora))
        return np.asarray(power[:, :, None] * self.exponents)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("level", "exponents", "root")}
        names = {"corpora": list(self.corpora), "targets": list(self.targets)}
        return {"kind": "exponential", **names, **arrays, "scatter": self.scatter.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FittedExponential:
        """Undo `to_dict`."""
        level, exponents, root = (
            np.array(document[name], dtype=np.float64) for name in ("level", "exponents", "root")
        )
        names = (tuple(document["corpora"]), tuple(document["targets"]))
        return cls(*names, level, exponents, root, Scatter.from_dict(document["scatter"]))

    def _power(self, shares: Array) -> Array:
        return np.asarray(np.exp(np.minimum(shares @ self.exponents.T, 50.0)))

    def _jacobian(self, shares: Array) -> Array:
        """Derivatives by level and exponents, shape (k, q, p + 1)."""
        by_exponents = self._power(shares).T[:, :, None] * shares
        return np.concatenate([np.ones((*by_exponents.shape[:2], 1)), by_exponents], axis=2)


@dataclass(frozen=True)
class _Target:
    theta: Array
    root: Array
    left_out: Array
    value: float


def _fit_target(shares: Array, losses: Array, starts: tuple[float, ...]) -> _Target:
    """Best of several starts; each start fixes the level and solves for the exponents in logarithms."""
    spread = float(np.ptp(losses)) or 1.0
    penalty = PRIOR * len(losses) * (float(losses.var()) or 1.0)
    best: tuple[float, Array] | None = None
    for below in starts:
        level = max(float(losses.min()) - below * spread, 0.0)
        # Where the level would be negative it is 0, and the remaining starts are the same one.
        begin = np.r_[level, _log_start(shares, losses, level)]
        found = _descend(shares, losses, begin, penalty)
        if best is None or found[0] < best[0]:
            best = found
        if level == 0.0:
            break
    if best is None or not np.isfinite(best[0]):
        raise FitError("exponential law: no start led to a finite fit.")
    return _finish(shares, losses, best[1], best[0], penalty)


def _log_start(shares: Array, losses: Array, level: float) -> Array:
    """Exponents from a ridge regression of log(loss - level), weighted like the losses themselves."""
    above = np.maximum(losses - level, 1e-6 * (np.ptp(losses) + 1e-9))
    weights = above / above.max()
    gram = (shares * (weights**2)[:, None]).T @ shares
    middle = float(np.average(np.log(above), weights=weights**2))
    right = shares.T @ (weights**2 * (np.log(above) - middle))
    gram.ravel()[:: len(gram) + 1] += 1e-3 * np.trace(gram) / len(gram) + 1e-12
    return np.asarray(middle + np.linalg.solve(gram, right))


def _residuals(shares: Array, losses: Array, theta: Array) -> tuple[Array, Array]:
    power = np.exp(np.minimum(shares @ theta[1:], 50.0))
    return theta[0] + power - losses, np.column_stack([np.ones(len(losses)), power[:, None] * shares])


def _descend(shares: Array, losses: Array, theta: Array, penalty: float) -> tuple[float, Array]:
    """Levenberg-Marquardt with the level held at 0 or above; returns half the penalised squares."""
    width = shares.shape[1]
    # The prior pulls exponents towards their own mean: its matrix has no pull on a common shift.
    prior = np.zeros((width + 1, width + 1))
    prior[1:, 1:] = penalty * (np.eye(width) - 1 / width)
    error, jacobian = _residuals(shares, losses, theta)
    value = 0.5 * float(error @ error + theta @ prior @ theta)
    damping = 1e-3
    for _ in range(_MOST_STEPS):
        gram = jacobian.T @ jacobian + prior
        slope = jacobian.T @ error + prior @ theta
        free = np.ones(width + 1, dtype=bool)
        free[0] = theta[0] > 0 or slope[0] < 0
        lifted = gram + damping * np.diag(np.diagonal(gram) + 1e-12)
        step = np.zeros(width + 1)
        step[free] = -np.linalg.solve(lifted[np.ix_(free, free)], slope[free])
        trial = theta + step
        trial[0] = max(trial[0], 0.0)
        new_error, new_jacobian = _residuals(shares, losses, trial)
        new_value = 0.5 * float(new_error @ new_error + trial @ prior @ trial)
        if new_value < value:
            done = value - new_value < _SAME * value
            theta, error, jacobian, value = trial, new_error, new_jacobian, new_value
            damping = max(damping / 5, 1e-9)
            if done:
                break
        else:
            damping *= 6
            if damping > 1e8:
                break
    return value, theta


def _finish(shares: Array, losses: Array, theta: Array, value: float, penalty: float) -> _Target:
    """Covariance, and errors of runs left out to first order (their residual over 1 - leverage)."""
    error, jacobian = _residuals(shares, losses, theta)
    width = shares.shape[1]
    prior = np.zeros((width + 1, width + 1))
    prior[1:, 1:] = penalty * (np.eye(width) - 1 / width)
    gram = jacobian.T @ jacobian + prior
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-12 * values[-1]
    inverse = np.where(keep, 1 / np.where(keep, values, 1.0), 0.0)
    leverage = np.minimum(((jacobian @ vectors) ** 2) @ inverse, 0.95)
    freedom = max(len(losses) - float(leverage.sum()), 1.0)
    variance = float(error @ error) / freedom
    return _Target(theta, vectors * np.sqrt(variance * inverse), -error / (1 - leverage), value)
