"""Points on the simplex of shares: spread evenly, between bounds, the same for the same seed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]

DIGITS = 6
"""Decimals of a share: a millionth of a run is less than a sequence of any proxy, and short to read."""
_ROOM = 1e-9


def spread(
    count: int,
    alpha: Array,
    low: Array,
    high: Array,
    seed: int,
    kind: Literal["sobol-simplex", "dirichlet"] = "sobol-simplex",
) -> Array:
    """Place mixtures with the density of a Dirichlet distribution, between bounds.

    Each share in turn takes its part of what is left, by the inverse of its conditional (beta) distribution
    cut to what its own bounds and those of the shares after it allow. Without upper bounds this is exactly
    the Dirichlet distribution, shifted by the lower bounds and shrunk to the room between them. With upper
    bounds the order of the shares is drawn anew for every point, so that none is favoured for being first.

    Parameters
    ----------
    count : int
        Mixtures wanted. The first n of any count are the same.
    alpha : ndarray, shape (m,)
        Parameters of the Dirichlet distribution, above 0; all 1 is the even density.
    low, high : ndarray, shape (m,)
        Least and greatest shares.
    seed : int
        Of the sequence.
    kind : {"sobol-simplex", "dirichlet"}
        A scrambled Sobol sequence, or independent draws.

    Returns
    -------
    ndarray, shape (count, m)
        Rows sum to 1 but for rounding.

    Raises
    ------
    ConfigError
        When no mixture lies between the bounds.

    References
    ----------
    Devroye, Non-Uniform Random Variate Generation (1986), section XI.4 (Dirichlet by successive betas);
    Owen, Scrambling Sobol' and Niederreiter-Xing points (1998).
    """
    from scipy.special import betainc, betaincinv

    check_bounds(low, high)
    size = len(alpha)
    if size == 1:
        return np.ones((count, 1))
    cube = _cube(count, size - 1, seed, kind)
    room = 1.0 - low.sum()
    free = high - low  # of each share above its least
    order = np.tile(np.arange(size), (count, 1))
    if (free < room - _ROOM).any():
        order = _orders(count, size, seed)
    rows = np.arange(count)
    left = np.full(count, room)
    later_free = free[order][:, ::-1].cumsum(axis=1)[:, ::-1]
    later_alpha = alpha[order][:, ::-1].cumsum(axis=1)[:, ::-1]
    above = np.zeros((count, size))
    for place in range(size - 1):
        which = order[:, place]
        scale = np.maximum(left, 1e-300)
        least = np.clip((left - later_free[:, place + 1]) / scale, 0.0, 1.0)
        most = np.clip(np.minimum(free[which], left) / scale, least, 1.0)
        a, b = alpha[which], later_alpha[:, place + 1]
        start, end = betainc(a, b, least), betainc(a, b, most)
        part = np.clip(betaincinv(a, b, start + cube[:, place] * (end - start)), least, most)
        above[rows, which] = part * left
        left = np.maximum(left - above[rows, which], 0.0)
    above[rows, order[:, -1]] = left
    return np.asarray(low + above, dtype=np.float64)


def check_bounds(low: Array, high: Array) -> None:
    """Refuse bounds between which no mixture lies."""
    if low.sum() > 1 + _ROOM:
        raise ConfigError(f"bounds: the least shares sum to {low.sum():g}; wanted at most 1.")
    if high.sum() < 1 - _ROOM:
        raise ConfigError(
            f"bounds: the greatest shares sum to {high.sum():g}; wanted at least 1.",
            "raise bounds or cpt.max_epochs, shorten the budgets, or add text",
        )


def vertex(which: int, around: Array, low: Array, high: Array) -> Array:
    """The mixture with as much of one corpus as the bounds allow; the others share the rest as `around`.

    Parameters
    ----------
    which : int
        The corpus.
    around : ndarray, shape (m,)
        Relative shares of the others.
    low, high : ndarray, shape (m,)
        Least and greatest shares.

    Returns
    -------
    ndarray, shape (m,)
    """
    check_bounds(low, high)
    others = np.arange(len(low)) != which
    shares = low.copy()
    shares[which] = min(high[which], 1.0 - low[others].sum())
    return fill(shares, around * others, np.where(others, high, shares))


def fill(shares: Array, weights: Array, high: Array) -> Array:
    """Give what is missing to 1 by weights, up to the greatest shares.

    Parameters
    ----------
    shares, weights, high : ndarray, shape (m,)
        Shares so far, relative parts of the rest, greatest shares.

    Returns
    -------
    ndarray, shape (m,)
        Sums to 1 when the shares with a weight, or failing them the others, have the room.
    """
    shares = shares.copy()
    for parts in (weights, (high > shares).astype(np.float64)):
        for _ in range(len(shares)):
            open_ = (parts > 0) & (shares < high - 1e-15)
            missing = 1.0 - shares.sum()
            if missing <= 1e-15 or not open_.any():
                break
            step = missing * np.where(open_, parts, 0.0) / parts[open_].sum()
            shares = np.minimum(shares + step, high)
    return shares


def round_shares(shares: Array, low: Array, high: Array) -> Array:
    """Shares as decimals of `DIGITS` digits that sum to 1, between the bounds where these are such decimals.

    Parameters
    ----------
    shares : ndarray, shape (..., m)
        Shares that sum to about 1.
    low, high : ndarray, shape (m,)
        Least and greatest shares.

    Returns
    -------
    ndarray, shape (..., m)
    """
    unit = 10**DIGITS
    least, most = np.ceil(low * unit - 1e-6).astype(int), np.floor(high * unit + 1e-6).astype(int)
    whole = np.clip(np.floor(shares * unit + 1e-6).astype(int), least, most)
    flat, exact = whole.reshape(-1, whole.shape[-1]), shares.reshape(-1, whole.shape[-1]) * unit
    for row, wanted in zip(flat, exact, strict=True):
        while (missing := unit - int(row.sum())) != 0:
            step = 1 if missing > 0 else -1
            able = np.flatnonzero(row < most) if step > 0 else np.flatnonzero(row > least)
            if not len(able):
                break
            # Largest remainder first; a share may take several units when the others are at their bounds.
            order = able[np.argsort(-step * (wanted - row)[able], kind="stable")]
            row[order[: abs(missing)]] += step
    return np.asarray(whole / unit, dtype=np.float64)


def _cube(count: int, dimensions: int, seed: int, kind: str) -> Array:
    if kind == "dirichlet":
        return np.random.default_rng(seed).random((count, dimensions))
    from scipy.stats import qmc

    engine: Any = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    # Balanced in powers of two: cut from the next one.
    points = engine.random_base2(max(0, int(np.ceil(np.log2(count)))))[:count]
    return np.asarray(np.clip(points, 1e-12, 1 - 1e-12), dtype=np.float64)


def _orders(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """An order of the shares for each point; of a longer list the first ones are the same."""
    keys = np.random.default_rng([seed, 1]).random((count, size))
    return np.asarray(np.argsort(keys, axis=1), dtype=np.int64)
