"""The linear parameters of a law of curves at given nonlinear ones: least Huber loss inside their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.nnls import solve_nonnegative
from dcpt.laws.curves.curve_law import CurveLaw, Features

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Basis:
    """What a law is on some curves at one set of nonlinear parameters, whatever the weights of the losses.

    Attributes
    ----------
    law, features, psi
        The law, its features of the curves, and the nonlinear parameters.
    offset : ndarray, shape (n,)
        Loss without the loose linear parameters: that of the held ones is in it.
    columns : ndarray, shape (n, k)
        Columns of the linear parameters.
    loose : ndarray of bool, shape (k,)
        Linear parameters that are solved for.
    measured : ndarray, shape (n,)
        Measured losses, which the rows are scaled by.
    """

    law: CurveLaw
    features: Features
    psi: Mapping[str, float]
    offset: Array
    columns: Array
    loose: Mask
    measured: Array

    @classmethod
    def of(
        cls,
        law: CurveLaw,
        features: Features,
        psi: Mapping[str, float],
        held: Array,
        loose: Mask,
        measured: Array,
    ) -> Basis:
        """Evaluate a law; `held`, shape (k,), gives the linear parameters that are not loose."""
        offset, columns = law.basis(features, psi)
        base = np.zeros(len(measured)) if offset is None else offset
        return cls(law, features, psi, base + columns[:, ~loose] @ held[~loose], columns, loose, measured)

    @cached_property
    def slopes(self) -> tuple[Array | None, Array]:
        """Derivatives of offset and columns by the nonlinear parameters; see `CurveLaw.slopes`."""
        return self.law.basis_slopes(self.features, self.psi)

    @cached_property
    def free_columns(self) -> Array:
        """Columns of the loose parameters, shape (n, m)."""
        return np.ascontiguousarray(self.columns[:, self.loose])

    @cached_property
    def factors(self) -> tuple[Array, Array]:
        """Q, shape (n, m), and R, shape (m, m), of the loose columns over the measured losses.

        Weighted least squares then needs products of Q alone: its columns are as good as orthogonal under any
        weights, where those of the law are nearly collinear and their products would lose half of the digits.
        """
        q, r = np.linalg.qr(self.free_columns / self.measured[:, None])
        return q, r


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds of the loose linear parameters.

    Attributes
    ----------
    least, most : ndarray, shape (m,)
        The bounds.
    sign : ndarray, shape (m,)
        +1: not below 0; -1: not above 0; 0: either.
    """

    least: Array
    most: Array
    sign: NDArray[np.int64]

    def least_squares(self, table: Array, right: Array) -> Array:
        """Least squares inside the bounds: signs first, then what lies beyond other bounds."""
        values = _signed_least_squares(table, right, self.sign)
        inside = np.clip(values, self.least, self.most)
        stuck = inside != values
        if not stuck.any():
            return values
        rest = right - table[:, stuck] @ inside[stuck]
        inside[~stuck] = _signed_least_squares(table[:, ~stuck], rest, self.sign[~stuck])
        return np.asarray(np.clip(inside, self.least, self.most))

    def minimum(self, gram: Array, slope: Array, r: Array) -> Array:
        """Least value inside the bounds of z G z / 2 - b z with z = R x, shape (m,).

        Parameters
        ----------
        gram : ndarray, shape (m, m)
        slope : ndarray, shape (m,)
            b.
        r : ndarray, shape (m, m)
            R.
        """
        root = matrix_root(gram)
        return self.least_squares(root.T @ r, np.asarray(np.linalg.solve(root, slope), dtype=np.float64))


def matrix_root(gram: Array) -> Array:
    """A square matrix whose product with its transpose is `gram`, nearly so where that is singular."""
    try:
        return np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(gram)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 1e-14 * max(float(values[-1]), 1e-300))))


def _signed_least_squares(table: Array, right: Array, sign: NDArray[np.int64]) -> Array:
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
