"""Folds over mixtures: runs of one mixture are left out together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import FitError
from dcpt.core.mixture_table import MixtureTable

Integers = NDArray[np.int64]


def mixture_folds(table: MixtureTable, count: int, seed: int = 0) -> Integers:
    """Fold of each run, shape (n,): mixtures are dealt out at random, one fold each.

    Parameters
    ----------
    count : int
        Folds; never more than there are mixtures.

    Raises
    ------
    FitError
        When there are fewer than two mixtures.
    """
    mixtures = table.mixtures
    several = int(mixtures.max()) + 1
    if several < 2:
        raise FitError(f"{table.where}: all {len(table)} runs are of one mixture; wanted at least two.")
    order = np.random.default_rng(seed).permutation(several)
    fold = np.empty(several, dtype=np.int64)
    fold[order] = np.arange(several) % min(count, several)
    return fold[mixtures]
