"""Numbers printed in papers, recomputed with the laws and the functions beside them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from dcpt.fit import fit_critical_ratio
from dcpt.laws import Law, get_law, linear, nonlinear
from dcpt.laws.allocation import compute_optimal
from dcpt.laws.asymptotes import data_efficiency
from dcpt.laws.critical_ratio import TOKENS_PER_T, ratio_after
from dcpt.laws.data_constrained import effective_tokens, from_chinchilla
from dcpt.laws.dcpt_law import at_share
from dcpt.laws.flops_per_token import flops_per_token
from dcpt.laws.injection import effective_size_factor
from dcpt.laws.replay_factor import factor_formula


def loss_of(name, values, **inputs):
    law = get_law(name)
    return law.evaluate([values[parameter] for parameter in law.names], inputs)


def fitted(name, inputs, loss, start):
    """Least squares from one start; the law's parameters and the residuals."""
    law = get_law(name)
    answer = least_squares(
        lambda theta: law.evaluate(theta, inputs) - loss,
        start,
        jac=lambda theta: law.jacobian(theta, inputs),
        bounds=(law.lower, law.upper),
        x_scale="jac",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=20000,
    )
    return dict(zip(law.names, answer.x, strict=True)), answer.fun


# -- Que et al. 2024, arXiv:2406.01375 --------------------------------------------------------------


def test_dcpt_usage_3_in_closed_form():
    # a = .6252, b = .3748, G = 4.1282 in billions, C = 5e19: 15.54B parameters, 0.536B tokens. The exponents'
    # sum is not printed and does not matter.
    total, s = 0.6, 0.5
    alpha, beta = 0.3748 * total, 0.6252 * total
    values = dict(E=1.0, B=1.0, C=0.3, alpha=alpha, nu=1.2, beta=beta, eps=0.1, gamma=0.4)
    values["A"] = 4.1282**total * beta * s**1.2 / alpha
    best = compute_optimal(at_share(values, s), 5e19, unit_N=1e9, unit_D=1e9)
    assert (best.a, best.b, best.G) == pytest.approx((0.6252, 0.3748, 4.1282))
    assert pytest.approx(15.54e9, rel=3e-4) == best.N
    assert pytest.approx(0.536e9, rel=1e-3) == best.D
    assert pytest.approx(5e19) == 6 * best.N * best.D


# -- Gu et al. 2024, arXiv:2407.17467 ---------------------------------------------------------------

# Table 5 (a4, s4, b3), and the ratios at 25, 50, 100 and 250 units of T computed from it; at T = 100 the
# paper prints 29.8, 34.9, 41.4 and 47.8 %.
CRITICAL = {
    "460M": ((0.22524761, 0.26944345, -0.48139982), (0.0548, 0.1649, 0.2976, 0.5158)),
    "940M": ((0.7520627, 0.13720245, -1.06581937), (0.1038, 0.2205, 0.3489, 0.5384)),
    "1.6B": ((-2.36384831, -0.15125569, 1.59223649), (0.1395, 0.2841, 0.4143, 0.5668)),
    "3.1B": ((-2.5368197, -0.42071423, 0.84375368), (0.1889, 0.3545, 0.4783, 0.5952)),
}


@pytest.mark.parametrize("model", CRITICAL)
def test_critical_ratios_of_the_paper(model):
    coefficients, ratios = CRITICAL[model]
    tokens = np.array([5e9, 10e9, 20e9, 50e9])
    np.testing.assert_allclose(ratio_after(tokens / TOKENS_PER_T, *coefficients), ratios, atol=6e-5)


def test_critical_ratio_coefficients_are_the_shared_ones(shared):
    import pandas as pd

    frame = pd.read_csv(shared / "losses" / "published_cpt_tables" / "cmr2024_table5_cmr_law.csv")
    for row in frame.itertuples():
        assert CRITICAL[row.model][0] == pytest.approx((row.a4, row.s4, row.b3))
        at_100 = 100 * ratio_after(100.0, row.a4, row.s4, row.b3)
        assert at_100 == pytest.approx(row.published_cmr_pct_at_T100, abs=0.06)


def test_the_law_of_critical_ratios_is_refitted_on_both_branches(shared):
    # Eq. 8 at five lengths from 5B to 50B tokens, as (D, R) pairs, gives the coefficients of Table 5 back: a
    # and s positive for the two smaller models, both negative for the larger ones.
    import pandas as pd

    frame = pd.read_csv(shared / "losses" / "published_cpt_tables" / "cmr2024_table5_cmr_law.csv")
    tokens = np.array([5e9, 10e9, 15e9, 30e9, 50e9])
    signs = set()
    for row in frame.itertuples():
        law = fit_critical_ratio(tokens, row.a4 * (tokens / TOKENS_PER_T) ** row.s4 + row.b3)
        assert (law.a, law.s, law.b) == pytest.approx((row.a4, row.s4, row.b3), rel=1e-4)
        assert 100 * float(law.at(20e9)) == pytest.approx(row.published_cmr_pct_at_T100, abs=0.06)
        signs.add(np.sign(law.a))
    assert signs == {-1.0, 1.0}


def test_the_ratio_law_predicts_table_2(shared):
    # Fitted on R = 3/4, 1/2, 1/3 it predicts R = 1/4 within .05 %, with R = 1 as well within .008 %: both
    # times with a < 0 and k > 0, the branch with a positive exponent.
    import pandas as pd

    frame = pd.read_csv(
        shared / "losses" / "published_cpt_tables" / "cmr2024_table2_domain_loss_vs_ratio.csv"
    )
    predicted, exponents = {}, {}
    for model, rows in frame[frame["kind"] == "measured"].groupby("model"):
        r, loss = rows["domain_ratio"].to_numpy(), rows["domain_loss"].to_numpy()
        inner = (r < 0.8) & (r > 0.3)
        found, miss = fitted("cmr-ratio", {"r": r[inner]}, loss[inner], [loss[0] + 0.6, -0.6, 0.3])
        assert np.abs(miss).max() < 1e-7
        assert found["a"] < 0
        assert 0.117 < found["k"] < 0.181
        predicted[model] = float(loss_of("cmr-ratio", found, r=0.25)[0])
        assert predicted[model] == pytest.approx(loss[r == 0.25][0], rel=5e-4)
        whole, _ = fitted("cmr-ratio", {"r": r[r > 0.3]}, loss[r > 0.3], [loss[0] + 0.6, -0.6, 0.3])
        assert float(loss_of("cmr-ratio", whole, r=0.25)[0]) == pytest.approx(loss[r == 0.25][0], rel=8.5e-5)
        exponents[model] = whole["k"]
    want = {"460M": 1.5567, "940M": 1.4540, "1.6B": 1.3995, "3.1B": 1.3310}
    assert predicted == pytest.approx(want, abs=6e-5)
    assert exponents == pytest.approx({"460M": 0.178, "940M": 0.179, "1.6B": 0.198, "3.1B": 0.163}, abs=3e-3)


# -- Breaking Language Barriers, arXiv:2407.02118, Table 2a ------------------------------------------

SCRATCH = dict(E=1.55, A=420.0, B=719.5, alpha=0.40, beta=0.30)
CONTINUAL = dict(E=1.55, A=420.0, B=433.3, alpha=0.40, beta=0.20, gamma=0.08)


@pytest.mark.parametrize(
    ("values", "a", "b", "size", "tokens"),
    [(SCRATCH, 0.429, 0.571, 0.324, 0.514), (CONTINUAL, 0.385, 0.615, 4.79, 0.035)],
)
def test_cross_lingual_allocation(values, a, b, size, tokens):
    best = compute_optimal(values, 6e20)
    assert (best.a, best.b) == pytest.approx((a, b), abs=5e-4)
    # Printed as N = size * C**a in FLOPs, with exponents rounded to three digits.
    assert best.N / 6e20**best.a == pytest.approx(size, rel=2e-3)
    assert best.D / 6e20**best.b == pytest.approx(tokens, rel=2e-2)


def test_cross_lingual_models_are_larger_up_to_4e26_flops():
    scratch, continual = (compute_optimal(values, 4e26) for values in (SCRATCH, CONTINUAL))
    assert pytest.approx(scratch.N, rel=0.06) == continual.N
    assert compute_optimal(CONTINUAL, 1e24).N > compute_optimal(SCRATCH, 1e24).N


def test_printed_cross_lingual_coefficients_are_too_round_for_losses():
    # N = 1.4B after 1B, 10B, 100B tokens: the rounded continual law crosses the scratch law.
    D = np.array([1e9, 1e10, 1e11])
    continual = loss_of("cross-lingual", CONTINUAL, N=1.4e9, D=D)
    np.testing.assert_allclose(continual, [2.916, 2.446, 2.149], atol=6e-4)
    np.testing.assert_allclose(loss_of("chinchilla", SCRATCH, N=1.4e9, D=D), [3.078, 2.362, 2.003], atol=6e-4)


# -- Muennighoff et al. 2023, arXiv:2305.16264, coefficients of the authors' code --------------------


def test_data_constrained_losses_of_the_authors_code():
    chinchilla = dict(E=np.exp(0.6254804), A=np.exp(6.255414), B=np.exp(7.3049974))
    chinchilla |= dict(alpha=0.3526596, beta=0.3526596)
    values = from_chinchilla(chinchilla)
    assert np.exp(values["g"]) == pytest.approx(0.2258, abs=5e-5)
    losses = loss_of("data-constrained", values, N=[6.34e9, 8.67e9], D=[242e9, 178e9], U=25e9)
    # The optimum of the two: fewer parameters, more epochs.
    np.testing.assert_allclose(losses, [2.2256440889984477, 2.2269634075087867], rtol=1e-7)


def test_effective_tokens_by_epochs():
    worth = effective_tokens(np.array([1, 2, 4, 8, 16, 40, 1e9]), 1.0)
    np.testing.assert_allclose(worth, [1, 1.968, 3.726, 6.624, 10.582, 15.167, 16.388], atol=6e-4)


# -- Kim et al. 2025, arXiv:2509.14786 --------------------------------------------------------------


def test_regularised_sizes_at_200m_tokens():
    # L(N) = 0.05/N^1.02 + 3.431, N in billions.
    values = dict(E=3.431, A=0.05, alpha=1.02)
    found = loss_of("size-asymptote", values, N=np.array([0.15, 0.3, 0.6, 1.4]))
    np.testing.assert_allclose(found, [3.777, 3.602, 3.515, 3.466], atol=1e-3)


def test_equal_exponents_give_one_data_efficiency():
    # 5.17 times the tokens at exponent .235 is a factor of 5.17**.235 between the amplitudes.
    baseline, recipe = dict(E=1.9, A=5.17**0.235, alpha=0.235), dict(E=1.9, A=1.0, alpha=0.235)
    assert data_efficiency(baseline, recipe, 0.2) == pytest.approx(5.17)


# -- arXiv:2508.01908, Tables 2 and 4, columns AVG ---------------------------------------------------

SIZES = np.array([99e6, 560e6, 1.1e9, 5.7e9])
RETAINED = {
    (0.0, False): ([3.23, 2.90, 2.50, 1.47], (180.6, 0.1938)),
    (0.25, False): ([2.86, 2.40, 2.29, 1.08], (397.3, 0.2341)),
    (0.5, False): ([2.65, 2.29, 2.08, 0.97], (498.8, 0.2435)),
    (0.0, True): ([2.95, 2.78, 2.37, 1.33], (177.6, 0.1962)),
    (0.25, True): ([2.80, 2.35, 2.18, 0.91], (853.1, 0.2709)),
    (0.5, True): ([2.47, 2.24, 1.99, 0.86], (624.1, 0.2560)),
}
LEARNED = {
    (0.0, False): ([2.80, 2.53, 2.20, 1.37], (108.4, 0.1762)),
    (0.25, False): ([2.52, 2.15, 2.14, 1.00], (265.4, 0.2205)),
    (0.5, False): ([2.44, 2.06, 2.00, 0.87], (497.0, 0.2470)),
    (0.0, True): ([2.63, 2.42, 2.23, 1.20], (139.9, 0.1902)),
    (0.25, True): ([2.46, 2.06, 2.09, 0.80], (700.6, 0.2670)),
    (0.5, True): ([2.20, 1.68, 1.79, 0.76], (475.2, 0.2510)),
}


def in_flops(losses, replay):
    """Amplitude and exponent of L = p F**-q, least squares in the logarithms."""
    slope, level = np.polyfit(np.log(flops_per_token(SIZES, replay)), np.log(losses), 1)
    return float(np.exp(level)), -float(slope)


@pytest.mark.parametrize("table", [RETAINED, LEARNED])
def test_losses_are_inverse_powers_of_flops_per_token(table):
    for (replay, _), (losses, (p, q)) in table.items():
        assert in_flops(losses, replay) == (pytest.approx(p, rel=1e-3), pytest.approx(q, abs=1e-4))


def test_a_quarter_of_replay_beats_size_and_a_half_adds_nothing():
    at = {}
    for replay in (0.0, 0.25, 0.5):
        p, q = in_flops(RETAINED[replay, False][0], replay)
        budget = np.array([6e9, 4e10])  # FLOPs per new token: F = 6N/r, so N = F r/6
        at[replay] = loss_of("flops-per-token", {"A": p, "q": q}, N=budget * (1 - replay) / 6, r=1 - replay)
    np.testing.assert_allclose(at[0.0], [2.301, 1.593], atol=1e-3)
    np.testing.assert_allclose(at[0.25], [2.041, 1.309], atol=1e-3)
    np.testing.assert_allclose(at[0.5], [2.077, 1.308], atol=1e-3)


# -- Replay factors ---------------------------------------------------------------------------------


def test_saturating_factor_and_the_sign_of_eq_8():
    # arXiv:2505.07796, 106M: old loss B = .276, a2 = 3.238; shift at r = 1, .67, .5, .33. The new loss's
    # printed factor with B = -.526, a2 = 5.696 gives -156 nats at r = 1; mended, -.524.
    r = np.array([1.0, 0.67, 0.5, 0.33])
    shift = loss_of("replay-saturating", {"B": 0.276, "a": 3.238}, s=1 - r, L0=0.0)
    np.testing.assert_allclose(shift, [0.265, 0.244, 0.221, 0.181], atol=6e-4)
    printed = {"B": linear(-1.0, 1.0, "scale"), "a": nonlinear(0.0, 9.0, "rate")}
    printed |= {"name": "printed", "formula": f"B*({factor_formula('growing', 'domain')})"}
    far = type("Printed", (Law,), printed)().evaluate([-0.526, 5.696], {"s": 1.0})
    np.testing.assert_allclose(far, [-156], atol=0.6)
    mended = loss_of("replay-domain", {"B": 0.526, "a": 5.696}, s=1.0, L0=0.0)
    np.testing.assert_allclose(mended, [-0.524], atol=1e-3)


def test_forgetting_is_a_shifted_power_or_a_logarithm_of_replay(shared):
    # Ibrahim et al. 2024, arXiv:2403.08763: old loss after continual pre-training against replay, 405M. RMSE
    # in nats of the shifted power and logarithm. The exponentials miss the steep first hundredths: no rate of
    # either comes within four times the logarithm's error.
    import pandas as pd

    frame = pd.read_csv(shared / "losses" / "published_cpt_tables" / "ibrahim2024_replay_lr.csv")
    frame = frame[(frame["sweep"] == "replay_pct") & (frame["model"] == "405M")]
    want = {
        "Pile->German (strong)": dict(power=0.0017, log=0.0086),
        "Pile->SlimPajama (weak)": dict(power=0.0055, log=0.0055),
    }
    starts = {
        "power": ([2.0, 0.1, 0.01, 0.3], [-20.0, 22.0, 1e-5, 2e-3]),
        "log": ([2.0, 0.2, 0.01], [2.0, 0.02, 1e-5]),
        "growing": ([1.0, 20.0], [1.0, 90.0]),
        "saturating": ([1.0, 1.0], [1.0, 10.0]),
    }
    for setting, rmse in want.items():
        rows = frame[frame["setting"] == setting]
        inputs = {"s": rows["value"].astype(float).to_numpy() / 100}
        inputs["L0"] = rows["old_loss_before_cpt"].to_numpy()
        found = {}
        loss = rows["old_domain_loss_pile"].to_numpy()
        for factor, several in starts.items():
            misses = [fitted(f"replay-{factor}", inputs, loss, start)[1] for start in several]
            found[factor] = float(np.sqrt(min(np.mean(miss**2) for miss in misses)))
        assert {factor: found[factor] for factor in rmse} == pytest.approx(rmse, abs=6e-5), setting
        assert min(found["growing"], found["saturating"]) > 4 * rmse["log"]


# -- Bethune et al. 2025, arXiv:2502.06042 ----------------------------------------------------------


def test_one_percent_of_injection_acts_like_a_much_larger_model():
    # B near 1e4 (mathematics) and 829 (Wikipedia): 101 and 9.3 times the size.
    assert effective_size_factor(0.01, 1e4) == pytest.approx(101)
    assert effective_size_factor(0.01, 829) == pytest.approx(9.29)
    values = dict(A=0.3, alpha=0.5, beta=0.4, kappa=829.0)
    one = loss_of("injection-forgetting", values, L0=3.0, N=1.0, D=1.0 / 0.99, s=0.01)
    two = loss_of("injection-forgetting", values, L0=3.0, N=9.29, D=1.0, s=0.0)
    np.testing.assert_allclose(one, two, rtol=1e-12)
