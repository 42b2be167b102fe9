"""The joint laws of size, mixture and schedule: conformance, their limits, and what they refuse."""

import numpy as np
import pytest

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.fit.loss_curves import fit_curves
from dcpt.laws.curves import get_curve_law
from dcpt.laws.curves.conformance import CurveLawConformance

GIVEN = {"N": 3e5, "s": 0.4, "L0": 3.4, "G0": 3.1}
PARAMS = {
    "joint-general": {
        **{"S": 0.2, "C": 0.15, "Q": 0.3, "p": 0.1, "g": 0.8, "h": 0.4},
        **{"v": -0.1, "eps": 0.01, "w": -0.5, "c": 0.8, "k": 0.2},
    },
    "joint-domain": {
        **{"C": 0.2, "f": 1.1, "a": 1.2, "b": -0.1, "g": -0.15, "p": 0.1, "q": 0.1},
        **{"u": 0.01, "v": 0.01, "w": -0.02, "z": 0.0, "y": -0.02, "Q": 300.0},
    },
}
SIDES = [("joint-general", "general"), ("joint-domain", "domain")]


def joined(rates, warmup=20, peak=1e-3):
    """Pre-training with a decay, and the rates after it."""
    pre = peak * np.concatenate([np.linspace(0.05, 1, 20), np.ones(100), np.linspace(1, 0.3, 60)])
    return RateHistory.of(np.concatenate([pre, rates]), len(pre), warmup=20, rewarm=warmup)


def decayed(length, peak=4e-4, share=0.2):
    steps = np.arange(1, length + 1)
    return peak * np.minimum(1.0, np.minimum(steps / 20, (length - steps) / (share * length)))


class OfJoint(CurveLawConformance):
    given = GIVEN
    falls_with_rate = False  # re-warming, and leaving the mixture, raise the loss

    def histories(self):
        return {name: joined(past.rates, 40) for name, past in super().histories().items()}

    def curves(self):
        steps = np.arange(230, 781, 10)
        return [
            Curve(name, history, steps, np.ones(len(steps)), self.given, side=self.side)
            for name, history in self.histories().items()
        ]


class TestGeneral(OfJoint):
    law = get_curve_law("joint-general")


class TestDomain(OfJoint):
    law = get_curve_law("joint-domain")
    side = "domain"


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_starts_from_the_loss_of_the_base(name, side):
    law, history = get_curve_law(name), joined(decayed(200))
    curve = Curve("run", history, [180, 181], [3.0, 3.0], GIVEN, side=side)
    at_switch, next_step = law.evaluate(PARAMS[name], [curve])
    assert at_switch == pytest.approx(GIVEN["L0"], rel=1e-6)
    assert next_step != pytest.approx(GIVEN["L0"], rel=1e-6)


@pytest.mark.parametrize("c", [0.01, 0.05, 3.0])
def test_leaving_the_mixture_costs_nothing_at_the_switch_whatever_the_floor(c):
    """The floor x**-c has no limit at x = 0 for any c > 0, so that the law is the base's loss there."""
    law = get_curve_law("joint-general")
    curve = Curve("run", joined(decayed(200)), [180], [3.0], GIVEN | {"s": 0.0})
    changed = PARAMS["joint-general"] | {"c": c, "eps": 1e-6}
    assert law.evaluate(changed, [curve])[0] == pytest.approx(GIVEN["L0"], rel=1e-6)


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_only_rates_over_those_of_the_base_count(name, side):
    """A model trained at half of all rates, as a wider one is, follows the same law."""
    law, steps = get_curve_law(name), np.arange(210, 381, 10)
    full = joined(decayed(200))
    half = RateHistory(0.5 * full.rates, full.switch, full.rising)
    one, other = (
        law.evaluate(PARAMS[name], [Curve("run", history, steps, np.ones(len(steps)), GIVEN, side=side)])
        for history in (full, half)
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_annealing_lowers_the_loss_and_rewarming_raises_it(name, side):
    law = get_curve_law(name)
    gain = [
        law.part(joined(rates), np.array([380]), GIVEN, side=side).gain[0]
        for rates in (decayed(200), decayed(200, share=1e-9), decayed(200, 1.2e-3, 1e-9))
    ]
    annealed, constant, hotter = gain
    assert annealed > constant > hotter
    assert hotter < 0


def test_replay_lowers_the_general_loss():
    law, history = get_curve_law("joint-general"), joined(decayed(200))
    losses = [
        law.evaluate(PARAMS["joint-general"], [Curve("run", history, [380], [3.0], GIVEN | {"s": share})])[0]
        for share in (0.0, 0.05, 0.2, 0.5, 1.0)
    ]
    assert (np.diff(losses) < 0).all()


def test_fit_finds_losses_of_unseen_size_share_and_schedule():
    """Noiseless curves of three sizes and shares give a fit that predicts a fourth of each."""
    law, truth = get_curve_law("joint-general"), PARAMS["joint-general"]
    steps = np.arange(210, 381, 17)

    def curve(N, share, rates):
        given = GIVEN | {"N": N, "s": share, "L0": 3.4 - 0.2 * np.log(N / 3e5)}
        blank = Curve(
            f"{N:g}-{share}-{rates[50]:g}-{rates[-3]:g}", joined(rates), steps, np.ones(len(steps)), given
        )
        return Curve(blank.name, blank.history, steps, law.evaluate(truth, [blank]), given)

    shapes = (decayed(200), decayed(200, share=1e-9), decayed(200, 8e-4))
    curves = [
        curve(N, share, rates) for N in (1e5, 2e5, 4e5) for share in (0.1, 0.5, 0.9) for rates in shapes
    ]
    fit = fit_curves(law, curves)
    unseen = curve(8e5, 0.25, decayed(200, 6e-4, 0.5))
    assert fit.score.mape < 1e-6
    np.testing.assert_allclose(fit.mean(unseen), unseen.loss, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": [100, 300]}, "pre-training"),
        ({"side": "domain"}, "domain"),
        ({"given": GIVEN | {"s_late": 0.1, "late": 300.0}}, "mixture that changes"),
        ({"given": {"N": 3e5, "s": 0.4}}, "L0"),
    ],
)
def test_refuses_what_it_does_not_describe(change, said):
    history = joined(decayed(200))
    asked = {"steps": [300], "side": "general", "given": GIVEN} | change
    with pytest.raises(ConfigError, match=said):
        get_curve_law("joint-general").part(
            history, np.array(asked["steps"]), asked["given"], side=asked["side"]
        )
