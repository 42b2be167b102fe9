"""How far an answer lies from the runs it was read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.mixtures.mixture_fit import BEYOND

Array = NDArray[np.float64]

USUAL = 0.95
"""Quantile of the runs' distances to their nearest neighbours that still counts as usual."""

_MOST = 1500


@dataclass(frozen=True)
class Reach:
    """Distances as shares of tokens that differ (half the sum of absolute differences of shares).

    Attributes
    ----------
    nearest : float
        To the nearest run.
    usual : float
        95 % of the runs lie nearer than this to another run.
    beyond : tuple of str
        Corpora whose share lies beyond those of every run.
    """

    nearest: float
    usual: float
    beyond: tuple[str, ...]


def find_reach(answer: Array, runs: Array, corpora: tuple[str, ...]) -> Reach:
    """Distances of a mixture, shape (p,), from runs of shape (n, p)."""
    some = np.unique(runs[:_MOST].round(6), axis=0)
    gaps = [np.sort(0.5 * np.abs(some - row).sum(axis=1))[1] for row in some] if len(some) > 1 else [0.0]
    low, high = runs.min(axis=0) - BEYOND, runs.max(axis=0) + BEYOND
    out = (answer < low) | (answer > high)
    return Reach(
        nearest=float(0.5 * np.abs(runs - answer).sum(axis=1).min()),
        usual=float(np.quantile(gaps, USUAL)),
        beyond=tuple(name for name, wrong in zip(corpora, out, strict=True) if wrong),
    )
