"""Mixtures of a region to choose from: the runs, even ones, edges, and some around good ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.region import Region

Array = NDArray[np.float64]

EVEN, MOST_RUNS = 300, 300
"""Mixtures of each random kind, and the most runs taken into a pool."""

SIZES = (0.03, 0.1, 0.3)
"""Relative changes of the shares around a good mixture."""


def make_pool(region: Region, runs: Array, seed: int) -> Array:
    """Mixtures spread over a region.

    Parameters
    ----------
    region : Region
        The region.
    runs : ndarray, shape (n, p)
        Mixtures that were trained; those outside are pulled in.
    seed : int
        Of the random ones.

    Returns
    -------
    ndarray, shape (q, p)
        The centre first.
    """
    draw = np.random.default_rng([seed, 11])
    width = len(region.corpora)
    seen = runs if len(runs) <= MOST_RUNS else runs[np.sort(draw.permutation(len(runs))[:MOST_RUNS])]
    mean = runs.mean(axis=0) + 1e-3
    spread = [
        draw.dirichlet(np.ones(width), EVEN),
        draw.dirichlet(np.full(width, 0.3), EVEN),
        draw.dirichlet(np.maximum(mean / mean.sum() * width * 0.5, 1e-3), EVEN),
    ]
    unit = np.eye(width)
    corners = [share * unit + (1 - share) * (mean / mean.sum()) for share in (1.0, 0.9, 0.6)]
    return region.pull(np.vstack([region.centre[None], seen, *spread, *corners]))


def around(region: Region, good: Array, count: int, seed: int) -> Array:
    """Mixtures near good ones of shape (m, p), `count` for each, inside the region.

    Half multiply every share by a random factor, so that small shares take small steps; a quarter move
    tokens between two corpora, and a quarter lie between two of the good ones.
    """
    draw = np.random.default_rng([seed, 13])
    near = np.repeat(good, count, axis=0)
    total, width = near.shape
    kind = np.arange(total) % 4
    factor = np.exp(draw.choice(SIZES, size=(total, 1)) * draw.standard_normal(near.shape))
    scaled = (near + 2e-4) * factor
    scaled /= scaled.sum(axis=1, keepdims=True)
    moved = near.copy()
    rows = np.arange(total)
    giver, taker = draw.integers(width, size=total), draw.integers(width, size=total)
    amount = near[rows, giver] * draw.choice([0.1, 0.3, 1.0], size=total)
    moved[rows, giver] -= amount
    moved[rows, taker] += amount
    other = good[draw.integers(len(good), size=total)]
    between = near + draw.uniform(0, 1, size=(total, 1)) * (other - near)
    made = np.where((kind < 2)[:, None], scaled, np.where((kind == 2)[:, None], moved, between))
    return region.pull(made)
