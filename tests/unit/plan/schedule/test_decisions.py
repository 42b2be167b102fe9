"""Decisions about schedules: what the published coefficients say, checked against the algebra."""

from dataclasses import replace

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.schedule import Schedule
from dcpt.laws.curves import get_curve_law
from dcpt.plan.schedule.aim import Aim, price
from dcpt.plan.schedule.balance import balance
from dcpt.plan.schedule.critical import critical_area, critical_steps
from dcpt.plan.schedule.forecast import difference, final_losses, losses_at, start_losses, weighted_sum
from dcpt.plan.schedule.knobs import (
    sweep_annealing,
    sweep_peak,
    sweep_potential,
    sweep_replay,
    sweep_rewarm,
)
from dcpt.plan.schedule.setting import Setting
from dcpt.plan.schedule.turning import turning_length
from dcpt.plan.schedule.upsampling import mean_share, upsample_late

PEAK = 2e-4
PRE = Schedule("wsd", PEAK, 20000, 500, 4000)
CPT = Schedule("cosine", PEAK, 5000, 100)


def flat(steps):
    return Schedule("constant", PEAK, steps)


# -- turning length and critical point ------------------------------------------------------------------


def test_critical_area_is_where_the_gain_ahead_equals_the_shift(make_fit):
    found = critical_area(make_fit("general", draws=50))
    assert found.value == pytest.approx((0.490 / 0.366) ** (1 / 0.497))
    assert found.value == pytest.approx(1.80, abs=0.005)
    assert found.lo < found.value < found.hi
    # Endless shift: never back. No shift: always.
    assert critical_area(make_fit("general", beta=0.0)).value == 0.0
    assert critical_area(make_fit("general", K=0.0)).value == np.inf
    # Half the shift: twice as early in alpha's power.
    replay = critical_area(make_fit("general", "cpt-dynamics+replay-saturating", a=2.0), s=0.5)
    factor = (1 - np.exp(-1.0)) / (1 - np.exp(-2.0))
    assert replay.value == pytest.approx((0.490 / (0.366 * factor)) ** (1 / 0.497))


def test_critical_steps_agree_with_the_area_at_constant_rates(make_fit):
    fit = make_fit("general", draws=10)
    found = critical_steps(fit, Setting(flat(100), flat(1000)), longest=100_000, shortest=100)
    assert found.value == pytest.approx(9000, rel=0.01)
    assert found.lo < found.value < found.hi
    # An annealed base begins lower, and has to get back to less.
    annealed = Setting(Schedule("constant", PEAK, 500, 100), Schedule("wsd", PEAK, 20000, 100, 2000))
    assert critical_steps(fit, annealed, longest=100_000).value < found.value
    endless = make_fit("general", beta=0.0)
    assert critical_steps(endless, annealed, longest=100_000).value == 0.0


def test_the_loss_is_back_at_the_turning_length_and_not_before(make_fit):
    fit = make_fit("general", draws=20)
    setting = Setting(flat(100), flat(5000))
    found = turning_length(fit, setting, longest=50_000)
    assert found.lo < found.steps < found.hi
    assert found.returns == 1.0
    along = losses_at(
        fit, replace(setting, cpt=flat(found.steps + 10)), np.arange(5001, 5000 + found.steps + 10)
    )
    back = np.flatnonzero(along.mean <= found.start)
    assert back[0] + 1 == found.steps
    # After the critical point it never is.
    late = turning_length(fit, Setting(flat(100), flat(30_000)), longest=50_000)
    assert late.steps is None
    assert late.returns == 0.0


def test_a_decay_brings_the_loss_back_sooner(make_fit):
    fit = make_fit("general")
    slow = turning_length(fit, Setting(flat(100), flat(5000)), longest=50_000)
    fast = turning_length(fit, Setting(Schedule("wsd", PEAK, 1000, 0, 200), flat(5000)), longest=50_000)
    assert fast.steps < slow.steps
    assert fast.lo is None
    given = turning_length(fit, Setting(flat(100), flat(5000)), longest=50_000, start=9.0)
    assert given.steps == 0
    with pytest.raises(ConfigError, match="wanted the general one"):
        turning_length(make_fit("domain"), Setting(flat(100), flat(5000)), 1000)


# -- sweeps ----------------------------------------------------------------------------------------------


def test_final_losses_are_the_ends_of_the_curves(make_fit):
    fit = make_fit("domain", draws=5)
    settings = [Setting(CPT, PRE), Setting(flat(3000), PRE)]
    ends = final_losses(fit, settings)
    for index, setting in enumerate(settings):
        along = losses_at(fit, setting, [20000, 20000 + setting.steps])
        assert along.mean[-1] == pytest.approx(
            ends.mean[index], abs=2e-4
        )  # falls are binned between the steps
        assert along.mean[0] == pytest.approx(start_losses(fit, [setting]).mean[0])
    assert ends.draws.shape == (5, 2)
    low, high = ends.interval()
    assert (low < high).all()


def test_losses_carry_the_error_on_unseen_curves_and_differences_do_not(make_fit):
    fit = replace(make_fit("domain", draws=5), unseen=0.03)
    settings = [Setting(CPT, PRE), Setting(flat(3000), PRE)]
    ends, starts = final_losses(fit, settings), start_losses(fit, settings)
    spread = np.hypot(np.log(ends.draws).std(axis=0), 0.03)
    low, high = ends.interval(0.9)
    assert np.log(high / low) == pytest.approx(2 * 1.6448536 * spread)
    change = difference(ends, starts).interval(0.9)
    assert change[1] - change[0] == pytest.approx(
        np.ptp(np.quantile(ends.draws - starts.draws, [0.05, 0.95], axis=0), axis=0)
    )
    both = weighted_sum([ends, ends], [0.5, 0.5])
    assert both.unseen == pytest.approx(np.full(2, 0.03 / np.sqrt(2)))
    np.testing.assert_allclose(weighted_sum([ends], [1.0]).interval(), ends.interval())
    bare = final_losses(replace(fit, draws=None), settings).take(slice(1, None))
    assert np.log(bare.interval()[1] / bare.mean) == pytest.approx([1.6448536 * 0.03])


def test_annealing_helps_and_not_without_end(intrinsic):
    domain = intrinsic[1]
    found = sweep_annealing(Aim.of(domain), Setting(CPT, PRE, r=0.9))
    frame = found.frame
    assert 0.02 < found.best < 0.5
    assert found.best_lo <= found.best <= found.best_hi
    assert frame["objective"].min() == pytest.approx(found.loss)
    assert {"anneal_share", "objective_lo", "domain", "domain_change_hi"} <= set(frame)
    assert found.setting.schedule.decay == round(found.best * 5000)
    no_decay = frame.loc[frame["anneal_share"] == 0, "domain"].item()
    assert no_decay == pytest.approx(
        final_losses(domain, [Setting(Schedule("wsd", PEAK, 5000, 100), PRE, r=0.9)]).mean[0]
    )


def test_a_higher_loss_potential_learns_the_domain_better(make_fit):
    # Finding 3 of the paper, with and without re-warm-up; the same coefficients must say so.
    for warmup in (0, 100):
        setting = Setting(Schedule("cosine", PEAK, 5000, warmup), Schedule("wsd", PEAK, 20000, 500, 4000))
        found = sweep_potential(Aim.of(make_fit("domain")), setting, decay=4000)
        assert (np.diff(found.frame["domain"]) < 0).all()
        assert found.best == 1.0
        # Nothing lies beyond a base that was not annealed.
        assert "edge_of_range" not in {item.kind for item in found.caveats}


def test_another_potential_keeps_the_bases_own_decay(make_fit):
    aim = Aim.of(make_fit("domain"))
    bases = {
        Schedule("wsd", PEAK, 8000, 100, 1600, "sqrt", 0.3): Schedule(
            "wsd", PEAK, 8000, 100, 1600, "sqrt", 0.5
        ),
        Schedule("cosine", PEAK, 8000, 100, floor=0.1): Schedule("cosine", PEAK, 8000, 100, floor=0.5),
        Schedule("constant", PEAK, 8000, 100): Schedule("wsd", PEAK, 8000, 100, 1600, "linear", 0.5),
    }
    for base, annealed in bases.items():
        assert sweep_potential(aim, Setting(flat(1000), base), potentials=[0.5]).setting.pre == annealed
    geometric = Setting(flat(1000), Schedule("wsd", PEAK, 8000, 100, 1600, "geometric", 0.1))
    assert sweep_potential(aim, geometric).values[0] == 0.1
    with pytest.raises(ConfigError, match="never gets to a rate of 0"):
        sweep_potential(aim, geometric, potentials=[0.0])


def test_a_joint_law_is_planned_from_the_losses_of_its_base(fit_of):
    law = get_curve_law("joint-general")
    params = {name: law.starts[0].get(name, 0.02) for name in law.names}
    fit = fit_of(law, params, np.empty((0, len(law.names))), "general", {"L0": (3.0, 3.2)})
    setting = Setting(CPT, PRE, 0.5, 2e6, base_losses={"general": 3.1, "domain": 4.2})
    assert setting.given("domain") == {"N": 2e6, "s": 0.5, "L0": 4.2, "G0": 3.1}
    assert start_losses(fit, [setting]).mean == pytest.approx([3.1])
    replay = sweep_replay(Aim.of(fit), setting, [0.1, 0.5, 0.9])
    assert (np.diff(replay.frame["general"]) < 0).all()
    assert sweep_peak(Aim.of(fit), setting, [PEAK, 2 * PEAK]).values[0] == PEAK
    broken_fit = replace(fit, params={**params, "S": -500.0})
    kinds = {item.kind for item in sweep_replay(Aim.of(broken_fit), setting, [0.5]).caveats}
    assert "impossible_loss" in kinds
    far = sweep_replay(Aim.of(fit), replace(setting, base_losses={"general": 33.0}), [0.5])
    assert "extrapolates_base" in {item.kind for item in far.caveats}
    with pytest.raises(ConfigError, match="starts from the measured loss of the base"):
        sweep_potential(Aim.of(fit), setting)
    assert "L0" not in setting.with_pre(flat(900)).given("general")
    for broken in ({"N": 0.0}, {"base_losses": {"general": -3.2}}, {"base_losses": {"general": np.inf}}):
        with pytest.raises(ConfigError, match="wanted a positive, finite number"):
            replace(setting, **broken)


def test_a_table_of_rates_has_no_peak_to_vary(intrinsic):
    rates = Schedule("table", PEAK, 100, knots=((1, PEAK), (50, PEAK), (100, 0.0)))
    setting = Setting(rates, PRE, 0.5)
    with pytest.raises(ConfigError, match="has no peak to vary"):
        sweep_peak(Aim.of(intrinsic[0]), setting, [PEAK])
    with pytest.raises(ConfigError, match="has no re-warm-up to vary"):
        sweep_rewarm(Aim.of(intrinsic[0]), setting, [10])


def test_the_rewarm_begins_where_the_base_ended():
    setting = Setting(CPT, Schedule("wsd", PEAK, 20000, 500, 4000, "linear", 0.3))
    end = setting.end_of_pre
    for run in (setting.with_rewarm(50), setting.with_peak(1e-4), setting.with_peak(1e-5)):
        history = run.history()
        first = history.rates[20000]
        assert min(end, run.schedule.peak) <= first <= run.schedule.peak
        assert history.switch == 20000
    assert not setting.with_rewarm(0).history().rising[20000:].any()


def test_a_higher_peak_forgets_more_and_learns_more(intrinsic, make_fit):
    general, domain = intrinsic
    setting = Setting(CPT, PRE, r=0.9)
    peaks = [2e-5, 5e-5, 1e-4, 2e-4]
    found = sweep_peak(Aim.balance(general, domain, 0.5), setting, peaks)
    assert (np.diff(found.frame["domain"]) < 0).all()
    assert found.frame["general"].iloc[-1] > found.frame["general"].iloc[0]
    with pytest.raises(PlanError, match="less loss of any higher peak"):
        sweep_peak(Aim.of(domain), setting, peaks)
    with pytest.raises(PlanError, match="less loss of any higher peak"):
        sweep_peak(Aim.of(make_fit("general", K=0.0)), Setting(CPT, PRE), peaks)


def test_rewarm_steps_matter_little(make_fit):
    found = sweep_rewarm(Aim.of(make_fit("domain")), Setting(CPT, PRE), (10, 50, 100, 250))
    assert np.ptp(found.frame["domain"]) < 0.01


def test_more_replay_is_paid_for_by_the_domain(intrinsic):
    general, domain = intrinsic
    setting = Setting(CPT, PRE, r=0.5)
    found = sweep_replay(Aim.balance(general, domain, 0.5), setting)
    assert (np.diff(found.frame["general"]) < 0).all()
    assert (np.diff(found.frame["domain"]) > 0).all()
    bests = [sweep_replay(Aim.balance(general, domain, weight), setting).best for weight in (0.1, 0.5, 0.9)]
    assert bests[0] < bests[1] < bests[2]


def test_caveats_say_where_the_fit_ends(make_fit):
    ranges = {"peak": (PEAK, PEAK), "area": (0.5, 1.0), "s": (0.1, 0.5)}
    fit = make_fit("domain", "cpt-dynamics+replay-saturating", ranges=ranges, a=3.0)
    found = sweep_replay(Aim.of(fit), Setting(replace(CPT, peak=3e-4), PRE, r=0.9), (0.1, 0.3, 0.5))
    kinds = {item.kind for item in found.caveats}
    assert kinds == {
        "extrapolates_peak", "extrapolates_horizon", "extrapolates_s", "no_interval", "edge_of_range"
    }  # fmt: skip


# -- both sides at once ----------------------------------------------------------------------------------


def test_balance_is_the_least_weighted_change(intrinsic):
    settings = {
        f"{replay:g}/{decay}": Setting(Schedule("wsd", PEAK, 4000, 100, decay), PRE, r=1 - replay)
        for replay in (0.05, 0.2, 0.5)
        for decay in (200, 800, 2000)
    }
    found = balance(*intrinsic, settings, weights=(0.0, 0.3, 0.7, 1.0))
    general, domain = found.priced.changes
    for weight, best in zip(found.weights, found.best, strict=True):
        total = weight * general.mean + (1 - weight) * domain.mean
        assert total[best] == total.min()
    frame = found.frame
    # More weight on the general loss: it is kept better, at the domain's cost.
    assert (np.diff(frame["general_change"]) <= 0).all()
    assert (np.diff(frame["domain_change"]) >= 0).all()
    assert frame["best"].iloc[0].startswith("0.05")
    assert frame["best"].iloc[-1].startswith("0.5")
    assert frame["agree"].between(0, 1).all()
    with pytest.raises(ConfigError, match="both fits are of the general side"):
        balance(intrinsic[0], intrinsic[0], settings)


def test_an_aim_counts_changes_or_losses(intrinsic):
    settings = [Setting(CPT, pre, r=0.8) for pre in (PRE, flat(20000))]
    plain, changes = (
        price(Aim.balance(*intrinsic, 0.5, from_start), settings) for from_start in (False, True)
    )
    starts = [start_losses(fit, settings).mean for fit in intrinsic]
    np.testing.assert_allclose(
        plain.objective.mean - changes.objective.mean, 0.5 * starts[0] + 0.5 * starts[1]
    )
    with pytest.raises(ConfigError, match="one per side"):
        Aim((intrinsic[0], intrinsic[0]), (0.5, 0.5))
    with pytest.raises(ConfigError, match="general loss is 1"):
        Aim.balance(*intrinsic, 1.5)


# -- domain up-sampling at the end -----------------------------------------------------------------------


def test_upsampling_is_compared_with_the_same_share_throughout(intrinsic):
    aim = Aim.balance(*intrinsic, 0.5)
    setting = Setting(Schedule("wsd", PEAK, 4000, 100, 800), PRE, r=0.5)
    found = upsample_late(aim, setting, (0.5, 0.9), parts=(0.05, 0.2))
    frame = found.frame
    same = frame[(frame["r_late"] == 0.5)]
    np.testing.assert_allclose(same["objective"], frame["objective"].iloc[0], atol=2e-4)
    rich = frame[frame["r_late"] == 0.9]
    assert (rich["domain"] < frame["domain"].iloc[0]).all()
    assert (rich["general"] > frame["general"].iloc[0]).all()
    np.testing.assert_allclose(rich["r_mean"], [0.5 + 0.05 * 0.4, 0.5 + 0.2 * 0.4])
    even = replace(found.best, r=mean_share(found.best), r_late=None, late_steps=0)
    both = price(aim, [found.best, even]).objective.mean
    assert found.gain == pytest.approx(both[1] - both[0])
    assert "late_mixture" in {item.kind for item in found.caveats}
    with pytest.raises(ConfigError, match="late part is 1"):
        upsample_late(aim, setting, (0.9,), parts=(1.5,))


def test_settings_and_laws_that_do_not_fit(make_fit):
    with pytest.raises(ConfigError, match="does not know the mixture"):
        sweep_replay(Aim.of(make_fit("general")), Setting(CPT, PRE, r=0.5))
    with pytest.raises(ConfigError, match="r, r_late and late_steps together"):
        Setting(CPT, PRE, r=0.5, r_late=0.8)
    with pytest.raises(ConfigError, match="late_steps is 9000"):
        Setting(CPT, PRE, r=0.5, r_late=0.8, late_steps=9000)
    with pytest.raises(ConfigError, match="pre-training is not known"):
        start_losses(make_fit("general"), [Setting(CPT)])
    with pytest.raises(ConfigError, match="no pre-training part"):
        final_losses(make_fit("general"), [Setting(CPT)])
