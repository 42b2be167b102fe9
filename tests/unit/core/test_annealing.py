"""Histories of rates and their sums: the recursion, what a warm-up counts as, and what thinning keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.annealing import (
    annealing_area,
    annealing_momentum,
    compress,
    laid_rates,
    momentum_area,
    rate_drops,
    weighted_area,
)
from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError, DataError


@given(st.integers(0, 400), st.floats(0, 1), st.integers(0, 5))
def test_momentum_is_the_recursion(steps, memory, seed):
    falls = np.random.default_rng(seed).normal(size=steps)
    held, expected = 0.0, []
    for fall in falls:
        held = memory * held + fall
        expected.append(held)
    assert annealing_momentum(falls, memory) == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def two_phases():
    """Pre-training with a warm-up of 3, then CPT with one of 2 and a decay."""
    return RateHistory.of([1, 2, 3, 3, 2, 1, 1.5, 2.5, 2.0, 0.5], switch=6, warmup=3, rewarm=2)


def test_falls_of_a_history_with_two_warm_ups():
    history = two_phases()
    assert rate_drops(history).tolist() == [0, 0, 0, 0, 1, 1, -0.5, -1, 0.5, 1.5]
    assert rate_drops(history, "signed").tolist() == [-1, -1, -1, 0, 1, 1, -0.5, -1, 0.5, 1.5]
    assert rate_drops(history, "skip", "skip").tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0.5, 1.5]
    assert (rate_drops(history, "peak") == rate_drops(history)).all()
    assert laid_rates(history, "peak").tolist() == [3, 3, 3, 3, 2, 1, 1.5, 2.5, 2.0, 0.5]
    assert annealing_area(history.rates, 0.5, 3)[-1] == pytest.approx(
        momentum_area(rate_drops(history), 0.5)[-1]
    )
    with pytest.raises(ConfigError, match="warm-up policy"):
        rate_drops(history, "none")


def test_warm_ups_are_found():
    found = RateHistory.of(two_phases().rates, switch=6)
    assert (found.front, found.rising.tolist()) == (3, two_phases().rising.tolist())
    assert RateHistory.of([2.0, 2.0, 1.0]).front == 0
    # Some trainers begin at rate 0, some reach the peak one step behind the warm-up.
    late = RateHistory.of([0.0, 1.0, 2.0, 3.0, 3.0], warmup=3)
    assert rate_drops(late).tolist() == [0, 0, 0, 0, 0]


def test_zero_rates_add_nothing_to_the_weighted_area():
    history = RateHistory.of([1.0, 0.5, 0.0, 0.0, 0.0])
    drops = rate_drops(history)
    assert np.diff(momentum_area(drops, 0.9))[-1] > 0
    assert np.diff(weighted_area(history.rates, drops, 0.9, 0.1))[-3:].tolist() == [0, 0, 0]


@given(st.integers(0, 9), st.integers(5, 40), st.booleans())
def test_thinning_keeps_mass_and_order(seed, bins, marked):
    rng = np.random.default_rng(seed)
    rates = np.abs(np.cumsum(rng.normal(size=300))) + 0.1
    history = RateHistory.of(rates, warmup=0)
    drops, marks = rate_drops(history), np.array([50, 120, 299]) if marked else None
    sources = compress(drops, rates, history.S1, bins, marks)
    falls = sources.mass > 0
    assert falls.sum() <= bins
    assert (~falls).sum() <= bins
    assert sources.mass[falls].sum() == pytest.approx(drops[drops > 0].sum())
    assert sources.mass[~falls].sum() == pytest.approx(drops[drops < 0].sum())
    assert (np.diff(sources.step[falls]) > 0).all()
    if marked:  # no bin reaches across a mark
        for mark in marks:
            before = drops[:mark][drops[:mark] > 0].sum()
            assert sources.mass[falls & (sources.step <= mark)].sum() == pytest.approx(before)


def test_falls_in_steps_are_kept_as_they_are():
    rates = np.repeat([1.0, 0.4, 0.1], 100)
    sources = compress(rate_drops(RateHistory.of(rates)), rates, np.cumsum(rates), bins=4)
    assert sources.step.tolist() == [101, 201]
    assert sources.mass == pytest.approx([0.6, 0.3])
    assert sources.area == pytest.approx([100.0, 140.0])
    assert sources.high == pytest.approx([1.0, 0.4])
    assert sources.low == pytest.approx([0.4, 0.1])


def test_logged_rates_are_filled_in():
    steps, rates = np.arange(10, 101, 10), np.r_[np.full(5, 1.0), np.full(5, 0.3)]
    history = RateHistory.logged(steps, rates, warmup=5)
    assert len(history) == 100
    assert history.rates[:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    # A step down between two logged steps stays one, in the middle of them.
    assert history.rates[54] == 1.0
    assert history.rates[55] == pytest.approx(0.3)
    # A rate inside the warm-up stays as it is logged, and the rise ends at the rate of its end.
    late = RateHistory.logged([100, 200, 300], [1e-4, 1e-4, 3e-4], warmup=100)
    assert (late.rates[49], late.rates[99], late.rates[-1]) == pytest.approx((49 / 99 * 1e-4, 1e-4, 3e-4))
    inside = RateHistory.logged([50, 100, 300], [1e-4, 2e-4, 1e-4], warmup=100)
    assert (inside.rates[49], inside.rates[74], inside.front) == pytest.approx((1e-4, 1.5e-4, 100))
    begun = RateHistory.logged([0, 10], [1e-4, 2e-4])
    assert (len(begun), begun.rates[0]) == (10, pytest.approx(1.1e-4))
    told = RateHistory.logged([0, 100, 200], [0.0, 1.0, 1.0], warmup=50)
    assert (told.rates[24], told.rates[49], told.rates[99]) == pytest.approx((0.5, 1.0, 1.0))
    smooth = RateHistory.logged([1, 11, 21], [1.0, 0.5, 0.0])
    assert smooth.rates[5] == pytest.approx(0.75)
    with pytest.raises(DataError, match="ascend"):
        RateHistory.logged([1, 1], [1.0, 1.0])


@pytest.mark.parametrize(
    ("rates", "options", "message"),
    [
        ([], {}, "one rate per step"),
        ([1.0, -1.0], {}, "rate of step 2"),
        ([1.0, float("nan")], {}, "rate of step 2"),
        ([0.0, 0.0], {}, "every rate is 0"),
        ([1.0, 1.0], {"switch": 2}, "switch is 2"),
    ],
)
def test_bad_histories_are_refused(rates, options, message):
    with pytest.raises(ConfigError, match=message):
        RateHistory(np.array(rates), **options)


def test_bad_curves_are_refused():
    history = RateHistory.of([1.0, 1.0, 1.0])
    for steps, loss, message in (
        ([1, 2], [1.0], "equally many"),
        ([2, 2], [1.0, 1.0], "ascend"),
        ([0, 1], [1.0, 1.0], "within the 3 steps"),
        ([1, 4], [1.0, 1.0], "within the 3 steps"),
        ([1, 2], [1.0, 0.0], "loss at step 2"),
    ):
        with pytest.raises(DataError, match=message):
            Curve("a", history, steps, loss)
    curve = Curve("a", history, [1, 3], [2.0, 1.0], {"N": 3.0})
    assert (curve.group, len(curve), curve.take(np.array([1])).steps.tolist()) == ("a", 2, [3])
    assert "2 losses" in repr(curve)


def test_means_of_losses_in_a_row():
    curve = Curve("a", RateHistory.of(np.ones(9)), np.arange(1, 9), np.exp(np.arange(8.0)), group="g")
    mean = curve.averaged(3)
    assert (mean.steps.tolist(), mean.group) == ([2, 5], "g")
    assert mean.loss == pytest.approx(np.exp([1.0, 4.0]))
    with pytest.raises(ConfigError, match="no mean of 9"):
        curve.averaged(9)
