"""Laws that start from the loss before continual pre-training: where that loss comes from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit import LawFit, fit_law
from dcpt.fit.bases import Bases, read_bases
from dcpt.fit.default_laws import LAWS, default_laws
from dcpt.laws import get_law

SIZES = (1e6, 4e6, 1.6e7, 6.4e7)
SURFACE = dict(b=-0.04, g=-0.08, u=-0.004, v=0.006, w=-0.01)
TRUTH = {
    "anchored-shift": dict(Q=0.2, p=0.1, g=0.2, h=0.3, S=0.25, v=-0.05, eps=0.02, w=0.1, c=1.2),
    "anchored-surface": dict(**SURFACE, c=-0.05, d=-0.01, p=-0.004, q=0.002),
    "base-surface": dict(**SURFACE, c=1.0, a=1.1, p=0.06, q=-0.02, x=0.003, y=-0.02, Q=8.0),
}


def base_loss(N: float) -> float:
    return 2.0 + 1.5 * (N / 1e6) ** -0.2


def losses(law_name: str, sizes=SIZES, noise: float = 0.0) -> LossTable:
    """A sweep whose general loss follows a law that starts from its bases; D in units of 1e6."""
    law, rng, rows = get_law(law_name), np.random.default_rng(0), []
    theta = [TRUTH[law_name][name] for name in law.names]
    for N in sizes:
        start = base_loss(N)
        rows.append({"N": N, "D": 0.0, "r": 0.0, "value": start})
        for r in (0.1, 0.3, 0.5, 0.7, 0.9):
            for D in (2.5e5, 5e5, 1e6, 2e6):
                inputs = {"N": N / 1e6, "D": D / 1e6, "s": 1 - r, "L0": start, "G0": start}
                value = law.evaluate(theta, {name: inputs[name] for name in law.inputs})[0]
                rows.append({"N": N, "D": D, "r": r, "value": value * np.exp(noise * rng.normal())})
    return LossTable.from_frame(pd.DataFrame(rows).assign(eval_set="general"))


@pytest.mark.parametrize("law", list(TRUTH))
def test_the_measured_base_is_what_a_prediction_starts_from(law) -> None:
    fit = fit_law(law, losses(law), "general", bootstrap=10, holdouts=False)
    assert fit.mape < 1e-6
    unseen, start = 2.56e8, base_loss(2.56e8)
    truth = losses(law, (unseen,)).select("general").frame
    given = {name: start for name in ("L0", "G0") if name in fit.law.inputs}
    np.testing.assert_allclose(fit.mean(unseen, truth["D"], truth["r"], given), truth["value"], rtol=1e-4)


def test_a_base_that_was_not_measured_is_estimated_and_widens_the_interval() -> None:
    fit = fit_law("anchored-shift", losses("anchored-shift", noise=1e-3), "general", bootstrap=30)
    N, start = 2.56e8, base_loss(2.56e8)
    estimated, told = fit.predict(N, 1e6, 0.5).iloc[0], fit.predict(N, 1e6, 0.5, given={"L0": start}).iloc[0]
    assert abs(estimated["mean"] / told["mean"] - 1) < 0.01
    measured = fit.predict(SIZES[0], 1e6, 0.5)
    assert measured.equals(fit.predict(SIZES[0], 1e6, 0.5, given={"L0": base_loss(SIZES[0])}))
    assert fit.log_noise(N, 1e6)[0] >= fit.log_noise(N, 1e6, given={"L0": start})[0]


def test_it_survives_its_dictionary() -> None:
    fit = fit_law("base-surface", losses("base-surface", noise=1e-3), "general", bootstrap=10, holdouts=False)
    again = LawFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again.to_dict() == fit.to_dict()
    assert again.predict(5e7, 1e6, 0.4).equals(fit.predict(5e7, 1e6, 0.4))


def test_what_is_missing_is_said() -> None:
    table = losses("anchored-shift")
    bare = LossTable.from_frame(table.frame[table.frame["D"] > 0])
    with pytest.raises(ConfigError, match="needs the loss of the same evaluation set before") as caught:
        fit_law("anchored-shift", bare, "general")
    assert "D = 0" in str(caught.value.hint)
    fit = fit_law("anchored-shift", table, "general", bootstrap=0, holdouts=False)
    with pytest.raises(ConfigError, match="'U' is not an input"):
        fit.mean(1e7, 1e6, 0.5, {"U": 1e6})
    domain = LossTable.from_frame(table.frame.assign(eval_set="domain", role="domain"))
    with pytest.raises(ConfigError, match="is for the general loss"):
        fit_law("anchored-shift", domain, "domain")


def test_bases_are_looked_up_estimated_or_refused() -> None:
    bases = read_bases(losses("anchored-shift"), "general")
    assert bases.covers(SIZES)
    assert not bases.covers([2e6])
    loss, log_sd = bases.at([1e6, 2e6])
    np.testing.assert_allclose(loss, [base_loss(1e6), base_loss(2e6)], rtol=1e-4)
    assert log_sd[0] == 0
    with pytest.raises(FitError, match="at least 3"):
        Bases((1e6, 2e6), (3.0, 2.9)).at([5e6])
    with pytest.raises(ConfigError, match="ascending"):
        Bases((2e6, 1e6), (3.0, 2.9))


def test_raw_values_give_the_same_losses_without_units() -> None:
    table = losses("base-surface", noise=1e-3)
    fit = fit_law("d-cpt", table, "general", bootstrap=0, holdouts=False)
    raw = fit.raw_values
    rows = {"N": np.array([2e6, 3e7]), "D": np.array([4e5, 1e6]), "s": np.array([0.3, 0.8])}
    direct = fit.law.evaluate([raw[name] for name in fit.law.names], rows)
    np.testing.assert_allclose(direct, fit.mean(rows["N"], rows["D"], 1 - rows["s"]), rtol=1e-9)
    # A quadratic in log D has slopes that change with the unit: its coefficients alone cannot follow.
    assert fit_law("base-surface", table, "general", bootstrap=0, holdouts=False).raw_values is None


def test_a_law_that_leaves_the_positive_losses_is_refused() -> None:
    fit = fit_law("replay-log", losses("anchored-shift"), "general", bootstrap=0, holdouts=False)
    odd = replace(fit, theta=np.array([1.0, -5.0, 0.01]))
    assert odd.mean(1e7, 1e6, 0.0)[0] > 0
    with pytest.raises(FitError, match="no positive loss of 'general'"):
        odd.predict(1e7, 1e6, 0.9)


def test_several_general_sets_are_named_where_one_is_needed() -> None:
    """Every set has its losses at D = 0: what lacks is which of the general ones is meant."""
    one = losses("anchored-shift").frame
    both = [
        one.assign(eval_set=name, role=name.split("/")[0]) for name in ("general/a", "general/b", "domain")
    ]
    table = LossTable.from_frame(pd.concat(both))
    laws, left_out = default_laws(table, "domain")
    needs = [name for name in LAWS["domain"] if "G0" in get_law(name).inputs]
    assert needs
    assert not {law.name for law in laws} & set(needs)
    assert all("several general sets (general/a, general/b)" in left_out[name] for name in needs)
    with pytest.raises(ConfigError, match="several general sets"):
        fit_law(needs[0], table, "domain", bootstrap=2)
    called = table.frame.assign(eval_set=table.frame["eval_set"].replace("general/a", "general"))
    assert default_laws(LossTable.from_frame(called), "domain")[1] == {}
