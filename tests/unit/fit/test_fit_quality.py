"""The report's numbers against ones made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dcpt.fit.dataset import prepare
from dcpt.fit.holdout import point_fit
from dcpt.fit.report_numbers import fit_quality
from dcpt.fit.residuals import lag_correlation, outliers
from dcpt.fit.space import free_space
from dcpt.fit.summary import quality_lines
from dcpt.laws import get_law


def fitted(table, law):
    form = get_law(law)
    data, _ = prepare(table, "domain")
    return point_fit(form, data, free_space(form), 1e-3)


def test_numbers_of_a_fit(make):
    problem, solution = fitted(make(noise=0.003, run_noise=0.003), "d-cpt")
    found = json.loads(json.dumps(fit_quality(problem, solution), allow_nan=False))
    data = problem.data
    predicted = problem.law.evaluate(solution.theta, data.inputs)
    error, residual = predicted - data.loss, np.log(predicted / data.loss)
    errors = found["errors"]
    assert errors["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert errors["mae"] == pytest.approx(np.abs(error).mean())
    assert errors["mape"] == pytest.approx((np.abs(error) / data.loss).mean())
    logs = np.log(data.loss)
    assert errors["r2_log"] == pytest.approx(1 - (residual**2).sum() / ((logs - logs.mean()) ** 2).sum())
    scatter = found["scatter"]
    assert scatter["mad_sigma"] == pytest.approx(1.4826 * np.median(np.abs(residual)))
    assert scatter["inlier_share"] == pytest.approx((np.abs(residual) <= 1e-3).mean())
    assert scatter["seed_sigma"] is None
    assert found["convergence"]["max_scaled_gradient"] < 1e-5
    assert found["identification"]["rank"] == found["identification"]["parameters"] == 9
    assert all(abs(value) > 0.9 for _, _, value in found["identification"]["correlations"])
    by_size = found["residuals_by"]["N"]
    assert [row["level"] for row in by_size] == [1e5, 3e5, 1e6, 3e6]
    assert by_size[0]["mean"] == pytest.approx(residual[data.N == 1e5].mean())
    assert sum(row["rows"] for row in by_size) == 80


def test_residuals_of_a_run_that_stay_together_show(make):
    apart = fit_quality(*fitted(make(noise=0.004, seed=1), "chinchilla"))
    problem, solution = fitted(make(noise=0.001, run_noise=0.004, seed=1, law="chinchilla"), "chinchilla")
    together = fit_quality(problem, solution)
    assert together["scatter"]["lag1"] > 0.7
    assert together["residuals_by"]["run"]["between_share"] > 0.8
    calm = fit_quality(*fitted(make(noise=0.004, seed=1, law="chinchilla"), "chinchilla"))
    assert abs(calm["scatter"]["lag1"]) < 0.3
    assert calm["residuals_by"]["run"]["between_share"] < 0.4
    # A law that is blind to the mixture leaves the mixture in its residuals by ratio.
    blind, seeing = ([row["mean"] for row in found["residuals_by"]["r"]] for found in (apart, calm))
    assert np.ptp(blind) > 0.02 > 0.006 > np.ptp(seeing)


def test_information_prefers_the_truth(make):
    def aic(table, law):
        return fit_quality(*fitted(table, law))["information"]

    mixture, plain = make(noise=0.002), make(noise=0.003, law="chinchilla")
    assert aic(mixture, "d-cpt")["aic"] < aic(mixture, "chinchilla")["aic"]
    assert aic(plain, "chinchilla")["bic"] < aic(plain, "d-cpt")["bic"]
    assert aic(plain, "chinchilla")["observations"] == 20


def test_many_levels_are_binned(make):
    table = make(noise=0.002, tokens=tuple(np.geomspace(2e5, 6e6, 40)), sizes=(1e5, 1e6, 3e6))
    found = fit_quality(*fitted(table, "chinchilla"))["residuals_by"]["D"]
    assert len(found) == 10
    assert sum(row["rows"] for row in found) == 600
    assert all(one["hi"] == two["lo"] for one, two in pairwise(found))


def test_a_table_without_ratios_has_no_residuals_by_ratio(make):
    problem, solution = fitted(make(noise=0.002, law="chinchilla"), "chinchilla")
    blind = np.full(len(problem.data), np.nan)
    problem.data = replace(problem.data, r=blind, s=blind)
    found = fit_quality(problem, solution)
    assert "r" not in found["residuals_by"]
    json.dumps(found, allow_nan=False)


def test_outliers_and_neighbours():
    residual = np.array([0.001, -0.001, 0.001, -0.001, 0.02, -0.03])
    np.testing.assert_array_equal(outliers(residual, 1e-3), [5, 4])
    assert len(outliers(residual * 1e-4, 1e-3)) == 0
    runs, order = np.repeat([0, 1], 50), np.tile(np.arange(50.0), 2)
    wave = np.tile(np.sin(np.arange(50) / 8), 2)
    place = np.random.default_rng(0).permutation(100)
    assert lag_correlation(wave[place], runs[place], order[place]) > 0.95
    assert lag_correlation(np.tile([1.0, -1.0], 50), runs, order) == pytest.approx(-1.0)
    assert lag_correlation(np.array([1.0, 2.0]), np.array([0, 1]), np.zeros(2)) is None


def test_the_numbers_in_words(make):
    lines = quality_lines(fit_quality(*fitted(make(noise=0.003, run_noise=0.002), "d-cpt")))
    assert "rank 9 of 9, condition" in lines[1]
    assert "R2 of log loss 0.99" in lines[0]
    lame = fit_quality(*fitted(make(noise=0.003, sizes=(1e6, 3e6)), "d-cpt"))
    assert "without full rank" in quality_lines(lame)[1]
    assert quality_lines({}) == []
