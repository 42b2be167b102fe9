"""Published numbers on real loss curves under several schedules, recomputed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.schedule_data import curve_folder, transfer_runs
from dcpt.core.curve import RateHistory
from dcpt.fit.loss_curves import fit_curves
from dcpt.laws.curves import get_curve_law
from dcpt.laws.curves.multi_power import REFERENCE_RATE

TRAIN = ("cosine_24000", "constant_24000", "wsdcon_9")

# Parameters the authors of the multi-power law print (Luo et al. 2025, arXiv:2503.12811, repository), to
# three digits, and the mean absolute error on the six test curves they report for them.
PRINTED = {
    "csv_25": ((3.040, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641), 0.00376),
    "csv_100": ((2.651, 0.601, 0.453, 437.9, 2.132, 0.598, 0.655), 0.00435),
}


@pytest.fixture(scope="module", params=sorted(PRINTED))
def nine(request, shared):
    """Name of the folder, the three training curves and the six test curves."""
    curves = curve_folder(shared / "losses" / "multi_power_law" / request.param, warmup=2160)
    assert len(curves) == 9
    test = [curve for name, curve in curves.items() if name not in TRAIN]
    return request.param, [curves[name] for name in TRAIN], test


@pytest.fixture(scope="module")
def transfer(shared):
    return transfer_runs(shared / "losses" / "lr_schedules_124m", burn_in=2000)


def mean_error(law, params, curves):
    return np.mean([np.abs(law.evaluate(params, [curve]) - curve.loss).mean() for curve in curves])


def test_published_multi_power_parameters_need_the_warm_up_as_falls(nine):
    """The published L0 holds for the warm-up counted as negative falls; else it is off by about B * peak."""
    name, _, test = nine
    (L0, A, alpha, B, C, beta, gamma), reported = PRINTED[name]
    params = dict(L0=L0, A=A, alpha=alpha, K=B * beta, C=C * REFERENCE_RATE**-gamma, beta=beta, gamma=gamma)
    signed = mean_error(get_curve_law("multi-power+signed"), params, test)
    skipped = mean_error(get_curve_law("multi-power"), params, test)
    # Three printed digits leave the error open by 0.0006.
    assert signed == pytest.approx(reported, abs=6e-4)
    assert skipped == pytest.approx({"csv_25": 0.110, "csv_100": 0.133}[name], abs=2e-3)
    assert skipped == pytest.approx(B * 3e-4, rel=0.03)


def test_momentum_law_with_its_best_memory_on_a_grid(nine):
    """An independent fit with memory .998, the true warm-up and no falls in it."""
    name, train, test = nine
    fit = fit_curves("momentum", train, fixed={"tau": -1 / np.log(0.998)})
    printed = {"csv_25": (3.152, 0.521, 0.505, 0.780), "csv_100": (2.782, 0.600, 0.448, 0.937)}[name]
    assert [fit.params[key] for key in ("L0", "A", "alpha", "C")] == pytest.approx(printed, rel=2e-3)
    error = fit.score_on(test).mae
    assert error == pytest.approx({"csv_25": 0.00442, "csv_100": 0.00439}[name], abs=1e-4)
    # The authors' own way, the warm-up at its peak rate, is clearly worse with 2160 steps of warm-up.
    peak = fit_curves("momentum+peak", train, fixed={"tau": -1 / np.log(0.999)})
    assert peak.score_on(test).mae > 1.3 * error


def test_two_memories_beat_one(nine):
    name, train, test = nine
    two = fit_curves("two-memory", train).score_on(test).mae
    assert two == pytest.approx({"csv_25": 0.0039, "csv_100": 0.0035}[name], abs=2e-4)
    assert two < fit_curves("momentum", train).score_on(test).mae


def test_the_default_law_predicts_the_other_six(nine):
    _, train, test = nine
    fit = fit_curves("rate-power", train)
    assert fit.score_on(test).mae < 0.0038
    assert 0.7 < fit.params["p"] < 0.9


def training(members):
    def chosen(run):
        decay = run["fract_decay"] == 0.2 and run["decay_type"] == "linear" and run["iterations"] == 25000
        return run["scheduler"] == "wsd" and (run["fract_decay"] == 0 or decay)

    train = [curve for run, curve in members.values() if chosen(run)]
    return train, [curve for run, curve in members.values() if not chosen(run)]


def test_one_short_decay_carries_to_108_curves(transfer):
    """Per highest rate: constant 50k and a 20 % decay of 25k steps, then every other run of the 124M set."""
    errors = {"multi-power": [], "momentum": [], "rate-power": []}
    for members in transfer.values():
        train, test = training(members)
        assert len(train) == 2
        for law, found in errors.items():
            fit = fit_curves(law, train)
            found += [np.abs(fit.mean(curve) - curve.loss).mean() for curve in test]
    assert {len(found) for found in errors.values()} == {108}
    mean = {law: np.mean(found) for law, found in errors.items()}
    # An independent fit of the published forms: .0051 and .0085; how many early losses it left out is
    # not known.
    assert mean["multi-power"] == pytest.approx(0.0051, abs=3e-4)
    assert mean["momentum"] == pytest.approx(0.0085, abs=3e-4)
    assert mean["rate-power"] < 0.0045


def test_no_law_may_be_fitted_across_peaks(transfer):
    curves = [curve for members in transfer.values() for curve in training(members)[0]]
    fit = fit_curves("multi-power", curves)
    assert "peaks_differ" in {item.kind for item in fit.warnings}
    assert fit.score.mae > 0.02


def test_zero_rate_tail_lowers_the_momentum_law_alone(nine):
    """Nothing is learnt at rate 0, and the momentum law predicts lower and lower losses there."""
    _, train, _ = nine
    after = 3e-4 * np.minimum(1.0, np.maximum(0.0, 1 - np.arange(20000) / 4000))
    history = RateHistory.of(
        np.concatenate([np.linspace(0, 3e-4, 2160), np.full(16000, 3e-4), after]), warmup=2160
    )
    end, tail = 2160 + 16000 + 4000, len(history)
    for name, falls in (
        ("momentum", True),
        ("two-memory", True),
        ("intrinsic-power", False),
        ("rate-power", False),
    ):
        fit = fit_curves(name, train)
        first, last = fit.mean(history, [end, tail])
        assert (last < first - 1e-3) == falls
        assert ("zero_rate_tail" in {item.kind for item in fit.doubts(history)}) == falls
