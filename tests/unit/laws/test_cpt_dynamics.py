"""The laws of continual pre-training dynamics: what they state, and that fits find their parameters."""

import numpy as np
import pytest

from dcpt.core.annealing import annealing_area
from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.fit.loss_curves import fit_curves
from dcpt.laws.curves import get_curve_law
from dcpt.laws.curves.cpt_dynamics import DEFAULT_LAWS
from dcpt.laws.curves.dynamics_terms import shift_share
from dcpt.laws.curves.fall_kernel import fall_kernel
from dcpt.laws.curves.replay_shift import FACTORS, replay_factor
from dcpt.laws.formula import read_formula, to_sympy

# Wang et al. 2025 (arXiv:2505.07796), Fig. 3; K = B beta.
GENERAL = dict(L0=3.057, A=0.490, alpha=0.497, C1=0.299, C2=0.298, K=0.366 * 0.189, E=28.0, beta=0.189)
DOMAIN = dict(L0=3.024, A=0.412, alpha=0.677, C1=0.278, C2=0.324, K=0.666 * 0.146, E=5662.0, beta=0.146)
PEAK = 2e-4

WSD = (Schedule("wsd", PEAK, 4000, 100, 800), Schedule("wsd", PEAK, 2000, 50, 600))
COSINE = (Schedule("cosine", PEAK, 4000, 100, floor=0.1), Schedule("cosine", PEAK, 2000, 50, warmup_from=0.1))
FLAT = (Schedule("constant", PEAK, 4000, 100), Schedule("constant", PEAK, 2000))


def history(pair):
    both = JoinedSchedule(*pair)
    return RateHistory(both.rates(), both.switch, both.rising)


def curve(pair, side="general", given=None, first=400, every=100, name=""):
    past = history(pair)
    steps = np.arange(first, len(past) + 1, every)
    return Curve(name or repr(pair), past, steps, np.ones(len(steps)), given or {}, side=side)


def measured(law, truth, pairs, side="general", givens=({},), **keywords):
    curves = [
        curve(pair, side, given, name=f"{number}-{index}", **keywords)
        for number, pair in enumerate(pairs)
        for index, given in enumerate(givens)
    ]
    losses = [law.evaluate(truth, [item]) for item in curves]
    return [
        Curve(item.name, item.history, item.steps, loss, item.given, side=side)
        for item, loss in zip(curves, losses, strict=True)
    ]


def test_is_equation_4_term_by_term():
    law, past = get_curve_law("cpt-dynamics"), history(WSD)
    steps = np.array([3000, 4000, 4001, 4050, 5500, 6000])
    S1 = np.cumsum(past.rates)
    S1cpt = np.maximum(S1 - S1[3999], 0.0)
    drops = np.append(0.0, -np.diff(past.rates))
    drops[:101] = 0.0  # the first warm-up is no annealing; the re-warm-up is, with a minus
    before, after = drops.copy(), drops.copy()
    before[4000:], after[:4000] = 0.0, 0.0
    S2 = [annealing_area(1.0 - np.cumsum(part)) for part in (before, after)]
    p = GENERAL
    B = p["K"] / p["beta"]
    shift = B * (1 - (1 + p["E"] * S1cpt) ** -p["beta"])
    expected = p["L0"] + p["A"] * S1 ** -p["alpha"] - p["C1"] * S2[0] - p["C2"] * S2[1] + shift
    row = Curve("row", past, steps, np.ones(6))
    np.testing.assert_allclose(law.evaluate(p, [row]), expected[steps - 1], rtol=1e-12)
    other = Curve("row", past, steps, np.ones(6), side="domain")
    np.testing.assert_allclose(law.evaluate(p, [other]), (expected - 2 * shift)[steps - 1], rtol=1e-12)
    assert law.derived(p)["B"] == pytest.approx(0.366)


def test_without_shift_it_is_the_momentum_law_of_the_joined_history():
    one, two = get_curve_law("momentum"), get_curve_law("cpt-dynamics")
    tau = -1 / np.log(0.999)
    pair = (
        WSD[0],
        Schedule("constant", PEAK, 2000),
    )  # a jump up and no re-warm-up, on either law's terms alike
    plain = dict(L0=3.0, A=0.5, alpha=0.5, C=0.3, tau=tau)
    joined = dict(L0=3.0, A=0.5, alpha=0.5, C1=0.3, C2=0.3, K=0.0, E=10.0, beta=0.2)
    rows = [curve(pair)]
    np.testing.assert_allclose(two.evaluate(joined, rows), one.evaluate(plain, rows), rtol=2e-6)


def test_a_rate_a_rounding_below_0_counts_as_0():
    psi = {"c": 100.0, "b": 0.3, "p": 0.8}
    low = np.array([-1e-20, 0.0])
    sizes = fall_kernel("rate-power").size(np.full(2, 1e-4), low, psi)
    assert sizes[0] == sizes[1] > 0


def test_the_shift_has_a_logarithm_as_its_limit():
    area = np.array([0.0, 0.1, 1.0, 10.0])
    limit = shift_share(area, {"E": 50.0, "beta": 0.0})
    np.testing.assert_allclose(limit, np.log1p(50.0 * area))
    for beta in (1e-9, 1e-6, 1e-5):
        np.testing.assert_allclose(shift_share(area, {"E": 50.0, "beta": beta}), limit, rtol=1e-4)
    published = 0.366 * (1 - (1 + 28 * area) ** -0.189)
    np.testing.assert_allclose(0.366 * 0.189 * shift_share(area, {"E": 28.0, "beta": 0.189}), published)


@pytest.mark.parametrize("name", sorted(FACTORS))
def test_replay_factors_are_their_formulas(name):
    factor = replay_factor(name)
    values = {key: start for key, (_, _, start, _) in factor.shapes.items()}
    share = np.array([0.02, 0.1, 0.5, 0.9, 1.0])
    for side, text in factor.formulas.items():
        tree = read_formula(text, "factor")
        expected = [float(to_sympy(tree, {"s": s, **values})) for s in share]
        found = factor(side, share, values)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        # More of the own side's tokens: less forgetting, more learning.
        assert (np.diff(found) * (-1 if side == "general" else 1) > 0).all()
        if side == "general":
            assert found[-1] == pytest.approx(0.0, abs=1e-12)
            if factor.finite_without_replay:
                assert factor(side, 0.0, values) == pytest.approx(1.0)


def test_the_power_of_replay_has_no_limit_without_replay():
    with pytest.raises(ConfigError, match="share of the general side is 0"):
        replay_factor("power")("general", 0.0, {"k": 0.3})
    # The default has one, and for the domain loss it rises as that for the general loss falls.
    shape = {"k": 0.3, "eps": 0.01}
    default, s = replay_factor("default"), np.array([0.0, 0.1, 1.0])
    assert default("general", 0.0, shape) == pytest.approx(1.0)
    np.testing.assert_allclose(default("domain", s, shape), 1.0 - default("general", s, shape))
    with pytest.raises(ConfigError, match="share is 1"):
        replay_factor("log")("general", 1.2, {"eps": 0.01})
    with pytest.raises(ConfigError, match="side is 'domain'"):
        replay_factor("power")("domain", 0.2, {"k": 0.3})


def test_the_history_before_the_switch_does_not_know_what_follows():
    law = get_curve_law("cpt-dynamics+replay+share-annealing")
    values = {**GENERAL, "k": 0.3, "eps": 0.01, "a1": 0.4}
    early = [curve((WSD[0], later), given={"s": s}) for later, s in ((WSD[1], 0.1), (COSINE[1], 0.9))]
    losses = [law.evaluate(values, [item.take(item.steps <= 4000)]) for item in early]
    np.testing.assert_array_equal(*losses)
    after = [law.evaluate(values, [item])[-1] for item in early]
    assert after[0] > after[1]  # less replay, higher general loss


@pytest.mark.parametrize("side", ["general", "domain"])
def test_a_mixture_that_changes_adds_up(side):
    law = get_curve_law("cpt-dynamics+replay+share-annealing+intrinsic-power")
    values = {**GENERAL, "C1": 100.0, "C2": 100.0, "c": 3000.0, "b": 0.5, "k": 0.5, "eps": 0.1, "a1": 0.3}

    def losses(**given):
        return law.evaluate(values, [curve(WSD, side, given)])

    one, other = losses(s=0.5), losses(s=0.8)
    np.testing.assert_allclose(losses(s=0.5, s_late=0.5, late=5000), one, rtol=1e-12)
    np.testing.assert_allclose(losses(s=0.5, s_late=0.8, late=4001), other, rtol=1e-12)
    changed, before = losses(s=0.5, s_late=0.8, late=5001), curve(WSD).steps <= 5000
    np.testing.assert_array_equal(changed[before], one[before])
    assert min(one[-1], other[-1]) < changed[-1] < max(one[-1], other[-1])
    with pytest.raises(ConfigError, match="needs s, s_late and late"):
        losses(s=0.5, late=5000)
    with pytest.raises(ConfigError, match="4001 to 6000"):
        losses(s=0.5, s_late=0.8, late=3000)


CASES = {
    "cpt-dynamics": ({}, [{}]),
    "cpt-dynamics+memory": ({"tau": 300.0}, [{}]),
    "cpt-dynamics+intrinsic-power": ({"C1": 100.0, "C2": 120.0, "c": 3000.0, "b": 0.4}, [{}]),
    "cpt-dynamics+rate-power": ({"C1": 0.02, "C2": 0.03, "c": 300.0, "b": 0.4, "p": 0.8}, [{}]),
    "cpt-dynamics+replay": ({"k": 0.4, "eps": 0.02}, [{"s": s} for s in (0.0, 0.1, 0.25, 0.5, 0.9)]),
    "cpt-dynamics+replay-power": ({"k": 0.4}, [{"s": s} for s in (0.1, 0.25, 0.5, 0.9)]),
    "cpt-dynamics+replay-log+share-annealing": (
        {"eps": 0.01, "a1": 0.2},
        [{"s": s} for s in (0.02, 0.3, 0.9)],
    ),
    "cpt-dynamics+share-clock": ({"m": 0.6}, [{"s": s} for s in (0.1, 0.5, 0.9)]),
    "cpt-dynamics+size": (
        {"g1": 0.235, "g2": 0.199, "F": 3.072, "g3": 0.195},
        [{"N": millions * 1e6} for millions in (106, 594, 1720)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_recovers_the_parameters(name):
    law = get_curve_law(name)
    extra, givens = CASES[name]
    truth = {**GENERAL, **extra}
    fit = fit_curves(law, measured(law, truth, (WSD, COSINE, FLAT), givens=givens, every=200))
    assert fit.status == "converged"
    for key, value in truth.items():
        assert fit.params[key] == pytest.approx(value, rel=2e-3), key


def test_slopes_are_derivatives():
    law = get_curve_law("cpt-dynamics+size+replay+share-annealing+memory")
    truth = {**GENERAL, "g1": 0.1, "g2": 0.2, "F": 1.0, "g3": 0.3, "k": 0.5, "eps": 0.1}
    truth |= {"a1": 0.3, "tau": 200.0}
    rows = law.prepare([curve(WSD, "domain", {"s": 0.3, "N": 5e6})])
    vector = np.array([truth[name] for name in law.names])
    jacobian = law.jacobian(vector, rows)
    for index in range(len(vector)):
        step = np.zeros(len(vector))
        step[index] = 1e-4 * abs(vector[index])
        numeric = (law.evaluate(vector + step, rows) - law.evaluate(vector - step, rows)) / (2 * step[index])
        np.testing.assert_allclose(jacobian[:, index], numeric, rtol=1e-5, atol=1e-8)


def test_an_unknown_base_is_an_offset_of_the_area():
    law = get_curve_law("cpt-dynamics-unknown-base")
    past = RateHistory.of(WSD[1].rates())
    steps = np.arange(100, 2001, 100)
    truth = {key: value for key, value in {**GENERAL, "S0": 0.7}.items() if key != "C1"}
    alone = Curve("alone", past, steps, np.ones(len(steps)))
    # The same run with a pre-training in front that nobody told the law of.
    joined = history(WSD)
    told = Curve("told", joined, steps + 4000, np.ones(len(steps)))
    np.testing.assert_allclose(law.evaluate(truth, [alone]), law.evaluate(truth, [told]), rtol=1e-12)
    # From a rate of 0 the whole first rate is a rise: less is gained than from a base that ended at it.
    S1 = np.cumsum(past.rates)
    S2 = annealing_area(np.append(0.0, past.rates))[1:]
    expected = truth["L0"] + truth["A"] * (S1 + 0.7) ** -truth["alpha"] - truth["C2"] * S2
    expected = expected + truth["K"] * shift_share(S1, truth)
    np.testing.assert_allclose(law.evaluate(truth, [alone]), expected[steps - 1], rtol=1e-10)
    with pytest.raises(ConfigError, match="before continual pre-training"):
        law.prepare([Curve("early", joined, np.array([3000]), np.ones(1))])


def test_refusals_say_what_is_wanted():
    with pytest.raises(ConfigError, match="option 'reply' is unknown"):
        get_curve_law("cpt-dynamics+reply")
    with pytest.raises(ConfigError, match="exclude each other"):
        get_curve_law("cpt-dynamics+memory+intrinsic-power")
    alone = Curve("alone", RateHistory.of(WSD[1].rates()), np.array([10]), np.ones(1))
    with pytest.raises(ConfigError, match="no pre-training part"):
        get_curve_law("cpt-dynamics").prepare([alone])
    with pytest.raises(ConfigError, match="does not say its s"):
        get_curve_law("cpt-dynamics+replay").prepare([curve(WSD)])
    with pytest.raises(ConfigError, match="wanted general"):
        get_curve_law("cpt-dynamics+replay-log").prepare([curve(WSD, "domain", {"s": 0.5})])


def test_the_default_laws_are_for_their_sides():
    for side, name in DEFAULT_LAWS.items():
        assert get_curve_law(name).name == name
        assert side in get_curve_law(name).sides
        assert get_curve_law(name).knows_mixture
        assert get_curve_law(name).needs == ("s",)


def test_names_are_the_same_in_any_order():
    one, other = (get_curve_law(f"cpt-dynamics+{options}") for options in ("size+replay", "replay+size"))
    assert one.name == other.name == "cpt-dynamics+size+replay"
    assert one.hash == other.hash != get_curve_law("cpt-dynamics+size").hash
    assert get_curve_law("cpt-dynamics").gains_at_zero
    assert not get_curve_law("cpt-dynamics+rate-power").gains_at_zero


def test_a_fit_of_the_domain_side_survives_its_file_and_predicts():
    law = get_curve_law("cpt-dynamics")
    curves = measured(law, DOMAIN, (WSD, COSINE, FLAT), "domain")
    fit = fit_curves(law, curves, bootstrap=4)
    again = type(fit).from_json(fit.to_json())
    np.testing.assert_array_equal(again.mean(curves[0].history, [6000]), fit.mean(curves[0].history, [6000]))
    np.testing.assert_allclose(fit.mean(curves[0]), curves[0].loss, rtol=1e-6)


def test_the_shifts_clock_runs_with_the_domain_share():
    # With m = 1 the shift depends on domain tokens alone: half the share and twice the steps are the same.
    law = get_curve_law("cpt-dynamics+share-clock")
    values = {**DOMAIN, "A": 0.0, "C1": 0.0, "C2": 0.0, "m": 1.0}
    past = history(FLAT)
    at = [
        Curve("row", past, [4000 + n], [1.0], {"s": s}, side="domain") for n, s in ((500, 0.8), (1000, 0.4))
    ]
    np.testing.assert_allclose(*(law.evaluate(values, [row]) for row in at))
    # Without domain tokens there is no shift, on either side.
    for side, share in (("domain", 0.0), ("general", 1.0)):
        none = Curve("none", past, [6000], [1.0], {"s": share}, side=side)
        assert law.evaluate({**values, "L0": 3.0}, [none])[0] == pytest.approx(3.0)
    # A mixture that changes: domain tokens add up, in whatever order.
    half = {"s": 0.2, "s_late": 0.8, "late": 5001}
    mixed = Curve("mixed", past, [6000], [1.0], half, side="domain")
    even = Curve("even", past, [6000], [1.0], {"s": 0.5}, side="domain")
    np.testing.assert_allclose(law.evaluate(values, [mixed]), law.evaluate(values, [even]), rtol=1e-12)
