"""Where a fit starts: every cell of a grid of exponents, coefficients solved exactly in each."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData
from dcpt.fit.space import Space
from dcpt.laws.law import Law, Parameter

Array = NDArray[np.float64]

CELLS = 8000
"""Upper limit of the grid: 6 values for each of the five exponents of the D-CPT law (7,776 cells)."""

KEEP = 6
"""Grid-local minima that are polished. On synthetic D-CPT data all six end in the same optimum, so
fewer would do; they are the check that there is one."""

_MOST_VALUES = 14


def start_grid(law: Law, data: FitData, space: Space, keep: int = KEEP) -> Array:
    """Best starting points by variable projection, deterministic.

    On each cell of a grid over the nonlinear parameters the linear ones follow from a least-squares
    problem with their signs kept, weighted by 1 / loss^2: the log residual to first order.

    Parameters
    ----------
    law, data, space
        What is fitted. Fixed nonlinear parameters have one value on the grid; ties are ignored here
        and hold from the first step of the solver on.
    keep : int
        Largest number of starts.

    Returns
    -------
    ndarray, shape (k, q)
        Free parameters, the best cell first.
    """
    nonlinear = [item for item in law.parameters if item.kind == "nonlinear"]
    axes = _axes(nonlinear, space)
    shape = tuple(len(axis) for axis in axes)
    cells = np.array(list(itertools.product(*axes))) if axes else np.zeros((1, 0))
    coefficients, cost = _project(law, data, space, [item.name for item in nonlinear], axes, shape)
    theta = np.empty((len(cells), len(law.names)))
    for index, item in enumerate(nonlinear):
        theta[:, law.names.index(item.name)] = cells[:, index]
    for index, name in enumerate(law.linear_names):
        theta[:, law.names.index(name)] = coefficients[:, index]
    minima = _local_minima(cost.reshape(shape)) if axes else np.zeros(1, dtype=np.int64)
    best = minima[np.argsort(cost[minima], kind="stable")][:keep]
    lower, upper = space.box
    span = upper - lower
    # Off the walls: a bounded solver that starts on a wall sees no slope through it.
    return np.clip(space.shrink(theta[best]), lower + 1e-9 * span, upper - 1e-9 * span)


def _axes(nonlinear: list[Parameter], space: Space) -> list[Array]:
    free = [item for item in nonlinear if item.name not in space.fixed]
    count = _MOST_VALUES if not free else min(_MOST_VALUES, int(CELLS ** (1 / len(free)) + 1e-9))
    axes = []
    for item in nonlinear:
        if item.name in space.fixed:
            axes.append(np.array([space.fixed[item.name]]))
            continue
        index = space.names.index(item.name)
        lo, hi = float(space.lower[index]), float(space.upper[index])
        # Exponents and offsets matter by ratio; a bound of (nearly) 0 is replaced by hi / 100.
        floor = max(lo, hi / 100)
        if floor > 0 and lo >= 0:
            axes.append(np.geomspace(floor, hi, count + 1)[:-1])
        else:
            axes.append(np.linspace(lo, hi, count + 2)[1:-1])
    return axes


def _project(
    law: Law, data: FitData, space: Space, nonlinear: list[str], axes: list[Array], shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Linear parameters, shape (cells, k), and weighted sum of squares, (cells,), of every cell."""
    weight = 1.0 / data.loss
    target = weight * data.loss
    where = np.indices(shape).reshape(len(shape), -1) if shape else np.zeros((0, 1), dtype=int)
    cells = where.shape[1]
    families: list[tuple[Array, NDArray[np.int64]]] = []  # (weighted basis (m, n), cell -> row of it)
    names = law.linear_names
    pieces = [law.compiled.basis[name] for name in names]
    if law.compiled.offset is not None:
        pieces.append(law.compiled.offset)
    columns = [np.asarray(data.inputs[name]) for name in law.inputs]
    for function, used in pieces:
        mine = [index for index, name in enumerate(nonlinear) if name in used]
        grid = list(itertools.product(*(axes[index] for index in mine)))
        values = np.array(grid, dtype=np.float64).reshape(len(grid), len(mine))
        at = dict.fromkeys(law.names, np.zeros((len(values), 1)))
        for column, index in enumerate(mine):
            at[nonlinear[index]] = values[:, column : column + 1]
        rows = np.broadcast_to(function(*columns, *at.values()), (len(values), len(data)))
        small = tuple(shape[index] for index in mine)
        place = np.zeros(cells, dtype=np.int64)
        if mine:
            place += np.ravel_multi_index(tuple(where[mine]), small)
        families.append((np.nan_to_num(rows * weight, posinf=1e150), place))
    k = len(names)
    gram = np.empty((cells, k, k))
    right = np.empty((cells, k))
    square = np.full(cells, float(target @ target))
    offset = families[k] if len(families) > k else None
    if offset is not None:
        part, place = offset
        square += ((part * part).sum(axis=1) - 2 * part @ target)[place]
    for i, (one, at_one) in enumerate(families[:k]):
        right[:, i] = (one @ target)[at_one]
        if offset is not None:
            right[:, i] -= (one @ offset[0].T)[at_one, offset[1]]
        for j, (two, at_two) in enumerate(families[: i + 1]):
            gram[:, i, j] = gram[:, j, i] = (one @ two.T)[at_one, at_two]
    pinned = {i: space.fixed[name] for i, name in enumerate(names) if name in space.fixed}
    signed = [i for i, name in enumerate(names) if space.lower[space.names.index(name)] < 0]
    return _nonnegative(gram, right, square, pinned, signed)


def _nonnegative(
    gram: Array, right: Array, square: Array, pinned: dict[int, float], signed: list[int]
) -> tuple[Array, Array]:
    """Least squares with non-negative coefficients in every cell, by trying every support."""
    cells, k = right.shape
    fixed = np.zeros(k)
    for index, value in pinned.items():
        fixed[index] = value
    always = [i for i in signed if i not in pinned]
    optional = [i for i in range(k) if i not in pinned and i not in signed]
    shifted = right - gram @ fixed
    base = square - 2 * right @ fixed + np.einsum("i,cij,j->c", fixed, gram, fixed)
    best = np.tile(fixed, (cells, 1))
    cost = base.copy()
    scale = np.sqrt(np.maximum(np.einsum("cii->ci", gram), 1e-300))
    for size in range(len(optional) + 1):
        for chosen in itertools.combinations(optional, size):
            support = [*always, *chosen]
            if not support:
                continue
            block = scale[:, support]
            matrix = gram[:, support][:, :, support] / (block[:, :, None] * block[:, None, :])
            matrix = matrix + 1e-12 * np.eye(len(support))  # two exponents may give the same column
            vector = shifted[:, support] / block
            answer = np.linalg.solve(matrix, vector[..., None])[..., 0]
            gain = (2 * vector * answer).sum(axis=1) - np.einsum("ci,cij,cj->c", answer, matrix, answer)
            good = (base - gain < cost) & (answer[:, len(always) :] >= 0).all(axis=1)
            cost[good] = (base - gain)[good]
            best[good] = fixed
            best[np.ix_(good, support)] = (answer / block)[good]
    return best, cost


def _local_minima(cost: Array) -> NDArray[np.int64]:
    """Flat indices of the cells no neighbour along an axis beats."""
    good = np.isfinite(cost)
    for axis in range(cost.ndim):
        ahead = np.roll(cost, -1, axis)
        behind = np.roll(cost, 1, axis)
        last = [slice(None)] * cost.ndim
        first = [slice(None)] * cost.ndim
        last[axis], first[axis] = slice(-1, None), slice(0, 1)
        ahead[tuple(last)] = np.inf
        behind[tuple(first)] = np.inf
        good &= (cost <= ahead) & (cost <= behind)
    return np.flatnonzero(good)
