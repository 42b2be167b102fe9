"""Intervals of predictors: wide enough where few runs chose the predictor, as wide as said elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures import AdditiveRidge, ProcessPredictor, choose
from dcpt.fit.mixtures.calibrate import held_coverage, stretch_of


def world(seed: int, runs: int):
    """Every target has a best mixture of its own; 256 more runs to be predicted."""
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.ones(4), runs + 256)
    best = np.random.default_rng(1000 + seed).dirichlet(np.ones(4), 2)
    gaps = ((np.sqrt(shares)[:, None] - np.sqrt(best)) ** 2).sum(axis=2)
    losses = 2 + 0.8 * gaps + 0.3 * np.exp(-6 * shares[:, :2]) + 0.01 * draw.standard_normal(gaps.shape)
    whole = MixtureTable(tuple("abcd"), ("x", "y"), shares, losses, tuple(map(str, range(len(shares)))))
    return whole.rows(range(runs)), whole.rows(range(runs, runs + 256))


def test_intervals_of_few_runs_hold_new_ones() -> None:
    """Twelve runs, four worlds: 0.75 of new runs before the rank and the t factor, the worst 0.65."""
    held = []
    for seed in range(4):
        train, test = world(seed, 12)
        fit = choose(train, 0, [ProcessPredictor(), AdditiveRidge("log"), AdditiveRidge("power")])
        held.append((np.abs(fit.mean(test.shares) - test.losses) <= 1.645 * fit.sd(test.shares)).mean())
    assert np.mean(held) == pytest.approx(0.92, abs=0.06)
    assert min(held) > 0.8


def test_normal_errors_of_many_runs_are_not_stretched() -> None:
    ratios = np.abs(np.random.default_rng(0).standard_normal((4000, 2)))
    assert stretch_of(ratios) == pytest.approx(1.0, abs=0.03)
    assert stretch_of(3 * ratios) == pytest.approx(3.0, abs=0.1)
    # The fewer mixtures, the wider; repeats of one mixture do not count as more of them.
    few = [float(stretch_of(ratios[:count]).mean()) for count in (8, 40, 4000)]
    assert few[0] > few[1] > few[2]
    assert (stretch_of(ratios[:40], 8) > stretch_of(ratios[:40])).all()
    folds = np.arange(4000) % 8
    assert held_coverage(ratios, folds, np.arange(4000)) == pytest.approx(0.9, abs=0.02)


def test_a_loss_that_does_not_vary_is_named_and_not_explained() -> None:
    train, _ = world(0, 24)
    flat = np.full((24, 1), 2.5) + 1e-9 * np.arange(24)[:, None]
    table = MixtureTable(
        train.corpora, ("x", "same"), train.shares, np.hstack([train.losses[:, :1], flat]), train.index
    )
    fit = choose(table, 0, [AdditiveRidge("log")])
    assert any("say nothing about it: same" in warning for warning in fit.warnings)
    assert fit.choice.by_target[1].r2 == 0.0
    assert fit.choice.chosen.r2 == pytest.approx(fit.choice.by_target[0].r2)
