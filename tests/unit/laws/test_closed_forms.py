"""Functions beside the laws: best splits, transfer, mean size, data efficiency, mixtures, replay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dcpt.core.errors import ConfigError
from dcpt.laws import Law, get_law, linear, nonlinear
from dcpt.laws.additive_mixture import published_coefficients
from dcpt.laws.allocation import compute_optimal
from dcpt.laws.asymptotes import data_efficiency
from dcpt.laws.average_size import mean_parameters
from dcpt.laws.cross_lingual import second_stage, tokens_to_reach, transferred_tokens
from dcpt.laws.flops_per_token import flops_per_token
from dcpt.laws.injection import effective_size_factor
from dcpt.laws.replay_factor import factor_formula

SCRATCH = dict(E=1.5, A=1.2, B=2.0, alpha=0.4, beta=0.3)
CONTINUAL = dict(E=1.5, A=1.2, B=1.0, alpha=0.4, beta=0.3, gamma=0.1)


@given(
    st.floats(0.1, 0.8), st.floats(0.2, 0.8), st.floats(0.0, 0.9), st.floats(0.1, 10), st.floats(1e-3, 1e6)
)
def test_the_closed_split_is_the_minimum(alpha, beta, part, ratio, budget):
    values = dict(E=1.0, A=ratio, B=1.0, alpha=alpha, beta=beta, gamma=part * beta)
    law = get_law("cross-lingual")
    best = compute_optimal(values, 6e18 * budget, unit_N=1e9, unit_D=1e9)
    assert pytest.approx(6e18 * budget) == 6 * best.N * best.D

    def loss(log_size):
        N = np.exp(log_size)
        return float(law.evaluate([values[name] for name in law.names], {"N": N, "D": budget / N})[0])

    x = np.log(best.N / 1e9)
    assert loss(x) <= min(loss(x - 0.01), loss(x + 0.01))
    found = minimize_scalar(loss, bracket=(x - 0.5, x + 0.4))
    assert found.x == pytest.approx(x, abs=1e-3)


def test_no_best_size_without_returns_on_tokens():
    with pytest.raises(ConfigError, match=r"beta = 0.1 is not above gamma = 0.2"):
        compute_optimal({**CONTINUAL, "beta": 0.1, "gamma": 0.2}, 1e20)
    with pytest.raises(ConfigError, match="'B' is missing"):
        compute_optimal({"A": 1.0}, 1e20)
    with pytest.raises(ConfigError, match="flops = 0"):
        compute_optimal(SCRATCH, 0.0)


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_transferred_tokens_are_worth_what_they_replace(N, D):
    # With E, A, alpha and beta shared: D_scratch = (B/B' N^gamma)^(1/beta) D in closed form.
    scratch, continual = get_law("chinchilla"), get_law("cross-lingual")
    got = transferred_tokens((scratch, SCRATCH), (continual, CONTINUAL), D, {"N": N})
    assert got == pytest.approx((2.0 * N**0.1) ** (1 / 0.3) * D - D, rel=1e-6)


def test_what_scratch_never_reaches_is_worth_infinitely_many_tokens():
    scratch, continual = get_law("chinchilla"), get_law("cross-lingual")
    lower = {**CONTINUAL, "E": 1.0}
    assert transferred_tokens((scratch, SCRATCH), (continual, lower), 100.0, {"N": 1.0}) == np.inf
    assert tokens_to_reach(scratch, SCRATCH, 1e6, {"N": 1.0}) == 0.0
    with pytest.raises(ConfigError, match="does not see tokens"):
        tokens_to_reach(get_law("size-asymptote"), {}, 2.0, {"N": 1.0})


def test_the_second_stage_holds_what_scratch_runs_determine():
    assert second_stage(SCRATCH) == {"E": 1.5, "A": 1.2, "alpha": 0.4}
    with pytest.raises(ConfigError, match="no 'alpha'"):
        second_stage({"E": 1.0, "A": 1.0})


def test_mean_parameters_of_schedules():
    assert mean_parameters([0, 1], [7.0, 7.0]) == 7.0
    assert mean_parameters([0, 0.5, 0.5, 1], [1.0, 1.0, 3.0, 3.0]) == 2.0  # stacked half-way
    assert mean_parameters([0, 1], [1.0, 3.0]) == 2.0
    for at, size in (([0, 0.5], [1, 1]), ([0, 0.7, 0.6, 1], [1, 1, 1, 1]), ([0, 1], [1, 0]), ([0, 1], [1])):
        with pytest.raises(ConfigError, match="mean parameters"):
            mean_parameters(at, size)


@given(st.floats(0.5, 5), st.floats(0.5, 5), st.floats(0.1, 1), st.floats(0.1, 100))
def test_data_efficiency_is_how_many_times_more_tokens_it_takes(A1, A2, alpha, D):
    baseline, recipe = dict(E=1.9, A=A1, alpha=alpha), dict(E=1.9, A=A2, alpha=alpha)
    assert data_efficiency(baseline, recipe, D) == pytest.approx((A1 / A2) ** (1 / alpha))
    law = get_law("data-asymptote")
    better = {**recipe, "E": 1.95, "alpha": 1.5 * alpha}
    gain = data_efficiency(baseline, better, D)
    losses = [
        float(law.evaluate([p[name] for name in law.names], {"D": tokens})[0])
        for p, tokens in ((baseline, gain * D), (better, D))
    ]
    assert losses[0] == pytest.approx(losses[1])
    assert data_efficiency(baseline, {**recipe, "E": 1.89 - A2 * D**-alpha}, D) == np.inf


def test_additive_coefficients_are_the_papers():
    law = get_law("additive-mixture-3")
    rng = np.random.default_rng(0)
    p = dict(zip(law.names, rng.uniform(0.2, 2.0, len(law.names)), strict=True))
    h = np.array([0.2, 0.3, 0.5])
    C = np.array(published_coefficients(p))
    powers = h ** np.array([p["g1"], p["g2"], p["g3"]])
    want = p["E"] + 1 / (C @ powers) + p["A"] / 3 ** p["alpha"] + p["B"] / 2 ** p["beta"]
    inputs = {"N": 3.0, "D": 2.0, "h1": h[0], "h2": h[1], "h3": h[2]}
    assert float(law.evaluate([p[name] for name in law.names], inputs)[0]) == pytest.approx(want)
    with pytest.raises(ConfigError, match="T = 0"):
        published_coefficients({**p, "T": 0.0})


# Of replay, the general share, for power and log; of the domain share for the others.
FACTORS = {
    "power": lambda replay: replay**-0.7 - 1,
    "log": lambda replay: -np.log(replay + 0.7),
    "growing": lambda share: np.expm1(0.7 * share),
    "saturating": lambda share: -np.expm1(-0.7 * share),
}


@pytest.mark.parametrize("factor", list(FACTORS))
@pytest.mark.parametrize("side", ["general", "domain"])
def test_factor_texts_are_the_factors(factor, side):
    if side == "domain" and factor in ("power", "log"):
        with pytest.raises(ConfigError, match="wanted one of growing, saturating"):
            factor_formula(factor, side)
        return
    text = factor_formula(factor, side)
    name = {"power": "k", "log": "eps"}.get(factor, "a")
    body = {"name": "f", "formula": f"S*({text})", "S": linear(0, 1, "s"), name: nonlinear(0.01, 9, "x")}
    law = type("Factor", (Law,), body)()
    s = np.array([0.05, 0.5, 0.9, 1.0])
    domain = s if side == "domain" else 1 - s
    value = FACTORS[factor](s if factor in ("power", "log") else domain)
    np.testing.assert_allclose(law.evaluate([1.0, 0.7], {"s": s}), value, rtol=1e-12)


def test_costs_of_replay_and_gain_of_injection():
    np.testing.assert_allclose(flops_per_token(1.0, [0.0, 0.25, 0.5]), [6.0, 8.0, 12.0])
    with pytest.raises(ConfigError, match="below 1"):
        flops_per_token(1.0, 1.0)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        effective_size_factor(5.0, 829.0)


def test_kaplans_limits_are_power_laws_in_one_input():
    # Kaplan et al. 2020: L(N, inf) = (Nc/N)**alpha and L(inf, D) = (Dc/D)**beta.
    law = get_law("kaplan")
    Nc, Dc, alpha, beta = 40.0, 90.0, 0.08, 0.1
    theta = dict(A=Nc**alpha, B=Dc / Nc ** (alpha / beta), alpha=alpha, beta=beta)
    values = [theta[name] for name in law.names]
    x = np.array([0.1, 1.0, 10.0])
    np.testing.assert_allclose(law.evaluate(values, {"N": x, "D": 1e15}), (Nc / x) ** alpha, rtol=1e-9)
    np.testing.assert_allclose(law.evaluate(values, {"N": 1e25, "D": x}), (Dc / x) ** beta, rtol=1e-9)
