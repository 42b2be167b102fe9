"""What a fit of a law of curves minimises, with the linear parameters solved for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, FitError
from dcpt.fit.loss_curves.linear_part import Basis, Box, matrix_root
from dcpt.laws.curves.curve_law import CurveLaw, Features

Array = NDArray[np.float64]

LOG_RANGE = 1e3
"""Ratio of a nonlinear parameter's positive bounds from which it is moved in its logarithm."""

_SWEEPS = 40
_SETTLED = 1e-9
_LEAST_LOSS = 1e-3

_OUTLIERS = 1e-3
"""Share of their weight that residuals beyond the threshold keep in a Newton step: the Huber loss has no
curvature there, and without any the step may be endless."""


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
    basis : Basis
        The law there.
    objective : float
        Weighted sum of the Huber losses.
    """

    u: Array
    linear: Array
    loss: Array
    residual: Array
    basis: Basis
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
        self.least = np.array([item.lo for item in law.linear])
        self.most = np.array([item.hi for item in law.linear])
        sign = np.where(self.least >= 0, 1, np.where(self.most <= 0, -1, 0))
        self.box = Box(self.least[self.loose], self.most[self.loose], sign[self.loose])
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
        """Solve for the linear parameters.

        Newton steps on the Huber loss, in which only residuals below the threshold have a curvature; where
        one does not lower it, a step of reweighted least squares, which does.

        Parameters
        ----------
        u : ndarray, shape (q,)
            Free nonlinear parameters.
        near : Point, optional
            Another point, whose residuals give the first weights.
        """
        if near is not None and np.array_equal(u, near.u):
            basis = near.basis  # as where a refit begins: weights are no part of it
        else:
            basis = Basis.of(self.law, self.features, self.psi(u), self.held, self.loose, self.measured)
        q, r = basis.factors
        weight = self.weights if near is None else self.huber_weights(near.residual)
        pull = q.T @ (weight * (1.0 - basis.offset / self.measured))
        values = self.box.minimum(_product(q, weight), pull, r)
        fitted, residual, objective = self._tried(basis, values)
        if not np.isfinite(objective):
            raise FitError(f"fit: {self.law.name} is not finite on these curves.")
        newton = True
        for _ in range(_SWEEPS):
            scale, huber = self.measured / fitted, self.huber_weights(residual)
            inner = np.where(huber < self.weights, _OUTLIERS * huber, huber) if newton else huber
            gram = _product(q, inner * scale**2)
            pull = gram @ (r @ values) - q.T @ (huber * residual * scale)
            trial = self.box.minimum(gram, pull, r)
            tried = self._tried(basis, trial)
            if not tried[2] < objective:
                if not newton:
                    break
                newton = False
                continue
            gain = objective - tried[2]
            values, (fitted, residual, objective), newton = trial, tried, True
            if gain <= _SETTLED * objective:
                break
        linear = self.held.copy()
        linear[self.loose] = values
        expected = 0.5 * self.strength * float((((u - self.centre) / self.width) ** 2).sum())
        return Point(u, linear, fitted, residual, basis, objective + expected)

    def _tried(self, basis: Basis, values: Array) -> tuple[Array, Array, float]:
        """Losses, log residuals and objective under some values of the loose linear parameters."""
        fitted = np.maximum(basis.free_columns @ values + basis.offset, _LEAST_LOSS)
        residual = np.log(fitted) - self.log_measured
        return fitted, residual, self.rho(residual)

    def slope(self, point: Point, kept: float = 1.0) -> tuple[Array, Array]:
        """Gradient and curvature of the objective by `u` with the linear parameters following.

        Parameters
        ----------
        point : Point
        kept : float
            Share of their curvature that residuals beyond the threshold keep: 1 is reweighted least squares,
            0 the Huber loss's own second derivative.

        Returns
        -------
        gradient : ndarray, shape (q,)
        curvature : ndarray, shape (q, q)
            After Kaufman (1975, BIT 15:49): of the part of the derivatives outside the span of the columns.
        """
        psi, (offsets, slopes) = point.basis.psi, point.basis.slopes
        moved = slopes @ point.linear
        if offsets is not None:
            moved = moved + offsets
        names = self.law.nonlinear_names
        rows = [names.index(item.name) for item in self.free]
        scale = np.array(
            [psi[item.name] if log else 1.0 for item, log in zip(self.free, self.log, strict=True)]
        )
        huber = self.huber_weights(point.residual)
        root = np.sqrt(np.where(huber < self.weights, kept * huber, huber))
        jacobian = moved[rows] * scale[:, None] * (root / point.loss)
        inner = (point.linear > self.least) & (point.linear < self.most)
        q, r = point.basis.factors
        turned = np.linalg.qr(r[:, inner[self.loose]])[0]
        table = (root * self.measured / point.loss)[:, None] * (q @ turned)
        square = matrix_root(table.T @ table)
        gone = np.linalg.solve(square.T, np.linalg.solve(square, (jacobian @ table).T))
        jacobian -= (table @ gone).T
        size = np.divide(huber, root, out=np.zeros_like(root), where=root > 0)
        gradient, curvature = jacobian @ (size * point.residual), jacobian @ jacobian.T
        if self.strength and np.isfinite(self.width).any():
            pull = self.strength / self.width**2
            gradient += pull * (point.u - self.centre)
            curvature += np.diag(pull)
        return gradient, curvature


def _product(q: Array, weight: Array) -> Array:
    """Weighted products of the columns of q, shape (m, m)."""
    return np.asarray((q * weight[:, None]).T @ q)
