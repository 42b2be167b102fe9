"""Minimise a function of rates that never rise: projected gradient steps on the falls between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Function = Callable[[Array], tuple[float, Array]]
"""From a vector to a value and its gradient."""

_MEMORY = 6
_WINDOW = 20
_LEVELS = (128, 512, 2048)
_STEPS = (400, 200, 120, 80)


def onto_simplex(falls: Array, most: float) -> Array:
    """Nearest vector that is nowhere negative and sums to at most `most`.

    Examples
    --------
    >>> onto_simplex(np.array([0.5, 0.9, -0.2]), 1.0)
    array([0.3, 0.7, 0. ])
    """
    kept = np.maximum(falls, 0.0)
    if kept.sum() <= most:
        return np.asarray(kept)
    ordered = np.sort(kept)[::-1]
    excess = np.cumsum(ordered) - most
    count = np.flatnonzero(ordered - excess / np.arange(1, len(ordered) + 1) > 0)[-1] + 1
    return np.asarray(np.maximum(kept - excess[count - 1] / count, 0.0))


def descend(function: Function, falls: Array, most: float, steps: int, settled: float) -> tuple[float, Array]:
    """Spectral projected gradient (Birgin, Martinez & Raydan 2000, SIAM J. Optim. 10:1196).

    Parameters
    ----------
    function : callable
        Value and gradient at a vector of falls.
    falls : ndarray, shape (b,)
        Where to begin, inside the simplex.
    most : float
        Sum the falls may reach.
    steps : int
        Most steps.
    settled : float
        Gain over `_WINDOW` steps below which it ends.

    Returns
    -------
    value : float
    falls : ndarray, shape (b,)
        The best vector seen.
    """
    value, gradient = function(falls)
    best = value, falls
    seen, length = [value], 0.1 / max(float(np.abs(gradient).max()), 1e-300)
    for count in range(steps):
        direction = onto_simplex(falls - length * gradient, most) - falls
        slope = float(gradient @ direction)
        if slope > -1e-15:
            break
        share, limit = 1.0, max(seen[-_MEMORY:])
        while True:
            moved = falls + share * direction
            there, turned = function(moved)
            if there <= limit + 1e-4 * share * slope or share < 1e-6:
                break
            share *= 0.5
        step, change = moved - falls, turned - gradient
        curvature = float(step @ change)
        length = float(step @ step) / curvature if curvature > 0 else 10.0 * length
        length = min(max(length, 1e-12), 1e12)
        falls, value, gradient = moved, there, turned
        seen.append(value)
        if value < best[0]:
            best = value, falls
        before, now = seen[-2 * _WINDOW : -_WINDOW], seen[-_WINDOW:]
        if count >= 2 * _WINDOW and min(before) - min(now) < settled:
            break
    return best


def best_rates(
    of_blocks: Callable[[Integers], Function],
    start: Array,
    top: float,
    floor: float,
    turn: int | None = None,
    settled: float = 1e-8,
) -> tuple[float, Array]:
    """Minimise over rates that never rise, from coarse blocks of steps to single ones.

    Parameters
    ----------
    of_blocks : callable
        From the steps of every block to the function of the blocks' rates.
    start : ndarray, shape (T,)
        Rates to begin with.
    top, floor : float
        Highest and lowest rate.
    turn : int, optional
        Steps after which a block has to begin.
    settled : float
        Gain below which a level is left for the next.

    Returns
    -------
    value : float
    rates : ndarray, shape (T,)
    """
    T, rates, value = len(start), start, np.inf
    sizes = [blocks for blocks in _LEVELS if blocks < T / 2] + [T]
    for size, steps in zip(sizes, _budget(len(sizes)), strict=True):
        edges = np.unique(np.linspace(0, T, size + 1).round().astype(np.int64))
        if turn is not None:
            edges = np.unique(np.append(edges, turn))
        counts = np.diff(edges)
        function = of_blocks(counts)

        def of_falls(falls: Array, function: Function = function) -> tuple[float, Array]:
            loss, gradient = function(top * (1.0 - np.cumsum(falls)))
            return loss, -top * np.cumsum(gradient[::-1])[::-1]

        middle = rates[(edges[:-1] + edges[1:]) // 2] if len(counts) < T else rates
        most = 1.0 - floor / top
        falls = onto_simplex(-np.diff(middle / top, prepend=1.0), most)
        value, falls = descend(of_falls, falls, most, steps, settled)
        blocks = top * np.maximum(1.0 - np.cumsum(falls), floor / top)
        if len(counts) < T:
            centre = 0.5 * (edges[:-1] + edges[1:] - 1)
            rates = np.interp(np.arange(T), centre, blocks)
        else:
            rates = blocks
    return value, rates


def _budget(levels: int) -> Sequence[int]:
    return (*_STEPS[: levels - 1], _STEPS[-1] if levels > 1 else _STEPS[0])
