"""The paired interval: exact on known cases, and it covers as often as it says."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.fit.paired import MOST_UNITS, paired_difference, paired_differences


def few_runs(rng):
    runs = np.repeat(np.arange(5), 4)
    return rng.normal(size=5)[runs] + 0.3 * rng.normal(size=20), runs, None


def nested(rng):
    splits, runs = np.repeat(np.arange(4), 12), np.repeat(np.arange(16), 3)
    return 0.5 * rng.normal(size=4)[splits] + rng.normal(size=16)[runs], runs, splits


def pairs(rng):
    rows = [
        (i, 4 * ratio + n)
        for i, pair in enumerate(combinations(range(5), 2))
        for ratio in pair
        for n in range(4)
    ]
    splits, runs = np.array(rows).T
    return 0.5 * rng.normal(size=10)[splits] + rng.normal(size=20)[runs], runs, splits


@pytest.mark.parametrize("design", [few_runs, nested, pairs])
def test_a_90_percent_interval_holds_the_truth_about_as_often(design):
    # Differences of mean 0 that share their run and their split; of 300, 90 % would be 270 and three
    # standard deviations below 254. Splits and runs that are both resampled may cover more.
    rng = np.random.default_rng(7)
    inside = 0
    for seed in range(300):
        difference, runs, splits = design(rng)
        found = paired_difference(difference + 9, np.full(len(runs), 9.0), runs, splits, draws=300, seed=seed)
        inside += found.tie
    assert inside >= 254


def test_rows_that_share_a_run_are_not_many_observations():
    rng = np.random.default_rng(0)
    runs = np.repeat(np.arange(6), 50)
    one = 1.0 + 0.1 * rng.normal(size=6)[runs]
    by_run = paired_difference(one, np.ones(300), runs)
    by_row = paired_difference(one, np.ones(300), np.arange(300))
    assert by_run.hi - by_run.lo > 5 * (by_row.hi - by_row.lo)
    assert by_run.units == 6


def test_splits_and_kinds_count_alike_whatever_their_rows():
    one = np.array([1.0, 1, 1, 1, 4, 10])
    splits = np.array([0, 0, 0, 0, 1, 2])
    kinds = np.array([0, 0, 0, 0, 0, 1])
    found = paired_difference(one, np.zeros(6), np.arange(6), splits, kinds)
    assert found.difference == pytest.approx(((1 + 4) / 2 + 10) / 2)


def test_signs_seeds_and_order():
    rng = np.random.default_rng(1)
    errors, runs = rng.random((3, 40)), np.repeat(np.arange(8), 5)
    one = paired_difference(errors[0], errors[1], runs)
    two = paired_difference(errors[1], errors[0], runs)
    assert one.difference == pytest.approx(-two.difference)
    assert one.lo == pytest.approx(-two.hi)
    assert one.difference == pytest.approx(errors[0].mean() - errors[1].mean())
    assert paired_difference(errors[0], errors[1], runs) == one
    many = paired_differences(errors, 1, runs)
    assert many[0] == one
    assert len(many) == 2


def test_the_same_model_ties_and_one_run_says_nothing():
    error = np.linspace(0.1, 0.2, 12)
    same = paired_difference(error, error, np.repeat(np.arange(3), 4))
    assert (same.difference, same.lo, same.hi, same.tie) == (0.0, 0.0, 0.0, True)
    alone = paired_difference(error, 2 * error, np.zeros(12))
    assert alone.tie
    assert np.isinf([alone.lo, alone.hi]).all()


def test_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(ConfigError, match="as many labels as rows"):
        paired_difference([1.0, 2.0], [1.0, 2.0], [0])
    with pytest.raises(ConfigError, match="level is 90"):
        paired_difference([1.0], [1.0], [0], level=90)


def test_a_hundred_thousand_runs_are_as_many_observations():
    rng = np.random.default_rng(0)
    one = 1 + rng.standard_normal(100_000)
    found = paired_difference(one, np.zeros(100_000), np.arange(100_000))
    wanted = 1.645 * one.std() / np.sqrt(100_000)
    assert found.hi - found.difference == pytest.approx(wanted, rel=0.08)
    assert found.units == MOST_UNITS
