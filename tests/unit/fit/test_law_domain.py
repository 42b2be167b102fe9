"""What a law is declared for: inputs outside its domain are refused, in a table and in a prediction."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_law
from dcpt.fit.dataset import outside_domain
from dcpt.fit.reach import far_targets
from dcpt.laws import get_law

QUICK = {"bootstrap": 0, "holdouts": False}


def with_column(table: LossTable, name: str, values: object) -> LossTable:
    return LossTable.from_frame(table.frame.assign(**{name: values}), extras=(name,))


@pytest.mark.parametrize(
    ("law", "column", "wrong"),
    [("data-constrained", "U", -1.0), ("data-constrained", "U", 0.0), ("cross-d-cpt-k1", "k1", -0.5)],
)
def test_a_row_outside_the_domain_is_named(make, law, column, wrong) -> None:
    table = make()
    values = np.full(len(table), 1.0)
    values[7] = wrong
    row = table.frame.iloc[7]
    with pytest.raises(DataError, match=rf"{column} = {wrong:g} at N = {row['N']:.10g}, D = ") as caught:
        fit_law(law, with_column(table, column, values), "domain", **QUICK)
    assert str(row["run_id"]) in caught.value.message
    assert law in caught.value.message


def test_shares_in_percent_are_refused(make) -> None:
    frame = make().frame
    frame = frame.assign(h1=100 * frame["r"], h2=100 * (1 - frame["r"]))
    with pytest.raises(DataError, match=r"h1 = 10 .* from 0 to 1") as caught:
        fit_law("additive-mixture-2", LossTable.from_frame(frame, extras=("h1", "h2")), "domain", **QUICK)
    assert "--scale h1=0.01" in str(caught.value.hint)


def test_counts_may_come_in_any_unit() -> None:
    law = get_law("data-constrained")
    assert not outside_domain(law, "U", np.array([0.3, 3e20]))[0].any()
    assert outside_domain(law, "U", np.array([0.0, -1.0, np.inf, np.nan]))[0].all()


@pytest.fixture(scope="module")
def constrained(make):
    return fit_law("d-cpt-constrained", make(), "domain", **QUICK)


@pytest.mark.parametrize(
    ("name", "why"), [("s", "r and the side"), ("Dmin", "the fitted rows"), ("r", "the point")]
)
def test_what_follows_from_others_is_never_given(constrained, name, why) -> None:
    with pytest.raises(ConfigError, match=f"{name} follows from {why}"):
        constrained.mean(1e6, 1e6, 0.5, {name: 0.5})


@pytest.mark.parametrize(
    ("law", "name", "values"),
    [("cmr-domain-tokens", "L0", (-2.0, 0.0)), ("data-constrained", "U", (0.0, -1.0))],
)
def test_a_prediction_outside_the_domain_is_refused(make, law, name, values) -> None:
    table = make(tokens=(0.2e6, 0.4e6, 0.6e6, 2e6, 6e6))
    column = 3.0 if name == "L0" else table.frame["D"].clip(upper=1e6)
    fit = fit_law(law, with_column(table, name, column), "domain", **QUICK)
    for value in values:
        with pytest.raises(ConfigError, match=f"{name} = {value:g} .* a positive number"):
            fit.predict(1e6, 1e6, 0.5, given={name: value})
    assert np.isfinite(fit.mean(1e6, 1e6, 0.5, {name: 2.5})).all()


def test_a_law_blind_to_the_mixture_still_wants_a_share(make) -> None:
    fit = fit_law("chinchilla", make(), "domain", **QUICK)
    with pytest.raises(ConfigError, match="r = 30; wanted a domain share"):
        fit.mean(1e6, 1e6, 30)
    np.testing.assert_array_equal(fit.mean(1e6, 1e6, float("nan")), fit.mean(1e6, 1e6, 0.3))


def test_a_target_beyond_all_measure_is_far_without_noise(make) -> None:
    fit = fit_law("chinchilla", make(), "domain", **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(far_targets({"N": (0.1, 0.5), "D": (1e6, 1e8)}, 1e308, 1e7))) == 1
        assert bool(fit.predict(1e300, 1e6, 0.5)["extrapolates"].all())
