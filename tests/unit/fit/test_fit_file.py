"""Fits as files and in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.fit import FitSet, LawFit, fit_law, fit_table, load_fits
from dcpt.fit.baselines import BASELINES
from dcpt.laws import list_laws

OF_THE_DESIGN = {"N", "D", "s", "r", "Dmin"}
"""Inputs every table with ratios has."""


@pytest.mark.parametrize(
    "law", [law.name for law in list_laws() if set(law.inputs) <= OF_THE_DESIGN and "domain" in law.sides]
)
def test_a_fit_survives_its_dictionary(make, law):
    fit = fit_law(law, make(noise=0.002), "domain", bootstrap=20, holdouts=False)
    again = LawFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again.to_dict() == fit.to_dict()
    np.testing.assert_array_equal(again.theta, fit.theta)
    np.testing.assert_array_equal(again.draws, fit.draws)
    np.testing.assert_array_equal(again.resamples, fit.resamples)
    assert again.warnings == fit.warnings
    assert again.predict(7e6, 2e7, 0.3).equals(fit.predict(7e6, 2e7, 0.3))


def test_a_set_survives_its_file(fits, tmp_path):
    path = fits.save(tmp_path / "demo")
    assert path == tmp_path / "demo" / "fit.json"
    again = load_fits(tmp_path / "demo")
    assert [fit.to_dict() for fit in again] == [fit.to_dict() for fit in fits]
    assert load_fits(path).laws == ("d-cpt", "chinchilla")
    assert json.loads(path.read_text())["schema_version"] == 2


def test_the_same_table_and_seed_give_the_same_file(make, tmp_path):
    table = make(noise=0.002)
    pair = [fit_table(table, ("chinchilla",), bootstrap=10) for _ in range(2)]
    one, two = (fits.save(tmp_path / str(index)) for index, fits in enumerate(pair))
    assert one.read_bytes() == two.read_bytes()


def test_the_best_law_errs_least_on_the_largest_size(fits):
    for role in ("general", "domain"):
        best = fits.best(role)
        errors = {fit.name: fit.holdout("largest N")[0].mae for fit in fits if fit.eval_set == role}
        assert errors[best.name] == min(errors.values())
        assert best.name == "d-cpt"
        assert fits.best(role, "chinchilla").name == "chinchilla"
    with pytest.raises(ConfigError, match="nothing is fitted on 'legal'"):
        fits.best("legal")
    with pytest.raises(ConfigError, match="is not there"):
        fits.get("cmr", "domain")


def test_several_sets_of_a_side_must_be_named(fits):
    fit = fits.get("d-cpt", "domain").to_dict()
    parts = tuple(LawFit.from_dict({**fit, "eval_set": name}) for name in ("domain/law", "domain/tax"))
    several = FitSet(parts)
    assert several.best("domain/tax").eval_set == "domain/tax"
    with pytest.raises(ConfigError, match="several evaluation sets"):
        several.best("domain")
    with pytest.raises(ConfigError, match="stands twice"):
        FitSet((parts[0], parts[0]))


def test_metrics_of_one_set_are_kept_apart(fits):
    fit = fits.get("d-cpt", "domain")
    bits = LawFit.from_dict({**fit.to_dict(), "metric": "bpb", "unit": "bits_per_byte"})
    both = FitSet((fit, bits))
    assert both.get("d-cpt", "domain", "bpb") is bits
    for ask in (both.best, lambda side: both.get("d-cpt", side)):
        with pytest.raises(ConfigError, match="several metrics: loss, bpb"):
            ask("domain")
    with pytest.raises(ConfigError, match=r"'domain \(ppl\)' is not there"):
        both.get("d-cpt", "domain", "ppl")
    assert set(both.holdout_frame()["unit"]) == {"nats_per_token", "bits_per_byte"}
    assert "bits/byte" in bits.summary()
    assert "nats" not in bits.summary() + repr(bits)


def test_a_refused_law_is_left_out_with_its_reason(make):
    fits = fit_table(make(noise=0.002, ratios=(0.5,)), bootstrap=0)
    assert fits.laws == ("chinchilla",)
    assert "one ratio only" in fits.refused["d-cpt on domain"]
    with pytest.raises(FitError, match="one ratio only"):
        fit_table(make(ratios=(0.5,)), laws=("d-cpt",), bootstrap=0)


def test_a_changed_law_or_broken_file_is_refused(fits, tmp_path):
    path = fits.save(tmp_path)
    document = json.loads(path.read_text())
    for change, message in (
        ({"law_hash": "0" * 16}, "law d-cpt now reads"),
        ({"law": "d-cptt"}, "did you mean 'd-cpt'"),
        ({"values": {}}, "'E' of a fit is missing"),
        ({"draws": [[1.0]]}, "is not a fit"),
        ({"resamples": [0]}, "wanted 25 ascending numbers"),
        ({"resamples": list(range(24, -1, -1))}, "wanted 25 ascending numbers"),
        ({"resamples": [0.5] * 25}, "is not a fit"),
    ):
        broken = {**document, "fits": [{**document["fits"][0], **change}]}
        path.write_text(json.dumps(broken))
        with pytest.raises(DataError, match=message):
            load_fits(path)
    path.write_text(json.dumps({**document, "schema_version": 3}))
    with pytest.raises(DataError, match="schema_version"):
        load_fits(path)
    with pytest.raises(DataError, match="no such file"):
        load_fits(tmp_path / "absent")


def test_the_summary_says_what_matters(fits):
    text = fits.get("d-cpt", "general").summary()
    for part in ("d-cpt on general", "80 points of 20 runs", "size exponent", "log-linear", "largest N, 3M"):
        assert part in text
    assert "error on the largest size left out" in fits.summary()
    frame = fits.get("d-cpt", "general").summary_frame()
    assert list(frame) == ["name", "value", "lo", "hi", "unit", "meaning", "note"]
    assert len(frame) == 9
    scores = fits.holdout_frame()
    assert set(scores["model"]) == {"d-cpt", "chinchilla", *BASELINES}
    assert not scores.duplicated(["eval_set", "kind", "level", "model"]).any()
    assert "d-cpt on domain" in repr(fits)
    assert "80 rows" in repr(fits.get("d-cpt", "domain"))


def test_lmfit_goes_on_from_a_fit(fits):
    import lmfit

    fit = fits.get("d-cpt", "domain")
    result = fit.to_lmfit()
    assert result.params.valuesdict() == pytest.approx(fit.values)
    assert result.params["alpha"].stderr == pytest.approx(float(np.std(fit.draws[:, 4], ddof=1)))
    assert "alpha" in lmfit.fit_report(result)
    goal = {**fit.values, "E": 1.0}
    again = lmfit.minimize(lambda p: [p[name].value - goal[name] for name in goal], result.params)
    assert again.params["E"].value == pytest.approx(1.0, abs=1e-3)
