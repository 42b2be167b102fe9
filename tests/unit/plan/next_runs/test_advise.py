"""Advice on fits of known truth: ranking, money, stopping, and what may be offered."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError, PlanError
from dcpt.plan.next_runs.advice import Advice
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.belief import believe
from dcpt.plan.next_runs.candidate import Candidate, Cell, ladders
from dcpt.plan.next_runs.candidate_file import read_candidates
from dcpt.plan.next_runs.candidates import Bought, default_candidates
from dcpt.plan.next_runs.law_error import LawError
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.stopping import StoppingRule, regrets
from dcpt.plan.objective import Objective

QUESTION = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= -3%"})


@pytest.fixture(scope="module")
def advice(synthetic: ModuleType) -> Advice:
    return advise(synthetic.fits(), QUESTION, synthetic.table(), prices=Prices(base_tokens=1e6))


def test_the_ranking_is_per_flop_and_the_batch_narrows(advice: Advice) -> None:
    widths = [advice.width, *(offer.width for offer in advice.batch)]
    assert all(later <= earlier for earlier, later in pairwise(widths))
    assert advice.batch
    assert advice.everything_width <= advice.design_width <= widths[-1] * (1 + 1e-9)
    assert sum(len(offer.candidate.cells) for offer in advice.batch) <= advice.design_runs
    first = [offer.gain for offer in advice.ranking[:10]]
    assert first == sorted(first, reverse=True)
    assert all(offer.regret <= advice.regret * (1 + 1e-9) for offer in advice.ranking)
    assert json.loads(json.dumps(advice.to_dict(), allow_nan=False))["schema_version"] == 1


def test_money_is_not_exceeded(synthetic: ModuleType, advice: Advice) -> None:
    money = 1.01 * min(offer.flops for offer in advice.ranking)
    poor = advise(synthetic.fits(), QUESTION, synthetic.table(), prices=Prices(1e6), max_flops=money)
    assert all(offer.flops <= money for offer in poor.ranking)
    assert poor.flops <= money
    # The cheapest run alone narrows nothing, whatever all candidates would: that is no reason to go on.
    assert poor.everything_width < 0.95 * poor.width < poor.design_width
    assert [reason.kind for reason in poor.stop] == ["shrink"]
    assert "FLOPs buy will not change the answer" in poor.summary()


def test_a_large_tolerance_stops_and_a_small_one_does_not(synthetic: ModuleType, advice: Advice) -> None:
    offered = [offer.candidate for offer in advice.ranking[:3]]

    def stops(rule: StoppingRule) -> set[str]:
        found = advise(synthetic.fits(), QUESTION, synthetic.table(), offered, rule=rule, batch=1)
        return {reason.kind for reason in found.stop}

    assert "regret" in stops(StoppingRule(tolerance=2 * advice.regret))
    assert "regret" not in stops(StoppingRule(tolerance=advice.regret / 2))
    assert "shrink" in stops(StoppingRule(least_shrink=0.99))
    assert "shrink" not in stops(StoppingRule(least_shrink=0.0))


def test_the_list_of_runs_agrees_with_the_verdict(synthetic: ModuleType, advice: Advice) -> None:
    offered = [offer.candidate for offer in advice.ranking[:3]]

    def words(tolerance: float) -> str:
        rule = StoppingRule(tolerance=tolerance, least_shrink=0.0)
        return advise(synthetic.fits(), QUESTION, synthetic.table(), offered, rule=rule, batch=1).summary()

    stop, go_on = words(2 * advice.regret), words(advice.regret / 2)
    assert stop.startswith("Stop. ")
    assert "(its expected regret), no more than the" in stop
    assert "Not advised; whoever buys all the same begins with these (" in stop
    assert "Buy " not in stop
    assert go_on.startswith("Go on: ")
    assert "(its expected regret), more than the" in go_on
    assert "Not advised" not in go_on
    assert "Buy these first, then fit and ask again (" in go_on or "Buy together (" in go_on


def test_the_end_of_the_searched_ratios_is_said(synthetic: ModuleType) -> None:
    """A limit that nothing breaks: the domain loss falls up to the last ratio searched."""
    low, high = believe(synthetic.fits(), QUESTION, synthetic.table()).grid[[0, -1]]

    def words(**limits: float) -> str:
        asked = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= +500%", **limits})
        return advise(synthetic.fits(), asked, synthetic.table()).summary()

    fitted = words()
    assert fitted.startswith("Stop. More runs at the ratios searched will not change the answer: ")
    assert f"r* is the highest ratio searched ({low:g} to {high:g})" in fitted
    assert f"runs at ratios above {high:g} are what to buy" in fitted
    assert "the objective keeps the search from the fitted ratios above it" in words(r_max=0.6)
    assert "ratio searched" not in advise(synthetic.fits(), QUESTION, synthetic.table()).summary()


def test_regret_is_nought_where_the_best_ratios_are(synthetic: ModuleType) -> None:
    belief = believe(synthetic.fits(), QUESTION, synthetic.table())
    assert regrets(belief, belief.r, factor=0.0) == pytest.approx(0.0)
    means = [regrets(belief, belief.r, factor).mean() for factor in (0.25, 0.5, 1.0)]
    assert means == sorted(means)
    assert regrets(belief, 0.15).mean() > means[-1]


def test_unreadable_questions_are_refused(synthetic: ModuleType) -> None:
    few = synthetic.fits(draws=20)
    with pytest.raises(PlanError, match="20 bootstrap draws"):
        advise(few, QUESTION, synthetic.table())
    with pytest.raises(ConfigError, match="no candidate"):
        advise(synthetic.fits(), QUESTION, synthetic.table(), candidates=())
    with pytest.raises(ConfigError, match="batch is 0"):
        advise(synthetic.fits(), QUESTION, synthetic.table(), batch=0)
    with pytest.raises(ConfigError, match="looks like a percentage"):
        Cell(1e6, 30.0, (1e6,))


def test_a_trunk_is_paid_once_and_a_base_where_there_is_none() -> None:
    # A constant-rate trunk to 0.8 of the longest budget, and a decay of 0.2 of each: 0.8 + 0.05 + 0.1 + 0.2.
    prices = Prices(base_tokens=3e6, decay_share=0.2, flops_per_token={2e6: 20e6})
    cell = Cell(2e6, 0.5, (0.25e6, 0.5e6, 1e6))
    assert prices.run(cell) == pytest.approx(1.15e6 * 20e6)
    pair = Candidate((cell, cell), "size")
    assert prices.of(pair, with_base=(2e6,)) == pytest.approx(2 * prices.run(cell))
    assert prices.of(pair, with_base=()) == pytest.approx(2 * prices.run(cell) + 3e6 * 20e6)
    assert Prices(decay_share=1.0).run(cell) == pytest.approx(6 * 2e6 * 1.75e6)
    assert ladders((2.0, 1.0)) == ((1.0,), (1.0, 2.0))


def test_the_error_of_the_law_is_that_of_its_predictions(synthetic: ModuleType) -> None:
    fit = synthetic.fit_of("general")
    for N, D in ((0.3e6, 1e6), (1e6, 1e6), (5e6, 1e6), (1e6, 4e6)):
        assert LawError.of(fit, N, D).sd == pytest.approx(float(fit.log_noise(N, D)[0]))
    error = LawError.of(fit, 5e6, 1e6)
    at = error.after([1.5e6], [1e6], [0])
    nearer = error.after([3e6], [1e6], [0])
    assert nearer.sd < at.sd <= error.sd
    assert error.after([1.5e6] * 3, [1e6] * 3, [0, 1, 2]).sd < at.sd
    assert error.after([0.5e6], [1e6], [0]).sd == error.sd


def test_offers_hold_repeats_unseen_ratios_and_new_sizes(synthetic: ModuleType) -> None:
    bought = Bought.of(synthetic.table())
    assert (len(bought.sizes), bought.ratios) == (4, synthetic.RATIOS)
    offered = default_candidates(bought, 3e6, 2e6, 0.62)
    assert {candidate.kind for candidate in offered} == {"repeat", "ratio", "size"}
    assert max(cell.budgets[-1] for candidate in offered for cell in candidate.cells) == 2e6
    new = {N for candidate in offered for N in candidate.sizes} - set(bought.sizes)
    assert any(0.6e6 < N < 3e6 for N in new)
    assert any(N < 0.6e6 for N in new)
    assert all(len(candidate.cells) == 3 for candidate in offered if candidate.kind == "size")


def test_a_list_of_runs_is_read_and_its_mistakes_are_named(tmp_path: Path, synthetic: ModuleType) -> None:
    bought = Bought.of(synthetic.table())
    path = tmp_path / "runs.csv"
    path.write_text("N,D,r,repeats\n0.6M,0.66M+1.3M,0.5,2\n1.2M,1.3M,0.6,\n")
    pair, new = read_candidates(path, bought)
    assert (pair.kind, len(pair.cells), pair.cells[0].budgets) == ("repeat", 2, (0.66e6, 1.3e6))
    assert (new.kind, new.sizes) == ("size", (1.2e6,))
    for text, said in (
        ("N,D\n1M,1M\n", "'r' is missing"),
        ("N,D,r\n1M,1M,60\n", "looks like a percentage"),
        ("N,D,r\n1M,many,0.5\n", "row 1"),
        ("N,D,r,repeats\n1M,1M,0.5,0\n", "repeats is 0"),
        ("N,D,r,repeats\n1M,1M,0.5,nan\n", "holds nan"),
        ("N,D,r,speed\n1M,1M,0.5,3\n", "'speed' is unknown"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_candidates(path, bought)


def test_named_runs_are_bought_once(synthetic: ModuleType) -> None:
    rungs = ladders((0.66e6, 1.3e6))
    named = [Cell(0.6e6, r, rung, f"at {r}") for r in (0.2, 0.4, 0.6, 0.8) for rung in rungs]
    offered = [Candidate((cell,), "ratio") for cell in named]
    found = advise(
        synthetic.fits(), QUESTION, synthetic.table(), offered, rule=StoppingRule(least_shrink=0), batch=9
    )
    names = [offer.candidate.cells[0].name for offer in found.batch]
    assert names
    assert len(set(names)) == len(names) <= 4
    assert all(np.isfinite(offer.gain) for offer in found.batch)


def test_where_the_range_ends_there_is_nothing_to_learn(synthetic: ModuleType) -> None:
    loose = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= 9"})
    found = advise(synthetic.fits(), loose, synthetic.table())
    assert (found.r, found.width, found.batch) == (0.9, 0.0, ())
    assert "regret" in {reason.kind for reason in found.stop}
    assert found.summary().startswith("Stop.")
