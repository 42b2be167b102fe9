"""Hold-outs by name: which rows a fit must predict without having seen them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity
from dcpt.fit.dataset import FitData
from dcpt.fit.score import (
    D_SEGMENT,
    DOMAIN_ALONE,
    DOMAIN_PAIR,
    LARGEST_D,
    LARGEST_N,
    RATIO,
    RATIO_PAIR,
    SIZE,
    TOP_COMPUTE,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LARGEST_SHARE = 0.1
"""Where every run has its own N or D, the largest ones are this share of the rows."""

COMPUTE_SHARE = 0.2
"""Share of the rows that `TOP_COMPUTE` leaves out, those of most N x D (training FLOPs, up to a factor)."""

SEGMENTS = 3
"""Parts of the axis of tokens, of which one is left out: Que et al. 2024 (arXiv:2406.01375), Sec. 4."""

MOST_PAIRS = 66
"""Most pairs of ratios (all of 12); of more, as many evenly spread ones are taken."""

LEAST_DOMAINS = MappingProxyType({DOMAIN_ALONE: 3, DOMAIN_PAIR: 4})
"""Domains from which one or two are left out: two must stay, or no law can tell domains apart."""

_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that are left out, and why.

    Parameters
    ----------
    kind : str
        Name of the hold-out, a key of `SPLITS`.
    level : float
        The size, domain share or least tokens left out (the lower one of a pair).
    out : ndarray of bool, shape (n,)
        Rows left out.
    label : str
        What is left out, in words.
    reach : float
        Log distance of the largest left-out N, D or compute beyond the rest; 0 inside the data.
    """

    kind: str
    level: float
    out: Mask
    label: str
    reach: float = 0.0


def _beyond(values: Array, out: Mask) -> float:
    return float(max(np.log(values[out].max() / values[~out].max()), 0.0))


def _largest_size(data: FitData) -> Iterator[Split]:
    own = len(np.unique(data.N)) > len(data) / 2  # nearly every run has its own N
    least = float(np.quantile(data.N, 1 - LARGEST_SHARE, method="lower") if own else data.N.max())
    out = least * (1 - _SAME) <= data.N
    if not out.all():
        sign = ">=" if own else "="
        yield Split(LARGEST_N, least, out, f"N {sign} {format_quantity(least)}", _beyond(data.N, out))


def _each_size(data: FitData) -> Iterator[Split]:
    sizes = np.unique(data.N)
    for size in sizes if len(sizes) > 1 else ():
        out = size == data.N
        yield Split(SIZE, float(size), out, f"N = {format_quantity(float(size))}", _beyond(data.N, out))


def _inner_ratios(data: FitData) -> Iterator[Split]:
    for ratio in _ratios(data)[1:-1]:
        yield Split(RATIO, float(ratio), data.r == ratio, f"r = {ratio:g}")


def _ratio_pairs(data: FitData) -> Iterator[Split]:
    ratios = _ratios(data)
    if len(ratios) < 4:  # two must stay, or no law of the mixture can be fitted
        return
    for one, two in _thin(list(combinations(ratios, 2)), MOST_PAIRS):
        out = (data.r == one) | (data.r == two)
        yield Split(RATIO_PAIR, float(one), out, f"r = {one:g} and {two:g}")


def _largest_tokens(data: FitData) -> Iterator[Split]:
    least = float(np.quantile(data.D, 1 - LARGEST_SHARE, method="lower"))
    out = least * (1 - _SAME) <= data.D
    if not out.all():
        yield Split(LARGEST_D, least, out, f"D >= {format_quantity(least)}", _beyond(data.D, out))


def _token_segments(data: FitData) -> Iterator[Split]:
    # Equal parts of the distinct values. For checkpoints at equal distances, as in the paper, these
    # are equal lengths of the axis; for budgets in geometric steps equal lengths would be empty.
    counts = np.unique(data.D)
    if len(counts) < SEGMENTS:
        return
    for part in np.array_split(counts, SEGMENTS):
        out = np.isin(data.D, part)
        span = f"D {format_quantity(float(part[0]))} to {format_quantity(float(part[-1]))}"
        yield Split(D_SEGMENT, float(part[0]), out, span, _beyond(data.D, out))


def _each_domain(data: FitData) -> Iterator[Split]:
    codes = data.extra.get("domain")
    known = np.unique(codes) if codes is not None else np.empty(0)
    if codes is None or len(known) < LEAST_DOMAINS[DOMAIN_ALONE]:
        return
    for code in known:
        yield Split(DOMAIN_ALONE, float(code), codes == code, f"domain {code:g}")


def _domain_pairs(data: FitData) -> Iterator[Split]:
    codes = data.extra.get("domain")
    if codes is None:
        return
    known = np.unique(codes)
    if len(known) < LEAST_DOMAINS[DOMAIN_PAIR]:
        return
    for one, two in _thin(list(combinations(known, 2)), MOST_PAIRS):
        out = (codes == one) | (codes == two)
        yield Split(DOMAIN_PAIR, float(one), out, f"domains {one:g} and {two:g}")


def _top_compute(data: FitData) -> Iterator[Split]:
    compute = data.N * data.D
    levels, counts = np.unique(compute, return_counts=True)
    if len(levels) < 2:
        return
    above = np.cumsum(counts[::-1])
    kept = max(int((above <= COMPUTE_SHARE * len(data)).sum()), 1)
    least = float(levels[-kept])
    out = compute >= least * (1 - _SAME)
    yield Split(TOP_COMPUTE, least, out, f"N x D >= {format_quantity(least)}", _beyond(compute, out))


SPLITS: MappingProxyType[str, Callable[[FitData], Iterator[Split]]] = MappingProxyType(
    {
        LARGEST_N: _largest_size,
        RATIO: _inner_ratios,
        LARGEST_D: _largest_tokens,
        SIZE: _each_size,
        D_SEGMENT: _token_segments,
        RATIO_PAIR: _ratio_pairs,
        DOMAIN_ALONE: _each_domain,
        DOMAIN_PAIR: _domain_pairs,
        TOP_COMPUTE: _top_compute,
    }
)
"""Name of a hold-out to the function that makes its splits."""

DEFAULT = (LARGEST_N, RATIO, LARGEST_D)
"""Hold-outs of an ordinary fit: a handful of refits."""


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Names of hold-outs, each once.

    Raises
    ------
    ConfigError
        When there is none or one is unknown.
    """
    if isinstance(kinds, str) or not kinds:
        raise ConfigError(f"hold-outs: got {kinds!r}; wanted a sequence of names such as {DEFAULT!r}.")
    for kind in kinds:
        if kind not in SPLITS:
            close = difflib.get_close_matches(str(kind), SPLITS, n=1, cutoff=0.5)
            raise ConfigError(
                f"hold-out {kind!r} is unknown; known are {', '.join(SPLITS)}.",
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
    return tuple(dict.fromkeys(kinds))


def make_splits(data: FitData, kinds: Sequence[str] = DEFAULT) -> tuple[Split, ...]:
    """Splits of the named kinds, in their order; none of a kind that the data do not allow.

    Parameters
    ----------
    data : FitData
        Rows to split.
    kinds : sequence of str
        Keys of `SPLITS`.

    Returns
    -------
    tuple of Split
        Each leaves out at least one row and keeps at least one.

    Raises
    ------
    ConfigError
        When a kind is unknown.
    """
    return tuple(split for kind in check_kinds(kinds) for split in SPLITS[kind](data))


def _ratios(data: FitData) -> Array:
    return np.unique(data.r[np.isfinite(data.r)])


def _thin(pairs: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    if len(pairs) <= most:
        return pairs
    return [pairs[int(index)] for index in np.linspace(0, len(pairs) - 1, most)]
