"""Mixtures with a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.mixture_table import MixtureTable

CORPORA = ("web", "law", "code", "news")


def make_table(truth, runs=40, noise=0.0, seed=0, corpora=CORPORA, targets=None, **sizes):
    """Runs on Dirichlet mixtures; `truth` maps shares (n, p) to losses (n, k)."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.full(len(corpora), 0.7), runs)
    losses = np.asarray(truth(shares))
    losses = losses + noise * generator.standard_normal(losses.shape)
    names = targets or tuple(f"t{number}" for number in range(losses.shape[1]))
    index = tuple(str(number) for number in range(runs))
    return MixtureTable(corpora, names, shares, losses, index, **sizes)


def curved(shares):
    """Two losses that no law with a fixed form here follows: shares act together."""
    together = shares[:, 0] + 0.5 * shares[:, 1]
    first = 2.5 + 0.8 / (1 + 6 * np.sqrt(together))
    second = 3.0 - 0.6 * np.cbrt(shares[:, 2]) * (1 - shares[:, 3])
    return np.stack([first, second], axis=1)


def exponential(shares):
    """Two exponential mixing laws."""
    slopes = np.array([[-1.5, 0.3, 0.1, 0.6], [0.5, -2.0, 0.2, 0.4]])
    return np.array([1.8, 2.2]) + np.array([0.9, 0.7]) * np.exp(shares @ slopes.T)


@pytest.fixture(scope="session")
def smooth_table() -> MixtureTable:
    return make_table(curved, runs=48, noise=0.003)
