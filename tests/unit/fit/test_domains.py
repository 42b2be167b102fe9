"""Fits over several domains, and in two stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.fit.domains import ShortRun, short_run_coefficients, stack_domains
from dcpt.fit.fit import fit_data
from dcpt.fit.left_domains import leave_domains_out
from dcpt.fit.short_run import common_short_run
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


def test_every_pair_of_domains_is_left_out_and_predicted(tables) -> None:
    """The losses differ by domain through their start alone: the law that looks at it wins on every pair."""
    found = leave_domains_out(tables, ["cross-d-cpt-k1", "d-cpt"], run=RUN)
    assert len(found.by_choice) == 6
    assert found.by_choice.columns[0] == found.tournament.winner("domain") == "cross-d-cpt-k1"
    frame = found.frame[found.frame["model"] == "cross-d-cpt-k1"]
    assert len(frame) == 12
    assert (frame["rows"] == 27).all()
    inner = frame[frame["left_out"] == "sea + tax"]  # between the two domains that stay
    blind = found.frame[(found.frame["model"] == "d-cpt") & (found.frame["left_out"] == "sea + tax")]
    assert (inner["mape"].to_numpy() < 0.7 * blind["mape"].to_numpy()).all()
    mean = found.tournament.ranking("domain").set_index("model")["mae"]
    assert found.by_choice.mean()[mean.index].tolist() == pytest.approx(mean.tolist())
    assert "sea + tax" in found.summary()


def test_one_domain_at_a_time_and_too_few(tables) -> None:
    three = {name: tables[name] for name in ("ore", "sea", "zoo")}
    with pytest.raises(ConfigError, match=r"leaving out 2 of 3 domains \(ore, sea, zoo\).*wanted 4"):
        leave_domains_out(three, run=RUN)
    found = leave_domains_out(three, ["cross-d-cpt-k1"], left_out=1, run=RUN)
    assert sorted(found.by_choice.index) == ["ore", "sea", "zoo"]


def test_the_cheapest_short_run_that_all_tables_have(tables) -> None:
    """Smallest size, largest share; 5M and 10M are the readings whose second is half the third."""
    assert common_short_run(tables) == ShortRun(1e6, 0.8, (1e6, 5e6, 1e7))
    frame = tables["ore"].frame
    fewer = LossTable(frame[(frame["r"] != 0.8) | (frame["N"] > 1e6)])
    assert common_short_run({**tables, "ore": fewer}).r == 0.5
    with pytest.raises(DataError, match="share no short run"):
        common_short_run({**tables, "ore": LossTable(frame[frame["D"] != 5e6])})


def test_tokens_of_the_papers_readings() -> None:
    """Que et al. 2024: D runs from 0.1311B (1,000 steps) to 26B (200k steps), 131,072 tokens a step."""
    run = ShortRun.at_steps(0.5e9, 0.5, 131_072)
    assert run.D[0] == pytest.approx(0.1311e9, rel=3e-4)
    assert run.D == (131_072_000, 655_360_000, 1_310_720_000)
    assert ShortRun.at_steps(1, 0.5, 131_072, (1, 2, 200_000)).D[2] == pytest.approx(26.2e9, rel=1e-3)
    with pytest.raises(ConfigError, match="steps that grow"):
        ShortRun.at_steps(0.5e9, 0.5, 131_072, (1000, 500, 2000))


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
