"""Fits over several domains, and in two stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.fit.domains import ShortRun, short_run_coefficients, stack_domains
from dcpt.fit.fit import fit_data
from dcpt.fit.tournament import rank_laws
from dcpt.fit.two_stage import fit_two_stage
from dcpt.laws import get_law

RUN = ShortRun(1e6, 0.5, (1e6, 5e6, 1e7))
START = {"ore": 4.0, "sea": 3.4, "tax": 3.0, "zoo": 2.6}
"""Domain to its loss before training, which is all that tells the domains apart here."""


def table(start: float, noise: float = 1e-3, seed: int = 0) -> LossTable:
    rng = np.random.default_rng(seed)
    rows = []
    for N in (1e6, 4e6, 1.6e7):
        rows.append({"N": N, "D": 0.0, "r": 0.0, "value": start + 1.0})
        for r in (0.2, 0.5, 0.8):
            for D in (1e6, 5e6, 1e7):
                loss = (
                    start
                    - 2
                    + 0.3 * (N / 1e6) ** -0.3
                    + 0.6 * r**0.4 * (D / 1e6) ** -0.3
                    + 0.4 * (r + 0.1) ** -0.4
                )
                rows.append({"N": N, "D": D, "r": r, "value": loss * np.exp(noise * rng.normal())})
    return LossTable.from_frame(pd.DataFrame(rows).assign(eval_set="domain"))


@pytest.fixture(scope="module")
def tables() -> dict[str, LossTable]:
    return {name: table(start, seed=seed) for seed, (name, start) in enumerate(START.items())}


def test_an_unseen_domain_is_predicted_from_its_short_run(tables) -> None:
    unseen = tables["tax"]
    rest = {name: item for name, item in tables.items() if name != "tax"}
    fit = fit_data("cross-d-cpt-k1", stack_domains(rest, RUN), bootstrap=0, holdouts=False)
    ends = unseen.select("domain").frame
    given = {"k1": short_run_coefficients(unseen, "domain", RUN)["k1"]}
    predicted = fit.mean(ends["N"], ends["D"], ends["r"], given)
    blind = fit_data("d-cpt", stack_domains(rest), bootstrap=0, holdouts=False)
    error = np.abs(predicted / ends["value"] - 1).mean()
    assert error < 0.02
    assert error < 0.2 * np.abs(blind.mean(ends["N"], ends["D"], ends["r"]) / ends["value"] - 1).mean()


def test_stacked_rows_keep_their_domain_and_their_runs(tables) -> None:
    data = stack_domains(tables, RUN)
    assert len(data) == 4 * 27
    assert len(np.unique(data.groups)) == 4 * 9
    np.testing.assert_array_equal(np.unique(data.extra["domain"]), range(4))
    frame = rank_laws(data, ["cross-d-cpt-k1", "d-cpt"], ["domain pair"]).frame
    assert frame["model"].iloc[0] == "cross-d-cpt-k1"


def test_a_missing_short_run_is_named(tables) -> None:
    with pytest.raises(DataError, match="no loss of 'domain' at D = 2"):
        stack_domains(tables, ShortRun(1e6, 0.5, (1e6, 2e6, 1e7)))
    with pytest.raises(ConfigError, match="no table"):
        stack_domains({})


def test_two_stages_hold_what_the_scratch_runs_say() -> None:
    scratch, continual = get_law("chinchilla"), get_law("cross-lingual")
    truth = {"E": 1.5, "A": 0.8, "alpha": 0.35, "B": 0.9, "beta": 0.3, "gamma": 0.08}
    grid = [(N, D) for N in (1e6, 4e6, 1.6e7, 6.4e7) for D in (1e6, 4e6, 1.6e7)]

    def losses(law) -> LossTable:
        theta = [truth[name] for name in law.names]
        rows = [
            {"N": N, "D": D, "r": 1.0, "value": law.evaluate(theta, {"N": N / 1e6, "D": D / 1e6})[0]}
            for N, D in grid
        ]
        return LossTable.from_frame(pd.DataFrame(rows).assign(eval_set="domain"))

    one, two = fit_two_stage(losses(scratch), losses(continual), "domain", bootstrap=0, holdouts=False)
    assert dict(two.fixed) == pytest.approx({name: one.values[name] for name in ("E", "A", "alpha")})
    ratio = (two.units.N / 1e6, two.units.D / 1e6)
    assert ratio == (1.0, 1.0)
    assert two.values == pytest.approx(truth, rel=1e-3)
