"""Fits of curves: they recover what made the losses, say what they do not know, and survive a file."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.fit.loss_curves import CurveAverage, CurveFit, choose_law, fit_curves
from dcpt.fit.loss_curves.choose import _kept
from dcpt.fit.loss_curves.curve_fit import UNSEEN
from dcpt.fit.loss_curves.folds import Fold, folds_of
from dcpt.fit.loss_curves.guards import groups_of
from dcpt.fit.loss_curves.resample import curve_weights
from dcpt.laws.curves import get_curve_law, list_curve_laws
from dcpt.laws.curves.kernel import KernelLaw

PEAK, STEPS, WARMUP = 5e-4, 4000, 200

TRUTH = {
    "momentum": dict(L0=2.8, A=0.5, alpha=0.5, C=0.6, tau=400.0),
    "two-memory": dict(L0=2.7, A=0.5, alpha=0.5, C1=2.0, C2=0.1, tau=60.0, stretch=20.0),
    "intrinsic-exponential": dict(L0=2.8, A=0.5, alpha=0.5, B=300.0, c=20.0),
    "intrinsic-power": dict(L0=2.7, A=0.5, alpha=0.5, K=150.0, C=80.0, beta=0.4),
    "multi-power": dict(L0=2.8, A=0.5, alpha=0.5, K=100.0, C=60.0, beta=0.4, gamma=0.5),
    "functional": dict(L0=2.8, A=0.5, alpha=0.5, K=100.0, K1=40.0, C=60.0, beta=0.4),
    "rate-power": dict(L0=2.8, A=0.5, alpha=0.5, K=0.15, C=80.0, beta=0.4, p=0.8),
}


def history(shape, steps=STEPS, peak=PEAK, warmup=WARMUP):
    after = np.arange(steps - warmup) / (steps - warmup)
    shapes = {
        "constant": np.ones_like(after),
        "cosine": 0.1 + 0.45 * (1 + np.cos(np.pi * after)),
        "step": np.where(after < 0.4, 1.0, 0.3),
        "linear": np.minimum(1.0, (1 - after) / 0.3),
        "tail": np.clip((0.8 - after) / 0.3, 0.0, 1.0),
    }
    return RateHistory.of(peak * np.concatenate([np.linspace(0, 1, warmup), shapes[shape]]), warmup=warmup)


def curve_of(law, params, shape, noise=0.0, seed=0, **options):
    place = history(shape, **options)
    steps = np.arange(400, len(place) + 1, 40)
    law = get_curve_law(law)
    loss = law.evaluate(params, [Curve("x", place, steps, np.ones(len(steps)))])
    scatter = np.random.default_rng([seed, len(shape)]).normal(0, noise, len(steps)) if noise else 0.0
    return Curve(shape, place, steps, loss * np.exp(scatter))


def training(name, noise=0.0, seed=0):
    return [curve_of(name, TRUTH[name], shape, noise, seed) for shape in ("constant", "cosine", "step")]


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_noiseless_losses_are_recovered(name):
    fit = fit_curves(name, training(name))
    assert fit.score.mae < 2e-6
    unseen = curve_of(name, TRUTH[name], "linear")
    assert np.abs(fit.mean(unseen) - unseen.loss).max() < 2e-4
    if name not in (
        "functional",
        "two-memory",
        "rate-power",
        "multi-power",
    ):  # there, only predictions are determined
        assert fit.params == pytest.approx(TRUTH[name], rel=2e-2)


def test_every_kernel_law_has_a_truth_here():
    assert {law.name for law in list_curve_laws() if isinstance(law, KernelLaw)} == set(TRUTH)


def test_noise_of_a_thousandth_leaves_unseen_schedules_right():
    for seed in range(3):
        fit = fit_curves("momentum", training("momentum", 1e-3, seed))
        unseen = curve_of("momentum", TRUTH["momentum"], "linear")
        assert np.abs(fit.mean(unseen) - unseen.loss).mean() < 1e-3
        assert fit.residual_sigma == pytest.approx(1e-3, rel=0.25)


def test_outliers_hardly_move_the_fit():
    curves = training("momentum", 3e-4)
    loss = curves[0].loss.copy()
    loss[::10] *= 1.05
    dirty = [Curve("constant", curves[0].history, curves[0].steps, loss), *curves[1:]]
    unseen = curve_of("momentum", TRUTH["momentum"], "linear")
    fit = fit_curves("momentum", dirty)
    assert np.abs(fit.mean(unseen) - unseen.loss).mean() < 1.5e-3


def test_intervals_hold_what_is_fitted_and_grow_with_the_left_out_error():
    fit = fit_curves("momentum", training("momentum", 1e-3), bootstrap=30, holdout=True)
    assert fit.draws.shape == (30, 5)
    assert fit.draws_converged == 1.0
    unseen = curve_of("momentum", TRUTH["momentum"], "linear")
    frame = fit.predict(unseen)
    inside = (frame["mean_lo"] <= unseen.loss) & (unseen.loss <= frame["mean_hi"])
    assert inside.mean() > 0.9
    assert (frame["obs_hi"] > frame["mean_hi"]).all()
    assert fit.held_out > 0
    assert (frame["mean_hi"] / frame["mean"] - 1 > 1.6 * fit.held_out).all()
    # Where nothing was left out a usual error on unseen schedules stands in.
    bare = fit_curves("momentum", training("momentum", 1e-3)).predict(unseen)
    assert (bare["mean_hi"] / bare["mean"]).to_numpy() == pytest.approx(np.exp(1.645 * UNSEEN), rel=1e-5)
    assert not frame["extrapolates"].any()
    assert fit.predict(history("constant", 9000)).extrapolates.tolist() == [True]


def test_fixed_parameters_and_weights():
    curves = training("momentum", 1e-3)
    fit = fit_curves("momentum", curves, fixed={"tau": 1000.0, "C": 0.3})
    assert (fit.params["tau"], fit.params["C"]) == (1000.0, 0.3)
    ignored = [np.ones(len(curves[0])), np.ones(len(curves[1])), np.zeros(len(curves[2]))]
    assert dict(fit_curves("momentum", curves, weights=ignored).params) == pytest.approx(
        dict(fit_curves("momentum", curves[:2]).params), rel=1e-3
    )
    for options, message in (
        ({"fixed": {"lambda": 1.0}}, "'lambda' is unknown"),
        ({"fixed": {"tau": -1.0}}, "tau is fixed at -1"),
        ({"delta": 0.0}, "delta is 0"),
        ({"bootstrap": -1}, "bootstrap is -1"),
        ({"weights": [np.ones(3)]}, "weights do not match"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit_curves("momentum", curves, **options)


def test_unusable_curves_are_refused():
    curves = training("momentum")
    with pytest.raises(DataError, match="no curves"):
        fit_curves("momentum", [])
    with pytest.raises(DataError, match="there twice"):
        fit_curves("momentum", [curves[0], curves[0]])
    other = Curve(
        "other", curves[0].history, curves[0].steps, curves[0].loss, eval_set="domain", side="domain"
    )
    with pytest.raises(DataError, match="2 evaluation sets"):
        fit_curves("momentum", [*curves, other])
    with pytest.raises(FitError, match="4 losses for the 5"):
        fit_curves("momentum", [curves[1].take(np.arange(4))])


def kinds(items):
    return {item.kind for item in items}


def test_what_the_curves_cannot_tell_is_said():
    constant, cosine, step = training("momentum", 1e-3)
    assert "no_decay" in kinds(fit_curves("momentum", [constant]).warnings)
    assert "one_schedule" in kinds(fit_curves("momentum", [cosine]).warnings)
    # A shorter piece of the same rates is no second schedule.
    piece = Curve("piece", cosine.history.up_to(2000), cosine.steps[:20], cosine.loss[:20] * 1.0001)
    assert "one_schedule" in kinds(fit_curves("momentum", [cosine, piece]).warnings)
    assert not kinds(fit_curves("momentum", [constant, cosine, step]).warnings) & {
        *("no_decay", "one_schedule", "peaks_differ", "rate_rises", "shared_prefix")
    }
    high = curve_of("momentum", TRUTH["momentum"], "linear", peak=2 * PEAK)
    assert "peaks_differ" in kinds(fit_curves("momentum", [constant, cosine, high]).warnings)
    rising = RateHistory(
        np.concatenate([history("cosine").rates, np.full(400, PEAK)]),
        rising=np.r_[np.ones(WARMUP, bool), np.zeros(STEPS - WARMUP + 400, bool)],
    )
    bent = Curve("bent", rising, cosine.steps, cosine.loss * 1.001)
    assert "rate_rises" not in kinds(
        fit_curves("momentum", [constant, bent]).warnings
    )  # not among what was seen
    later = Curve("bent", rising, cosine.steps + 400, cosine.loss)
    assert "rate_rises" in kinds(fit_curves("momentum", [constant, later]).warnings)


def test_branches_of_one_run_are_seen_and_count_as_one():
    constant, cosine, step = training("momentum", 1e-3)
    shared = step.steps <= 1000
    branch = Curve(
        "branch", step.history, step.steps, np.where(shared, constant.loss[: len(step)], step.loss)
    )
    found = fit_curves("momentum", [constant, cosine, branch])
    (said,) = [item.message for item in found.warnings if item.kind == "shared_prefix"]
    assert said.startswith("constant and branch")
    assert groups_of([constant, cosine, branch]) == ["constant", "cosine", "constant"]
    many = [
        Curve(f"c{index}", cosine.history, cosine.steps, cosine.loss * (1 + index / 1e4))
        for index in range(6)
    ]
    weights = curve_weights(many, 8, seed=1)
    per_curve = weights.reshape(8, 6, -1)
    assert (per_curve == per_curve[:, :, :1]).all()
    assert per_curve[:, :, 0].sum(axis=1) == pytest.approx(np.full(8, 6.0))


def test_doubts_about_predictions():
    fit = fit_curves("momentum", training("momentum", 1e-3))
    assert not fit.doubts(history("linear"))
    assert kinds(fit.doubts(history("constant", 20000))) == {"horizon"}
    assert kinds(fit.doubts(history("linear", peak=2 * PEAK))) == {"other_peak"}
    assert kinds(fit.doubts(history("tail"))) == {"zero_rate_tail"}
    power = fit_curves("intrinsic-power", training("intrinsic-power", 1e-3))
    assert not fit_kinds(power, "tail")


def fit_kinds(fit, shape):
    return kinds(fit.doubts(history(shape)))


def test_the_logarithmic_limit_is_regular_and_flagged():
    truth = {**TRUTH["intrinsic-power"], "beta": 0.0, "K": 60.0}
    curves = [curve_of("intrinsic-power", truth, shape, 3e-4) for shape in ("constant", "cosine", "step")]
    fit = fit_curves("intrinsic-power", curves, bootstrap=20)
    assert fit.params["beta"] < 0.1
    assert fit.params["K"] == pytest.approx(60.0, rel=0.3)
    assert "log_limit" in kinds(fit.warnings)
    firm = fit_curves("intrinsic-power", training("intrinsic-power"))
    assert "log_limit" not in kinds(firm.warnings)


def test_a_fit_survives_a_file():
    fit = fit_curves("rate-power", training("rate-power", 1e-3), bootstrap=5)
    read = CurveFit.from_json(json.loads(json.dumps(fit.to_json())))
    place = history("linear")
    steps = np.arange(500, 4001, 500)
    assert (read.mean(place, steps) == fit.mean(place, steps)).all()
    assert (read.draw_means(place, steps) == fit.draw_means(place, steps)).all()
    assert (read.warnings, read.ranges, read.params) == (fit.warnings, fit.ranges, fit.params)
    for change, message in (
        ({"schema_version": 2}, "schema_version is 2"),
        ({"law_hash": "0"}, "was fitted with"),
        ({"law": "nothing"}, "unknown"),
        ({"params": {"L0": 1.0}}, "missing"),
        ({"score": {"mae": 1}}, "is not a fit of curves"),
    ):
        with pytest.raises(DataError, match=message):
            CurveFit.from_json({**fit.to_json(), **change}, "file.json")
    short = fit.to_json()
    del short["ranges"]
    with pytest.raises(DataError, match="field 'ranges'"):
        CurveFit.from_json(short)


def test_predictions_check_their_steps():
    fit = fit_curves("momentum", training("momentum"))
    for steps in ([], [0], [4001]):
        with pytest.raises(ConfigError, match="within the history's 4000 steps"):
            fit.mean(history("linear"), steps)
    with pytest.raises(ConfigError, match="do not ascend"):
        fit.mean(history("linear"), [300, 200])
    # Long predictions are taken in pieces; each step's loss is the same alone.
    steps = np.arange(1, 1201)
    whole = fit.mean(history("linear"), steps)
    assert fit.mean(history("linear"), [1100])[0] == pytest.approx(whole[1099], abs=2e-6)


def test_the_law_is_chosen_inside_the_curves():
    curves = training("momentum", 5e-4)
    choice = choose_law(curves, ("momentum", "intrinsic-power+skip"), averages=True)
    assert choice.folds == ("constant", "cosine", "step")
    assert choice.table["error"].is_monotonic_increasing
    alone = choice.table.set_index("name")["error"]
    assert alone["momentum"] < alone["intrinsic-power+skip"]
    assert set(alone.index) == {"momentum", "intrinsic-power+skip", "momentum & intrinsic-power+skip"}
    assert choice.best.name in (choice.table["name"][0], *choice.ties)
    with pytest.raises(ConfigError, match="different laws"):
        choose_law(curves, ("momentum", "momentum"))


def test_a_law_expected_to_be_the_best_is_given_up_only_beyond_chance():
    """Where another law is the truth every fold says so; in noise of half a per cent none does."""
    laws = ("intrinsic-power+skip", "momentum")
    for noise, taken in ((1e-4, "momentum"), (5e-3, laws[0])):
        curves = training("momentum", noise)
        choice = choose_law(curves, laws, expected=True)
        assert choice.best.name == taken
        assert choice.table["name"][0] == choose_law(curves, laws).best.name == "momentum"


@pytest.mark.parametrize(("first", "taken"), [(0.0, "a"), (1e-15, "a"), (1e-3, "b")])
def test_folds_without_error_are_no_logarithm_of_nothing(first, taken):
    folds = tuple(Fold(name, np.ones(1, bool)) for name in "xyz")
    table = pd.DataFrame({"name": ["b", "a"], **{name: [0.0, first] for name in "xyz"}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _kept(table, "a", folds) == taken


def test_a_law_that_the_curves_lack_something_for_is_left_out_of_the_choice():
    curves = training("momentum", 5e-4)
    choice = choose_law(curves, ("cpt-dynamics", "momentum", "intrinsic-power"), averages=False)
    assert set(choice.table["name"]) == {"momentum", "intrinsic-power"}
    assert "switch is 0" in choice.refused["cpt-dynamics"]
    assert choose_law(curves[:1], ("cpt-dynamics", "momentum")).best.name == "momentum"
    with pytest.raises(ConfigError, match="none of cpt-dynamics"):
        choose_law(curves, ("cpt-dynamics",))


def test_the_threshold_is_the_laws_own():
    curves = training("momentum", 5e-4)
    assert fit_curves("momentum", curves).delta == get_curve_law("momentum").delta == 1e-3
    assert fit_curves("momentum", curves, delta=1e-2).delta == 1e-2
    assert {get_curve_law(f"joint-{side}").delta for side in ("general", "domain")} == {1e-2}


def test_parameters_that_are_not_told_apart_are_named():
    """One fall in one step has one worth: the power of the rates and its factor are one number."""
    constant, cosine, step = training("rate-power", 1e-3)

    def said(*curves):
        fit = fit_curves("rate-power", curves)
        return [item.parameters for item in fit.warnings if item.kind == "not_told_apart"]

    assert said(constant, step) == [("K", "p")]
    assert said(constant) == [("C", "p")]
    assert said(constant, cosine, step) == []


def test_the_peak_of_continual_pre_training_is_what_counts():
    """A base at a high rate does not hide that runs from it have different ones."""
    base, law = np.full(500, 3e-3), get_curve_law("cpt-dynamics")
    truth = dict(L0=3.0, A=0.4, alpha=0.5, C1=0.3, C2=0.3, K=0.07, E=28.0, beta=0.2)

    def run(peak, name):
        rates = np.concatenate([base, peak * np.linspace(1, 0.1, 400)])
        made = RateHistory.of(rates, switch=500)
        steps = np.arange(20, 901, 20)
        there = Curve(name, made, steps, np.ones(len(steps)))
        return Curve(name, made, steps, law.evaluate(truth, [there]))

    one, other = run(5e-4, "low"), run(2e-3, "high")
    (said,) = [item for item in fit_curves(law, [one, other]).warnings if item.kind == "peaks_differ"]
    assert "of continual pre-training differ between the curves (0.0005 to 0.002)" in said.message
    fit = fit_curves(law, [one])
    assert fit.ranges["cpt_peak"] == pytest.approx((5e-4, 5e-4))
    assert "peaks_differ" not in kinds(fit.warnings)
    assert "other_peak" not in kinds(fit.doubts(one))
    assert "other_peak" in kinds(fit.doubts(other))


def test_folds_keep_what_branches_share_and_need_a_decay():
    constant, cosine, step = training("momentum", 1e-3)
    shared = step.steps <= 1000
    branch = Curve(
        "branch", step.history, step.steps, np.where(shared, constant.loss[: len(step)], step.loss)
    )
    folds = {fold.name: fold for fold in folds_of([constant, cosine, branch])}
    assert folds["branch"].out.sum() == (~shared).sum()
    assert {fold.name for fold in folds_of([constant, cosine])} == {"after 50 %", "after 70 %"}
    late = curve_of("momentum", TRUTH["momentum"], "linear")
    assert {fold.name for fold in folds_of([constant, late])} == set()
    unable = choose_law([constant, late], ("momentum", "rate-power"))
    assert (unable.best.name, unable.ties, unable.folds) == ("momentum", ("rate-power",), ())


def test_many_curves_are_left_out_some_at_a_time():
    """Every loss that is a curve's own is left out once, and in few refits."""
    shapes = ("constant", "cosine", "step", "linear")
    curves = [
        curve_of("momentum", TRUTH["momentum"], shape, 1e-3, seed) for seed in range(8) for shape in shapes
    ]
    curves = [dataclasses.replace(c, name=f"{c.name}{i}", group="") for i, c in enumerate(curves)]
    folds = folds_of(curves)
    assert len(folds) == 20
    assert (sum(fold.out.astype(int) for fold in folds) == 1).all()
    assert folds[0].name == "constant0 and 1 more"
    assert folds[-1].name == "linear19"


def test_an_average_lies_between_its_fits():
    curves = training("momentum", 1e-3)
    fits = tuple(fit_curves(law, curves, bootstrap=5) for law in ("momentum", "intrinsic-power"))
    average, place = CurveAverage(fits), history("linear")
    steps = [2000, 4000]
    one, two = (fit.predict(place, steps) for fit in fits)
    both = average.predict(place, steps)
    assert both["mean"].to_numpy() == pytest.approx((one["mean"] + two["mean"]) / 2)
    assert (both["mean_hi"] == np.maximum(one["mean_hi"], two["mean_hi"])).all()
    assert average.name == "momentum & intrinsic-power"
    with pytest.raises(ConfigError, match="different curves"):
        CurveAverage((fits[0], fit_curves("momentum", curves[:2])))


def test_losses_of_the_warm_up_are_left_out():
    curves = training("momentum", 5e-4)
    first = np.arange(1, 201, 20)
    steps, loss = np.r_[first, curves[0].steps], np.r_[np.linspace(11, 6, len(first)), curves[0].loss]
    early = Curve("constant", curves[0].history, steps, loss)
    fit = fit_curves(
        "momentum",
        [early, *curves[1:]],
        weights=[np.ones(len(early)), *map(np.ones_like, (c.loss for c in curves[1:]))],
    )
    assert fit.params == fit_curves("momentum", curves).params
    assert [item.message for item in fit.warnings] == ["10 losses measured during the warm-up are left out."]
    assert choose_law([early, *curves[1:]], ("momentum",)).best.params == pytest.approx(dict(fit.params))
    with pytest.raises(DataError, match="all 10 losses were measured during the warm-up of 200 steps"):
        fit_curves("momentum", [early.take(np.arange(10)), *curves[1:]])


def test_a_beginning_off_the_law_is_named():
    constant, cosine, step = training("momentum", 3e-4)
    loss = constant.loss.copy()
    loss[:5] *= np.exp(0.1 * np.exp(-np.arange(5) / 2))
    bent = Curve("bent", constant.history, constant.steps - 150, loss)
    assert "early_losses" in kinds(fit_curves("momentum", [bent, cosine, step]).warnings)
    assert "early_losses" not in kinds(fit_curves("momentum", [constant, cosine, step]).warnings)
