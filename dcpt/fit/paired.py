"""Which of two models errs less on the same rows, and whether the difference could be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS = 1000
"""Resamples; the standard error they give is good to about 2 %."""

MOST_UNITS = 2000
"""More runs are put together, at random, into as many blocks: independent as well, and enough of them."""

_EXACT = 1e-12
"""Difference, as a share of the error, below which two models are the same one."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean error of one model minus that of another on the same rows.

    Parameters
    ----------
    difference : float
        In the unit of the errors; negative when the first model errs less.
    lo, hi : float
        Interval of the difference; infinite where there is one unit only, which has no scatter.
    units : int
        Units behind the interval: its degrees of freedom plus 1, rounded.
    """

    difference: float
    lo: float
    hi: float
    units: int

    @property
    def tie(self) -> bool:
        """Whether the interval holds 0."""
        return self.lo <= 0 <= self.hi


def paired_difference(
    one: ArrayLike,
    two: ArrayLike,
    runs: ArrayLike,
    splits: ArrayLike | None = None,
    kinds: ArrayLike | None = None,
    *,
    level: float = 0.9,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairedDifference:
    """Difference of two models' mean errors with an interval; arguments as in `paired_differences`.

    Parameters
    ----------
    one, two : array_like, shape (n,)
        Absolute errors of the two models on the same rows.
    """
    errors = np.stack([np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)])
    return paired_differences(errors, 1, runs, splits, kinds, level=level, draws=draws, seed=seed)[0]


def paired_differences(
    errors: Array,
    reference: int,
    runs: ArrayLike,
    splits: ArrayLike | None = None,
    kinds: ArrayLike | None = None,
    *,
    level: float = 0.9,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[PairedDifference, ...]:
    """Difference of every model's mean error from the reference's, with intervals.

    Rows of a run are correlated, and so are the rows one refit predicts. With one split, runs are
    the units that are resampled. With several, splits are; where runs also appear in several splits
    both are resampled, crossed, and their variances add (Owen 2007, Ann. Appl. Stat. 1:386; a little
    too wide rather than too narrow). What all rows of a kind's only split share does not show in the
    interval. Units are drawn one fewer than there are and rescaled (Rao and Wu 1988, J. Am. Stat.
    Assoc. 83:231). The interval is Student's, with the degrees of freedom of Satterthwaite (1946,
    Biometrics Bull. 2:110), because there are often five units or fewer.

    Parameters
    ----------
    errors : ndarray, shape (m, n)
        Absolute errors of m models on n rows.
    reference : int
        Model the others are compared with.
    runs, splits, kinds : array_like of int, shape (n,)
        Run of each row, the split that left it out, and the kind of that split. A row that several
        splits leave out stands once for each. The mean is over the rows of a split, then over the
        splits of a kind, then over kinds.
    level : float
        Probability of the interval.
    draws, seed : int
        Resamples and the seed they are drawn with.

    Returns
    -------
    tuple of PairedDifference
        One for each model except the reference, in order.

    Raises
    ------
    ConfigError
        When the level is not between 0 and 1 or the arrays do not fit together.
    """
    if not 0 < level < 1:
        raise ConfigError(f"paired difference: level is {level}; wanted a share between 0 and 1.")
    errors = np.asarray(errors, dtype=np.float64)
    n = errors.shape[-1]
    zeros = np.zeros(n, dtype=np.int64)
    codes = [_code(zeros if item is None else item) for item in (runs, splits, kinds)]
    if errors.ndim != 2 or n == 0 or any(len(code) != n for code in codes):
        sizes = ", ".join(str(len(code)) for code in codes)
        raise ConfigError(
            f"paired difference: errors have shape {errors.shape}, labels have {sizes} rows; "
            "wanted as many labels as rows, and at least one row."
        )
    run, split, kind = _blocks(codes[0], seed), codes[1], codes[2]
    others = [index for index in range(len(errors)) if index != reference]
    cells = _Cells(errors[others] - errors[reference], run, split, kind)
    mean = cells.mean(np.ones((1, cells.runs)), np.ones((1, cells.splits)))[0]
    variance, freedom = _variance(cells, draws, seed)
    size = np.abs(errors[others]).mean(axis=1) + np.abs(errors[reference]).mean()
    found = []
    for value, var, free, scale in zip(mean, variance, freedom, size, strict=True):
        exact = abs(value) <= _EXACT * scale and var <= (_EXACT * scale) ** 2
        half = float(stdtrit(free, 0.5 + level / 2) * np.sqrt(var)) if free > 0 else np.inf
        half, value = (0.0, 0.0) if exact else (half, float(value))
        found.append(PairedDifference(value, value - half, value + half, round(float(free)) + 1))
    return tuple(found)


class _Cells:
    """Sums of the differences by split and run: all that a resample of either needs."""

    def __init__(self, differences: Array, run: Integers, split: Integers, kind: Integers) -> None:
        self.runs, self.splits = int(run.max()) + 1, int(split.max()) + 1
        place = split * self.runs + run
        shape = (self.splits, self.runs)
        size = self.splits * self.runs
        self.total = np.stack([np.bincount(place, row, minlength=size).reshape(shape) for row in differences])
        self.count = np.bincount(place, minlength=size).reshape(shape).astype(np.float64)
        self.kind = np.zeros(self.splits, dtype=np.int64)
        self.kind[split] = kind
        self.crossed = bool(((self.count > 0).sum(axis=0) > 1).any())

    def mean(self, run_weights: Array, split_weights: Array) -> Array:
        """Weighted mean differences, shape (draws, m)."""
        rows = run_weights @ self.count.T  # (draws, splits)
        total = np.einsum("bg,msg->bms", run_weights, self.total, optimize=True)
        share = np.where(rows > 0, split_weights, 0.0)
        for kind in np.unique(self.kind):  # kinds are what they are: each keeps its part of the mean
            mine = self.kind == kind
            share[:, mine] /= np.maximum(share[:, mine].sum(axis=1, keepdims=True), 1e-300)
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        return np.asarray(np.einsum("bs,bms->bm", share / np.maximum(rows, 1e-300), total))


def _variance(cells: _Cells, draws: int, seed: int) -> tuple[Array, Array]:
    """Variances of the mean differences and their degrees of freedom, each of shape (m,)."""
    rng = np.random.default_rng(seed)
    m = len(cells.total)
    run_weights = _weights(rng, cells.runs, draws)
    split_weights = np.ones((draws, cells.splits))
    kinds, counts = np.unique(cells.kind, return_counts=True)
    for kind, count in zip(kinds, counts, strict=True):
        split_weights[:, cells.kind == kind] = _weights(rng, int(count), draws)
    by_run = cells.mean(run_weights, np.ones((draws, cells.splits))).var(axis=0)
    run_freedom, split_freedom = float(cells.runs - 1), float((counts - 1).sum())
    if split_freedom == 0:
        return by_run, np.full(m, run_freedom)
    by_split = cells.mean(np.ones((draws, cells.runs)), split_weights).var(axis=0)
    if not cells.crossed:  # the scatter of splits holds that of the runs inside them
        larger = by_run > by_split
        free = np.where(larger, min(run_freedom, split_freedom), split_freedom)
        return np.maximum(by_run, by_split), free
    if run_freedom == 0:
        return by_split, np.full(m, split_freedom)
    both = by_run + by_split
    parts = by_run**2 / run_freedom + by_split**2 / split_freedom
    freedom = np.divide(both**2, parts, out=np.full(m, run_freedom), where=parts > 0)
    return both, freedom


def _weights(rng: np.random.Generator, units: int, draws: int) -> Array:
    """Weights of the units in every resample, shape (draws, units); a single unit keeps its weight."""
    if units < 2:
        return np.ones((draws, units))
    counts = rng.multinomial(units - 1, np.full(units, 1 / units), size=draws)
    return np.asarray(counts * (units / (units - 1)))


def _blocks(runs: Integers, seed: int) -> Integers:
    count = int(runs.max()) + 1
    if count <= MOST_UNITS:
        return runs
    return np.asarray(np.random.default_rng(seed).permutation(count)[runs] % MOST_UNITS, dtype=np.int64)


def _code(labels: ArrayLike) -> Integers:
    return np.asarray(np.unique(np.asarray(labels), return_inverse=True)[1], dtype=np.int64)
