"""Laws of loss curves: each passes the conformance class; limits and kernels are what they say."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from dcpt.core.annealing import momentum_area, rate_drops
from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError
from dcpt.laws.curves import CurveLaw, get_curve_law, list_curve_laws
from dcpt.laws.curves.conformance import CurveLawConformance
from dcpt.laws.curves.functional import Functional
from dcpt.laws.curves.kernel import KernelLaw
from dcpt.laws.curves.momentum import Momentum, momentum_gain
from dcpt.laws.curves.multi_power import MultiPower
from dcpt.laws.curves.power_kernel import (
    IntrinsicExponential,
    IntrinsicPower,
    power_gain,
    power_gains,
)
from dcpt.laws.curves.rate_power import RatePower
from dcpt.laws.curves.two_memory import TwoMemory
from dcpt.laws.parameter import nonlinear


class TestMomentum(CurveLawConformance):
    law = Momentum()


class TestTwoMemory(CurveLawConformance):
    law = TwoMemory().with_warmup("skip")


class TestIntrinsicExponential(CurveLawConformance):
    law = IntrinsicExponential()


class TestIntrinsicPower(CurveLawConformance):
    law = IntrinsicPower().with_warmup("peak")


class TestMultiPower(CurveLawConformance):
    law = MultiPower()


class TestFunctional(CurveLawConformance):
    law = Functional()


class TestRatePower(CurveLawConformance):
    law = RatePower()


def schedule(steps=3000, warmup=200, seed=0):
    """A warm-up, then a decay in uneven pieces down to 0."""
    rng = np.random.default_rng(seed)
    fall = np.concatenate([np.zeros(steps // 2), rng.uniform(0, 1, steps - warmup - steps // 2)])
    after = 1e-3 * (1 - np.cumsum(fall) / fall.sum())
    return RateHistory.of(np.concatenate([np.linspace(0, 1e-3, warmup), after]), warmup=warmup)


def test_thinned_falls_give_what_all_of_them_give():
    history = schedule()
    steps = np.arange(250, 3001, 25)
    laws = [law.with_warmup("skip") for law in list_curve_laws() if isinstance(law, KernelLaw)]
    assert len(laws) >= 7
    for law in laws:
        whole, psi = _with_bins(law, 10**6), dict(law.starts[0])
        expected = whole.columns(whole.part(history, steps), psi)[1]
        found = law.columns(law.part(history, steps), psi)[1]
        # Bins are up to some steps wide here: a memory of five steps feels it most.
        assert (np.abs(found - expected) <= 5e-4 * np.abs(expected).max(axis=0)).all(), law.name


def _with_bins(law, bins):
    other = copy.copy(law)
    other.bins = bins
    return other


def test_momentum_gain_is_the_annealing_area():
    history = schedule()
    steps = np.arange(300, 3001, 300)
    law = _with_bins(Momentum(), 10**6)
    for tau in (5.0, 400.0):
        column = law.columns(law.part(history, steps), {"alpha": 0.5, "tau": tau})[1][:, 2]
        area = momentum_area(rate_drops(history), float(np.exp(-1 / tau)))
        assert -column == pytest.approx(area[steps - 1], rel=1e-9)
    assert momentum_gain(np.array([1.0, 2.0]), -1 / np.log(0.5)) == pytest.approx([1.0, 1.5])


def test_power_gain_is_regular_where_the_power_is_a_logarithm():
    y = np.array([0.0, 0.3, 5.0])
    assert power_gain(y, 0.0) == pytest.approx(y)
    for beta in (1e-9, 1e-7, 1e-5, 1e-3, 0.5):
        assert power_gain(y, beta) == pytest.approx((1 - np.exp(-beta * y)) / beta, rel=1e-5)
        step = 1e-4 * max(beta, 1e-2)
        numeric = (power_gain(y, beta + step) - power_gain(y, max(beta - step, 0))) / (step + min(step, beta))
        assert power_gains(y, beta)[1] == pytest.approx(numeric, rel=2e-2, abs=1e-9)


def test_multi_power_is_the_published_form():
    """Luo et al. 2025: B * sum d * (1 - (1 + C * eta**-gamma * S)**-beta), summed one by one."""
    history = schedule(400, 40)
    law = _with_bins(MultiPower(), 10**6)
    B, C, beta, gamma = 300.0, 2.0, 0.6, 0.6
    values = dict(L0=2.0, A=0.5, alpha=0.5, K=B * beta, C=C * 1e-3**-gamma, beta=beta, gamma=gamma)
    t, rates = 380, history.rates
    expected = 2.0 + 0.5 * history.S1[t - 1] ** -0.5
    for k in range(41, t + 1):
        clock = C * max(rates[k - 1], 1e-7) ** -gamma * rates[k - 1 : t].sum()
        expected -= B * (rates[k - 2] - rates[k - 1]) * (1 - (1 + clock) ** -beta)
    part = law.part(history, np.array([t]))
    found = law.columns(part, values)[1] @ np.array([values[name] for name in law.linear_names])
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert law.derived(values) == pytest.approx({"B": B, "C_paper": C})


def test_rate_power_with_power_one_is_the_power_of_the_forward_area():
    history = schedule()
    steps = np.arange(300, 3001, 300)
    plain, powered = IntrinsicPower().with_warmup("skip"), RatePower()
    psi = {"alpha": 0.5, "C": 40.0, "beta": 0.4}
    one = plain.columns(plain.part(history, steps), psi)[1]
    other = powered.columns(powered.part(history, steps), {**psi, "p": 1.0})[1]
    assert other[:, 2] == pytest.approx(one[:, 2] / 1e-3, rel=1e-3)


def test_warm_up_policies_move_the_level_and_have_names():
    history = schedule()
    steps = np.array([3000])
    psi = {"alpha": 0.5, "C": 40.0, "beta": 0.4}
    gains = {}
    for policy in ("skip", "signed", "peak"):
        law = get_curve_law(f"intrinsic-power+{policy}")
        assert law.warmup == policy
        gains[policy] = -law.columns(law.part(history, steps), psi)[1][0, 2]
    # The warm-up rises by as much as the decay falls, and long ago: its negative gain is nearly the whole.
    assert gains["signed"] < 0 < gains["skip"]
    assert get_curve_law("intrinsic-power+signed") == get_curve_law("intrinsic-power")
    with pytest.raises(ConfigError, match="did you mean 'momentum'"):
        get_curve_law("momentun")


def test_a_law_without_linear_parameters_is_refused():
    with pytest.raises(ConfigError, match="no linear parameter"):

        class Bent(CurveLaw):
            name, formula = "bent", "x"
            x = nonlinear(0, 1, "x")
