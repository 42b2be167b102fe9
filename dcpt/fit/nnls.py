"""Non-negative least squares for thousands of small systems at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RIDGE = 1e-12
"""Added to a unit diagonal: two exponents may give the same column."""

_TOLERANCE = 1e-10
_FULL_EXCHANGES = 3


def solve_nonnegative(gram: Array, right: Array, signed: Mask, absent: Mask) -> Array:
    """Minimise x G x / 2 - b x over x >= 0 in every cell.

    Block principal pivoting (Kim and Park 2011, SIAM J. Sci. Comput. 33:3261): all parameters on the
    wrong side change sides together, one at a time where that goes in circles. The systems lie along
    the last axis, so that each operation of a factorisation is one array operation over all cells.

    Parameters
    ----------
    gram : ndarray, shape (k, k, cells)
    right : ndarray, shape (k, cells)
    signed : ndarray of bool, shape (k,)
        Coefficients of either sign.
    absent : ndarray of bool, shape (k,)
        Coefficients held at 0.

    Returns
    -------
    ndarray, shape (k, cells)
    """
    k, cells = right.shape
    size = np.sqrt(np.einsum("iic->ic", gram))
    size = np.where(size > 0, size, 1.0)
    gram = gram / size[:, None] / size[None, :]
    right = right / size
    result = np.zeros((k, cells))
    # An empty column (a term that is off in every row) must not meet a zero pivot: the ridge sees to it.
    gram[range(k), range(k)] += _RIDGE
    loose = np.repeat(~absent[:, None], cells, axis=1)
    optional = ~(signed | absent)[:, None]
    cell = np.arange(cells)
    fewest = np.full(cells, k + 1)
    patience = np.full(cells, _FULL_EXCHANGES)
    for _ in range(5 * k + 5):
        x = _solve_masked(gram, right, loose)
        slope = np.einsum("ijc,jc->ic", gram, x) - right
        wrong = np.where(loose, x < -_TOLERANCE, slope < -_TOLERANCE) & optional
        count = wrong.sum(axis=0)
        result[:, cell] = np.where(optional, np.maximum(x, 0.0), x)
        going = count > 0
        if not going.any():
            break
        gram, right, loose, wrong = gram[:, :, going], right[:, going], loose[:, going], wrong[:, going]
        cell, count, fewest, patience = cell[going], count[going], fewest[going], patience[going]
        fewer = count < fewest
        fewest = np.where(fewer, count, fewest)
        patience = np.where(fewer, _FULL_EXCHANGES, patience - 1)
        last = k - 1 - wrong[::-1].argmax(axis=0)
        single = np.arange(k)[:, None] == last
        loose = loose ^ np.where(patience >= 0, wrong, single)
    return result / size


def _solve_masked(gram: Array, right: Array, loose: Mask) -> Array:
    """Cholesky solution for the loose parameters, 0 for the others; shape (k, cells)."""
    k = len(right)
    factor: list[list[Array]] = []
    solution: list[Array] = []
    for i in range(k):
        row: list[Array] = []
        for j in range(i):
            entry = np.where(loose[i] & loose[j], gram[i, j], 0.0)
            for m in range(j):
                entry -= row[m] * factor[j][m]
            entry *= factor[j][j]
            row.append(entry)
        pivot = np.where(loose[i], gram[i, i], 1.0)
        value = np.where(loose[i], right[i], 0.0)
        for m in range(i):
            pivot -= row[m] * row[m]
            value -= row[m] * solution[m]
        row.append(1.0 / np.sqrt(np.maximum(pivot, _RIDGE)))
        factor.append(row)
        solution.append(value * row[i])
    for i in reversed(range(k)):
        for m in range(i + 1, k):
            solution[i] = solution[i] - factor[m][i] * solution[m]
        solution[i] = solution[i] * factor[i][i]
    return np.stack(solution) if k else np.zeros_like(right)
