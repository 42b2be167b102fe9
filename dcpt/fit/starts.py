"""Where a fit starts: every cell of a grid of exponents, coefficients solved exactly in each."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData
from dcpt.fit.projection import Projection
from dcpt.fit.space import Space
from dcpt.fit.threads import one_thread
from dcpt.laws.law import Law, Parameter

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

CELLS = 8000
"""Upper limit of the grid: 6 values for each of the five exponents of the D-CPT law (7,776 cells)."""

KEEP = 6
"""Most starts. On synthetic D-CPT data all six end in the same optimum, so fewer would do; they are the
check that there is one."""

FEWEST = 3
"""Starts that are kept even where the grid has fewer local minima: a check needs company."""

SCATTERED = 3000
"""Cells where there are so many nonlinear parameters that a grid would have fewer than three values for
each; they lie on a lattice of low discrepancy."""

ELEMENTS = 4_000_000
"""Most rows times values of a term that the grid is solved with (32 MB); beyond, it sees every second,
third ... row in the order of the inputs, but not less than `FEWEST_ROWS`."""

FEWEST_ROWS = 500

OUTLIER = 3.0
"""Robust standard deviations from which the second pass gives a row less weight."""

_MOST_VALUES = 14


def start_grid(law: Law, data: FitData, space: Space, keep: int = KEEP) -> Array:
    """Best starting points by variable projection, deterministic.

    On each cell of a grid over the nonlinear parameters the linear ones follow from a least-squares
    problem with their signs kept, weighted by 1 / loss^2: the log residual to first order. A second
    pass gives less weight to the rows that the best cell misses by far.

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
    names = [item.name for item in nonlinear]
    axes, cells = _cells(nonlinear, space)
    data = _sorted(law, data, ELEMENTS // _values(law, names, cells, axes))
    with one_thread():
        coefficients, cost = _solve(law, Projection(law, data, space, names, cells, axes))
    theta = np.empty((len(cells), len(law.names)))
    theta[:, [law.names.index(name) for name in names]] = cells
    theta[:, [law.names.index(name) for name in law.linear_names]] = coefficients
    best = _best(cost, cells, axes, keep)
    lower, upper = space.box
    span = upper - lower
    # Off the walls: a bounded solver that starts on a wall sees no slope through it.
    return np.clip(space.shrink(theta[best]), lower + 1e-9 * span, upper - 1e-9 * span)


def _solve(law: Law, projection: Projection) -> tuple[Array, Array]:
    """Coefficients, shape (cells, k), and cost, (cells,), with outliers weighed down."""
    coefficients, cost = projection.solve(np.ones(len(projection.data)))
    if not law.linear_names:
        return coefficients, _log_cost(projection)
    best = int(cost.argmin())
    weights = _outlier_weights(projection.ratio(best, coefficients[best]) - 1.0)
    return projection.solve(weights) if weights.min() < 1.0 else (coefficients, cost)


def _sorted(law: Law, data: FitData, most: int) -> FitData:
    """The rows in the order of their inputs (a shuffled table starts alike), thinned to about `most`."""
    order = np.lexsort([data.loss, *(np.asarray(data.inputs[name]) for name in law.inputs)])
    return data.take(order[:: -(-len(data) // max(most, FEWEST_ROWS))])


def _values(law: Law, names: list[str], cells: Array, axes: list[Array]) -> int:
    """Most values that one term of the law takes on the cells."""
    pieces = [*law.compiled.basis.values(), *([law.compiled.offset] if law.compiled.offset else [])]
    if not axes:
        return len(cells)
    return max(
        math.prod(len(axes[names.index(name)]) for name in names if name in used) for _, used in pieces
    )


def _cells(nonlinear: list[Parameter], space: Space) -> tuple[list[Array], Array]:
    """Axes of a grid (none for scattered cells) and all cells, shape (cells, parameters)."""
    free = [item for item in nonlinear if item.name not in space.fixed]
    count = _MOST_VALUES if not free else min(_MOST_VALUES, int(CELLS ** (1 / len(free)) + 1e-9))
    if count < 3:
        return [], _scattered(nonlinear, space)
    axes = []
    for item in nonlinear:
        if item.name in space.fixed:
            axes.append(np.array([space.fixed[item.name]]))
        elif _by_ratio(*_range(item, space)):
            axes.append(np.geomspace(*_range(item, space), count + 1)[:-1])
        else:
            axes.append(np.linspace(*_range(item, space), count + 2)[1:-1])
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) if axes else np.zeros((1, 0))
    return axes, cells.reshape(-1, len(axes))


def _range(item: Parameter, space: Space) -> tuple[float, float]:
    """Range of an axis: exponents and offsets matter by ratio, so a bound of about 0 becomes hi / 100."""
    index = space.names.index(item.name)
    lo, hi = float(space.lower[index]), float(space.upper[index])
    return (max(lo, hi / 100), hi) if lo >= 0 else (lo, hi)


def _by_ratio(lo: float, hi: float) -> bool:
    return lo > 0 and hi > lo


def _scattered(nonlinear: list[Parameter], space: Space) -> Array:
    """Cells on the lattice of the plastic constants, an additive sequence of low discrepancy."""
    free = [item for item in nonlinear if item.name not in space.fixed]
    root = 2.0
    for _ in range(60):  # the root of x^(d + 1) = x + 1
        root = (1.0 + root) ** (1.0 / (len(free) + 1))
    share = (0.5 + np.arange(SCATTERED)[:, None] * root ** -np.arange(1.0, len(free) + 1)) % 1.0
    cells = np.empty((SCATTERED, len(nonlinear)))
    column = 0
    for index, item in enumerate(nonlinear):
        if item.name in space.fixed:
            cells[:, index] = space.fixed[item.name]
            continue
        lo, hi = _range(item, space)
        part = share[:, column]
        cells[:, index] = lo * (hi / lo) ** part if _by_ratio(lo, hi) else lo + (hi - lo) * part
        column += 1
    return cells


def _outlier_weights(residual: Array) -> Array:
    size = np.abs(residual)
    limit = OUTLIER * 1.4826 * float(np.median(size))
    return np.minimum(1.0, limit / np.maximum(size, 1e-300)) if limit > 0 else np.ones(len(size))


def _log_cost(projection: Projection) -> Array:
    """Sum of absolute log residuals in every cell of a law without linear parameters."""
    offset = projection.offset
    if offset is None:
        return np.zeros(len(projection.cells))
    size = np.abs(np.log(np.maximum(offset.rows, 1e-300))).sum(axis=1)
    return np.asarray(size[offset.place])


def _best(cost: Array, cells: Array, axes: list[Array], keep: int) -> Integers:
    """Cells to start from: local minima of the grid, then the best cells that are not beside those."""
    rank = np.argsort(cost, kind="stable")
    if len(cells) == 1:
        return rank
    shape = tuple(len(axis) for axis in axes)
    place: Array
    if axes:
        minima = _local_minima(cost.reshape(shape))
        found = list(minima[np.argsort(cost[minima], kind="stable")][:keep])
        place = np.stack(np.unravel_index(np.arange(len(cost)), shape), axis=1).astype(np.float64)
        apart = 2.0
    else:
        found = []
        spread = np.ptp(cells, axis=0)
        place, apart = cells / np.where(spread > 0, spread, 1.0), 0.25
    wanted = min(keep, FEWEST if axes else KEEP)
    for index in itertools.islice(rank, 2000):
        if len(found) >= wanted:
            break
        if all(np.abs(place[index] - place[other]).max() >= apart for other in found):
            found.append(index)
    return np.array(found, dtype=np.int64)


def _local_minima(cost: Array) -> Integers:
    """Flat indices of the cells no neighbour along an axis beats; of a flat stretch the first."""
    good = np.isfinite(cost)
    for axis in range(cost.ndim):
        ahead = np.roll(cost, -1, axis)
        behind = np.roll(cost, 1, axis)
        last = [slice(None)] * cost.ndim
        first = [slice(None)] * cost.ndim
        last[axis], first[axis] = slice(-1, None), slice(0, 1)
        ahead[tuple(last)] = np.inf
        behind[tuple(first)] = np.inf
        good &= (cost <= ahead) & (cost < behind)
    return np.flatnonzero(good)
