"""What a fit of a law of curves minimises, with the linear parameters solved for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.fit.nnls import solve_nonnegative
from dcpt.laws.curves.curve_law import CurveLaw, Features

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOG_RANGE = 1e3
"""Ratio of a nonlinear parameter's positive bounds from which it is moved in its logarithm."""

_SWEEPS = 40
_SETTLED = 1e-9
_LEAST_LOSS = 1e-3


@dataclass(frozen=True, eq=False)
class Point:
    """The problem at one set of nonlinear parameters.

    Attributes
    ----------
    u : ndarray, shape (q,)
        Free nonlinear parameters, those of a wide range as logarithms.
    linear : ndarray, shape (k,)
        Linear parameters that are best there.
    loss, residual : ndarray, shape (n,)
        Predicted losses, and their logarithm less that of the measured ones.
    columns : ndarray, shape (n, k)
        Columns of the linear parameters.
    objective : float
        Weighted sum of the Huber losses.
    """

    u: Array
    linear: Array
    loss: Array
    residual: Array
    columns: Array
    objective: float


class CurveProblem:
    """Huber loss of the log residuals of a law on some rows, as a function of its nonlinear parameters.

    Parameters
    ----------
    law : CurveLaw
        The law.
    features : Features
        Its features of the curves.
    measured : ndarray, shape (n,)
        Their losses.
    delta : float
        Threshold of the Huber loss.
    fixed : mapping
        Parameters held at a value.
    weights : ndarray, shape (n,), optional
        How much each row counts.

    Attributes
    ----------
    strength : float
        Square of a residual that counts as much as one width of the law's prior; 0 until a solver has seen
        the residuals' scatter.

    Raises
    ------
    ConfigError
        When a fixed parameter is unknown or out of its bounds.
    FitError
        When there are fewer rows than free parameters.
    """

    def __init__(
        self,
        law: CurveLaw,
        features: Features,
        measured: Array,
        delta: float,
        fixed: Mapping[str, float],
        weights: Array | None = None,
    ) -> None:
        for name, value in fixed.items():
            item = next((item for item in law.parameters if item.name == name), None)
            if item is None:
                raise ConfigError(
                    f"fit: fixed parameter {name!r} is unknown; {law.name} has {', '.join(law.names)}."
                )
            if not item.lo <= value <= item.hi:
                raise ConfigError(f"fit: {name} is fixed at {value:g}; wanted {item.lo:g} to {item.hi:g}.")
        self.law, self.features, self.measured = law, features, measured
        self.delta, self.fixed = delta, dict(fixed)
        self.weights = np.ones(len(measured)) if weights is None else weights
        self.free = tuple(item for item in law.nonlinear if item.name not in fixed)
        self.log = np.array(
            [item.lo > 0 and item.hi / item.lo >= LOG_RANGE for item in self.free], dtype=bool
        )
        bounds = np.array([[item.lo, item.hi] for item in self.free]).reshape(-1, 2)
        bounds[self.log] = np.log(bounds[self.log])
        self.lower, self.upper = bounds[:, 0], bounds[:, 1]
        self.loose = np.array([item.name not in fixed for item in law.linear], dtype=bool)
        # +1: not below 0; -1: not above 0; 0: either.
        self.sign = np.array([1 if item.lo >= 0 else -1 if item.hi <= 0 else 0 for item in law.linear])
        self.least = np.array([item.lo for item in law.linear])
        self.most = np.array([item.hi for item in law.linear])
        self.held = np.array([fixed.get(item.name, 0.0) for item in law.linear])
        count = len(self.free) + int(self.loose.sum())
        if len(measured) < count:
            raise FitError(f"fit: {len(measured)} losses for the {count} free parameters of {law.name}.")
        self.log_measured = np.log(measured)
        self.strength = 0.0
        pairs = [law.prior.get(item.name, (0.0, np.inf)) for item in self.free]
        self.centre, self.width = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        if (self.log & np.isfinite(self.width)).any():
            raise ConfigError(
                f"law {law.name}: a prior is on a parameter of a wide range; wanted a bounded one."
            )

    # -- parameters ----------------------------------------------------------------------------------

    def psi(self, u: Array) -> dict[str, float]:
        """Nonlinear parameters by name."""
        values = np.where(self.log, np.exp(np.where(self.log, u, 0.0)), u)
        free = {item.name: float(value) for item, value in zip(self.free, values, strict=True)}
        return {item.name: free.get(item.name, self.fixed.get(item.name, 0.0)) for item in self.law.nonlinear}

    def start(self, psi: Mapping[str, float]) -> Array:
        """A start of the law as a vector inside the bounds."""
        middle = [
            float(np.sqrt(item.lo * item.hi)) if item.lo > 0 else 0.5 * (item.lo + item.hi)
            for item in self.free
        ]
        values = np.array([psi.get(item.name, mid) for item, mid in zip(self.free, middle, strict=True)])
        u = np.where(self.log, np.log(np.maximum(values, 1e-300)), values)
        return np.clip(u, self.lower, self.upper)

    def params(self, point: Point) -> dict[str, float]:
        """All parameters of a point by name, in the law's order."""
        values = self.psi(point.u) | dict(zip(self.law.linear_names, point.linear.tolist(), strict=True))
        return {name: values[name] for name in self.law.names}

    def reweighted(self, weights: Array) -> CurveProblem:
        """The same problem with other weights."""
        other = copy.copy(self)
        other.weights = weights
        return other

    # -- objective -----------------------------------------------------------------------------------

    def rho(self, residual: Array) -> float:
        """Weighted sum of the Huber losses."""
        size = np.abs(residual)
        value = np.where(size <= self.delta, 0.5 * residual**2, self.delta * (size - 0.5 * self.delta))
        return float(self.weights @ value)

    def huber_weights(self, residual: Array) -> Array:
        """Weights of the squares that have the Huber loss's slope."""
        return np.asarray(self.weights * np.minimum(1.0, self.delta / np.maximum(np.abs(residual), 1e-300)))

    def at(self, u: Array, near: Point | None = None) -> Point:
        """Solve for the linear parameters by reweighted least squares.

        Parameters
        ----------
        u : ndarray, shape (q,)
            Free nonlinear parameters.
        near : Point, optional
            Another point, whose residuals give the first weights.
        """
        offset, columns = self.law.basis(self.features, self.psi(u))
        base = np.zeros(len(self.measured)) if offset is None else offset
        base = base + columns[:, ~self.loose] @ self.held[~self.loose]
        loose = columns[:, self.loose]
        loss, weight = self.measured, self.weights if near is None else self.huber_weights(near.residual)
        expected = 0.5 * self.strength * float((((u - self.centre) / self.width) ** 2).sum())
        target, best = self.measured - base, np.inf
        chosen: tuple[Array, Array, Array] | None = None
        for _ in range(_SWEEPS):
            values = self._least_squares(loose / loss[:, None], target / loss, weight)
            fitted = np.maximum(loose @ values + base, _LEAST_LOSS)
            residual = np.log(fitted) - self.log_measured
            objective = self.rho(residual)
            if objective < best:
                gain, best = best - objective, objective
                chosen = values, fitted, residual
            else:
                gain = 0.0
            if gain <= _SETTLED * best:
                break
            loss, weight = fitted, self.huber_weights(residual)
            target = fitted * (1.0 - residual) - base
        if chosen is None:
            raise FitError(f"fit: {self.law.name} is not finite on these curves.")
        linear = self.held.copy()
        linear[self.loose] = chosen[0]
        return Point(u, linear, chosen[1], chosen[2], columns, best + expected)

    def _least_squares(self, columns: Array, target: Array, weight: Array) -> Array:
        """Weighted least squares inside the bounds: signs first, then what lies beyond other bounds."""
        root = np.sqrt(weight)
        table, right = columns * root[:, None], target * root
        values = _signed_least_squares(table, right, self.sign[self.loose])
        inside = np.clip(values, self.least[self.loose], self.most[self.loose])
        stuck = inside != values
        if not stuck.any():
            return values
        rest = right - table[:, stuck] @ inside[stuck]
        inside[~stuck] = _signed_least_squares(table[:, ~stuck], rest, self.sign[self.loose][~stuck])
        return np.asarray(np.clip(inside, self.least[self.loose], self.most[self.loose]))

    def slope(self, point: Point) -> tuple[Array, Array]:
        """Residuals and their derivatives by `u` with the linear parameters following, both weighted.

        Returns
        -------
        residual : ndarray, shape (n,)
        jacobian : ndarray, shape (n, q)
            After Kaufman (1975, BIT 15:49): the part of the derivatives outside the span of the columns.
        """
        psi = self.psi(point.u)
        offsets, slopes = self.law.basis_slopes(self.features, psi)
        moved = slopes @ point.linear
        if offsets is not None:
            moved = moved + offsets
        names = self.law.nonlinear_names
        rows = [names.index(item.name) for item in self.free]
        scale = np.array(
            [psi[item.name] if log else 1.0 for item, log in zip(self.free, self.log, strict=True)]
        )
        root = np.sqrt(self.huber_weights(point.residual)) / point.loss
        jacobian = moved[rows].T * scale * root[:, None]
        follows = self.loose & (point.linear > self.least) & (point.linear < self.most)
        table = point.columns[:, follows] * root[:, None]
        size = np.sqrt(np.einsum("nk,nk->k", table, table))
        basis = np.linalg.qr(table / np.where(size > 0, size, 1.0))[0]
        jacobian -= basis @ (basis.T @ jacobian)
        residual = point.residual * root * point.loss
        if self.strength and np.isfinite(self.width).any():
            pull = np.sqrt(self.strength) / self.width
            jacobian = np.vstack([jacobian, np.diag(pull)])
            residual = np.concatenate([residual, pull * (point.u - self.centre)])
        return residual, jacobian


def _signed_least_squares(table: Array, right: Array, sign: Array) -> Array:
    """Least squares with coefficients not below 0 (sign +1), not above it (-1) or free (0)."""
    size = np.sqrt(np.einsum("nk,nk->k", table, table))
    size = np.where(size > 0, size, 1.0)
    table = table / size
    values = np.linalg.lstsq(table, right, rcond=1e-13)[0]
    if (sign * values < 0).any():
        turn = np.where(sign < 0, -1.0, 1.0)
        table = table * turn
        gram = (table.T @ table)[:, :, None]
        absent = np.zeros(len(size), dtype=bool)
        values = solve_nonnegative(gram, (table.T @ right)[:, None], sign == 0, absent)[:, 0]
        inside = (values > 0) | (sign == 0)
        # The signs are settled; the values come from the columns themselves, which lose fewer digits.
        values[inside] = np.linalg.lstsq(table[:, inside], right, rcond=1e-13)[0]
        values = np.where(sign == 0, values, np.maximum(values, 0.0)) * turn
    return np.asarray(values / size)
