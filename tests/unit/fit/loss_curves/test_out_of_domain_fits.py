"""Third sets described by the losses of the two sides: found, tried on other mixtures, predicted, kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.fit.loss_curves.curve_rows import CurveRows, read_curve_rows
from dcpt.fit.loss_curves.out_of_domain_file import FILE_NAME, load_out_of_domain, save_out_of_domain
from dcpt.fit.loss_curves.out_of_domain_fit import fit_third_set, third_sets
from dcpt.ingest.reading import Reading

# Wang et al. 2025 (arXiv:2505.07796) print 0.622 and 0.385 for SlimPajama; the constant is ours.
GENERAL, DOMAIN, CONSTANT = 0.622, 0.385, 0.4
NOISE = 2e-3


def with_third(table, name="code/dense", like="/dense", noise=NOISE):
    """The table with a third set where both sides were measured."""
    draw = np.random.default_rng(1)
    sides = {side: table[table["eval_set"] == side + like] for side in ("general", "domain")}
    both = sides["general"].merge(sides["domain"], on=["run_id", "step"], suffixes=("", "_domain"))
    value = CONSTANT + GENERAL * both["value"] + DOMAIN * both["value_domain"]
    third = both[list(table)].assign(eval_set=name, role="", value=value)
    third["value"] += noise * draw.standard_normal(len(third))
    return pd.concat([table, third])


@pytest.fixture(scope="module")
def rows(world, tmp_path_factory):
    file = tmp_path_factory.mktemp("third") / "curves.csv"
    with_third(world.table((0.3, 0.6, 0.9))).to_csv(file, index=False)
    return read_curve_rows(file, Reading())


def frame(mean, half=0.01, extrapolates=False):
    mean = np.asarray(mean)
    steps = np.arange(1, len(mean) + 1)
    found = pd.DataFrame({"step": steps, "mean": mean, "mean_lo": mean - half, "mean_hi": mean + half})
    found.attrs["warnings"] = []
    return found.assign(extrapolates=extrapolates)


def test_coefficients_come_back_and_hold_on_mixtures_that_were_left_out(rows):
    assert third_sets(rows) == ("code/dense",)
    fit = fit_third_set(rows, "code/dense")
    assert (fit.general_set, fit.domain_set) == ("general/dense", "domain/dense")
    assert (fit.law.general, fit.law.domain, fit.law.intercept) == pytest.approx(
        (GENERAL, DOMAIN, CONSTANT), abs=0.02
    )
    assert fit.rmse == pytest.approx(NOISE, rel=0.1)
    assert fit.left_out == "3 mixtures"
    assert NOISE * 0.9 < fit.held_out < NOISE * 1.5
    assert fit.doubts == ()
    assert fit_third_set(rows, "code/dense", intercept=False).law.intercept == 0.0


def test_sizes_that_need_a_combination_each_are_told(world, tmp_path):
    parts = [with_third(world.table((0.3, 0.6, 0.9))), with_third(world.table((0.3, 0.6, 0.9), seed=2))]
    third = parts[1]["eval_set"] == "code/dense"
    parts[1].loc[third, "value"] = parts[1].loc[third, "value"] ** 1.2
    parts[1] = parts[1].assign(N=2 * world.N, run_id="large-" + parts[1]["run_id"])
    pd.concat(parts).to_csv(tmp_path / "curves.csv", index=False)
    fit = fit_third_set(read_curve_rows(tmp_path / "curves.csv", Reading()), "code/dense")
    assert fit.by_size < 0.003 < fit.rmse
    assert "by itself (--where N=...)" in fit.doubts[-1]


def test_intervals_hold_the_errors_of_both_losses_and_its_own(rows):
    fit = fit_third_set(rows, "code/dense")
    general, domain = (np.mean(fit.ranges[name]) for name in (fit.general_set, fit.domain_set))
    narrow, wide = (fit.predict(frame([general], half), frame([domain], half), 0.9) for half in (0.0, 0.05))
    assert wide["mean"][0] == pytest.approx(CONSTANT + GENERAL * general + DOMAIN * domain, abs=2e-3)
    for found, least in ((narrow, 1.64 * fit.unseen), (wide, 0.05 * (GENERAL + DOMAIN))):
        assert found["mean_hi"][0] - found["mean"][0] >= 0.95 * least
        assert found["obs_hi"][0] > found["mean_hi"][0]
    assert not narrow["extrapolates"][0]
    far = fit.predict(frame([general + 1.0]), frame([domain]), 0.9)
    assert far["extrapolates"][0]
    assert "lies outside" in far.attrs["warnings"][0]


def test_a_set_that_the_two_do_not_describe_is_not_predicted(world, tmp_path):
    with_third(world.table((0.3, 0.6, 0.9)), noise=0.5).to_csv(tmp_path / "curves.csv", index=False)
    fit = fit_third_set(read_curve_rows(tmp_path / "curves.csv", Reading()), "code/dense")
    assert "it is not used to predict" in fit.doubts[0]
    with pytest.raises(FitError, match="explains"):
        fit.predict(frame([3.0]), frame([3.0]), 0.9)


def test_ends_go_with_ends(world, tmp_path):
    table = with_third(world.table((0.3, 0.6, 0.9)), "code", "")
    table.to_csv(tmp_path / "curves.csv", index=False)
    fit = fit_third_set(read_curve_rows(tmp_path / "curves.csv", Reading()), "code")
    assert (fit.general_set, fit.domain_set) == ("general", "domain")


def test_what_cannot_be_combined_is_said(rows, world, tmp_path):
    with pytest.raises(ConfigError, match="there is no set 'law'"):
        fit_third_set(rows, "law")
    with pytest.raises(ConfigError, match="the set of a side itself"):
        fit_third_set(rows, "domain/dense")
    table = with_third(world.table((0.3, 0.6)))
    table[table["role"] != "domain"].to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(DataError, match="no evaluation set is of the domain side"):
        fit_third_set(read_curve_rows(tmp_path / "one.csv", Reading()), "code/dense")
    apart = table.copy()
    apart.loc[apart["eval_set"] == "code/dense", "step"] -= 1
    apart.to_csv(tmp_path / "apart.csv", index=False)
    with pytest.raises(DataError, match="no step of a run has losses of"):
        fit_third_set(read_curve_rows(tmp_path / "apart.csv", Reading()), "code/dense")


def test_a_file_gives_the_same_predictions(rows, tmp_path):
    fit = fit_third_set(rows, "code/dense")
    save_out_of_domain(tmp_path / FILE_NAME, [fit], {"input": {"file": "curves.csv"}})
    (kept,) = load_out_of_domain(tmp_path)
    one, other = (item.predict(frame([3.2]), frame([3.3]), 0.9) for item in (fit, kept))
    pd.testing.assert_frame_equal(one, other)
    assert load_out_of_domain(tmp_path / "none") == ()
    (tmp_path / FILE_NAME).write_text('{"schema_version": 1, "kind": "out-of-domain fits", "sets": [{}]}')
    with pytest.raises(DataError, match="field 'eval_set'"):
        load_out_of_domain(tmp_path)


def test_runs_that_are_alike_leave_it_untried(tmp_path):
    """Without the second run both losses move together, so that no refit can be tried on it."""
    k = np.arange(10)
    parts = {"a": (3.0 - 0.01 * k, 3.0 - 0.1 * k), "b": (3.0 + 0.02 * k, 2.8 - 0.15 * k)}
    rows = []
    for run, (general, domain) in parts.items():
        sets = {"general": general, "domain": domain, "third": 0.5 + 0.3 * general + 0.5 * domain}
        for name, value in sets.items():
            facts = {"run_id": run, "step": 10 * (k + 1), "eval_set": name, "value": value, "phase": "cpt"}
            rows.append(pd.DataFrame(facts).assign(role="" if name == "third" else name, r=0.5, N=1e6))
    table = pd.concat(rows, ignore_index=True)
    fit = fit_third_set(CurveRows(table, (), {}), "third")
    assert (fit.held_out, fit.left_out) == (None, "")
    assert "too alike" in fit.doubts[0]
    with pytest.raises(FitError, match=r"third: .* move together") as caught:
        fit_third_set(CurveRows(table[table["run_id"] == "a"], (), {}), "third")
    assert "--fix intercept=0" in caught.value.hint
