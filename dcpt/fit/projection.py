"""Variable projection: the best coefficients, and the misfit, in every cell of a grid of exponents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData
from dcpt.fit.nnls import solve_nonnegative
from dcpt.fit.space import Space
from dcpt.laws.law import Law

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_LARGE = 1e100


@dataclass(frozen=True, eq=False)
class _Family:
    """One term of a law at the few values its own exponents take on the grid.

    Attributes
    ----------
    rows : ndarray, shape (m, n)
        The term over the loss, at each distinct value.
    place : ndarray of int, shape (cells,)
        Which of them belongs to each cell.
    """

    rows: Array
    place: Integers


class Projection:
    """A law whose nonlinear parameters take given values.

    Parameters
    ----------
    law, data, space
        What is fitted.
    names : sequence of str
        Nonlinear parameters.
    cells : ndarray, shape (cells, len(names))
        Their values.
    axes : sequence of ndarray
        The axes whose product the cells are, the last one running fastest; empty for loose cells.
    """

    def __init__(
        self, law: Law, data: FitData, space: Space, names: list[str], cells: Array, axes: list[Array]
    ) -> None:
        self.law, self.data, self.space, self.names, self.cells = law, data, space, names, cells
        self.axes = axes
        pieces = [law.compiled.basis[name] for name in law.linear_names]
        self.terms = [self._family(*piece) for piece in pieces]
        offset = law.compiled.offset
        self.offset = None if offset is None else self._family(*offset)

    def _family(self, function: object, used: tuple[str, ...]) -> _Family:
        mine = [index for index, name in enumerate(self.names) if name in used]
        values: Array = np.zeros((1, 0))
        place: Integers = np.zeros(len(self.cells), dtype=np.int64)
        if mine and self.axes:
            shape = tuple(len(axis) for axis in self.axes)
            small = tuple(shape[index] for index in mine)
            where = np.indices(shape)[mine].reshape(len(mine), -1)
            place = np.asarray(np.ravel_multi_index(tuple(where), small))
            grid = np.meshgrid(*(self.axes[index] for index in mine), indexing="ij")
            values = np.stack(grid, axis=-1).reshape(-1, len(mine))
        elif mine:
            values, place = self.cells[:, mine], np.arange(len(self.cells))
        at = dict.fromkeys(self.law.names, np.zeros((len(values), 1)))
        for column, index in enumerate(mine):
            at[self.names[index]] = values[:, column : column + 1]
        inputs = self.data.inputs
        with np.errstate(all="ignore"):
            rows = function(*(inputs[name] for name in self.law.inputs), *at.values())  # type: ignore[operator]
            rows = np.broadcast_to(rows, (len(values), len(self.data))) / self.data.loss
        return _Family(np.nan_to_num(rows, nan=_LARGE, posinf=_LARGE, neginf=-_LARGE), place)

    def solve(self, weights: Array) -> tuple[Array, Array]:
        """Coefficients, shape (cells, k), and weighted sums of squares of 1 - law / loss, (cells,).

        1 - law / loss is the log residual to first order.
        """
        k, count = len(self.terms), len(self.cells)
        root = np.sqrt(weights)
        scaled = [_Family(term.rows * root, term.place) for term in self.terms]
        gram, right = np.empty((k, k, count)), np.empty((k, count))
        square = np.full(count, float(weights.sum()))
        for i, one in enumerate(scaled):
            right[i] = (one.rows @ root)[one.place]
            for j, two in enumerate(scaled[: i + 1]):
                gram[i, j] = gram[j, i] = _products(one, two)
        if self.offset is not None:
            part = _Family(self.offset.rows * root, self.offset.place)
            square += (np.vecdot(part.rows, part.rows) - 2 * (part.rows @ root))[part.place]
            for i, one in enumerate(scaled):
                right[i] -= _products(one, part)
        names, space = self.law.linear_names, self.space
        held = np.array([space.fixed.get(name, 0.0) for name in names])
        absent = np.array([name in space.fixed for name in names], dtype=bool)
        signed = np.array([space.lower[space.names.index(name)] < 0 for name in names], dtype=bool)
        free = solve_nonnegative(gram, right - np.einsum("ijc,j->ic", gram, held), signed, absent)
        x = free + held[:, None]
        cost = square - 2 * (right * x).sum(axis=0) + np.einsum("ic,ijc,jc->c", x, gram, x)
        return x.T, np.maximum(cost, 0.0)

    def ratio(self, cell: int, coefficients: Array) -> Array:
        """Law over loss in one cell, shape (n,)."""
        total = np.zeros(len(self.data))
        if self.offset is not None:
            total += self.offset.rows[self.offset.place[cell]]
        for term, coefficient in zip(self.terms, coefficients, strict=True):
            total += coefficient * term.rows[term.place[cell]]
        return total


def _products(one: _Family, two: _Family) -> Array:
    """Sum over rows of the product of two terms in every cell, by one matrix product."""
    if len(one.rows) * len(two.rows) <= len(one.place):
        return np.asarray((one.rows @ two.rows.T)[one.place, two.place])
    out = np.empty(len(one.place))
    for first in range(0, len(out), 256):  # no table of all pairs where every cell has its own values
        part = slice(first, first + 256)
        out[part] = np.vecdot(one.rows[one.place[part]], two.rows[two.place[part]])
    return out
