"""The cheapest design, against every other set of the same runs; what a linear update rests on."""

from __future__ import annotations

from itertools import combinations
from types import ModuleType

import pytest

from dcpt.core.errors import ConfigError
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.belief import Belief, believe
from dcpt.plan.next_runs.candidate import Candidate, Cell, ladders
from dcpt.plan.next_runs.design import cheapest_design, in_order
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.next_runs.law_error import LawError
from dcpt.plan.next_runs.metric import Measure
from dcpt.plan.next_runs.pieces import Pieces
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.stopping import StoppingRule, regrets
from dcpt.plan.objective import Objective

QUESTION = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= -3%"})
PRICES = Prices(base_tokens=1e6)
OFFERED = [
    *(Candidate((Cell(0.055e6, r, (1.3e6,)),), "ratio") for r in (0.2, 0.8)),
    *(Candidate((Cell(0.6e6, r, (1.3e6,)),), "ratio") for r in (0.3, 0.6, 0.85)),
    Candidate(tuple(Cell(0.9e6, r, (1.3e6,)) for r in (0.3, 0.6, 0.9)), "size"),
]


@pytest.fixture(scope="module")
def belief(synthetic: ModuleType) -> Belief:
    return believe(synthetic.fits(), QUESTION, synthetic.table())


def test_no_run_of_a_design_can_be_left_out(belief: Belief, synthetic: ModuleType) -> None:
    pieces = Pieces.of(OFFERED)
    known, measure = Knowledge.of(belief, pieces.parts), Measure.of(belief, "width")
    have = synthetic.SIZES
    found = cheapest_design(known, pieces, PRICES, have, measure, 0.1)
    goal = 1.1**2 * found.everything
    assert found.variance <= goal
    # None of its runs can be left out, but a first run of a new size only with all of that size.
    for gone in found.parts:
        rest = [part for part in found.parts if part != gone]
        if pieces.parts[gone].sizes[0] in pieces.first:
            rest = [part for part in rest if pieces.parts[part].sizes != pieces.parts[gone].sizes]
        left = known
        for part in rest:
            left = left.buy(part)
        assert left.variance > goal
    cheaper = []
    for count in range(len(pieces.parts)):
        for parts in combinations(range(len(pieces.parts)), count):
            new = sum(pieces.parts[part].sizes[0] in pieces.first for part in parts)
            cells = tuple(cell for part in parts for cell in pieces.parts[part].cells)
            if new in (1, 2) or not cells:
                continue
            left = known
            for part in parts:
                left = left.buy(part)
            if left.variance <= goal:
                cheaper.append(PRICES.of(Candidate(cells, "mixed"), have))
    assert found.flops <= 2 * min(cheaper)  # it saves no base at the price of many runs


def test_first_runs_of_a_size_are_one_purchase_with_one_base(belief: Belief, synthetic: ModuleType) -> None:
    pieces = Pieces.of(OFFERED)
    known, measure = Knowledge.of(belief, pieces.parts), Measure.of(belief, "width")
    everything = range(len(pieces.parts))
    steps = in_order(known, pieces, PRICES, synthetic.SIZES, measure, everything, 99)
    whole = Candidate(tuple(cell for part in pieces.parts for cell in part.cells), "mixed")
    assert sum(flops for _, flops, _, _ in steps) == pytest.approx(PRICES.of(whole, synthetic.SIZES))
    (size,) = (candidate for candidate, *_ in steps if candidate.kind == "size")
    assert len(size.cells) == 3
    # Bought one after another or seen as a whole, the same runs tell the same, of the law's error exactly.
    everything_known = cheapest_design(known, pieces, PRICES, synthetic.SIZES, measure, 0.0).everything
    assert steps[-1][3].variance == pytest.approx(everything_known, rel=0.1)
    assert steps[-1][3].law_error.sd == pytest.approx(known.law_error_after(whole).sd, rel=1e-12)
    assert known.law_error_after(size).sd < known.law_error_after(Candidate(size.cells[:1], "ratio")).sd


def test_money_bounds_a_design(belief: Belief, synthetic: ModuleType) -> None:
    pieces = Pieces.of(OFFERED)
    known, measure = Knowledge.of(belief, pieces.parts), Measure.of(belief, "regret")
    free = cheapest_design(known, pieces, PRICES, synthetic.SIZES, measure)
    poor = cheapest_design(known, pieces, PRICES, synthetic.SIZES, measure, money=free.flops / 2)
    assert poor.flops <= free.flops / 2
    assert known.variance >= poor.variance >= free.variance


def test_regret_is_what_the_draws_expect(belief: Belief) -> None:
    measure = Measure.of(belief, "regret")
    now = measure.start
    for factor in (0.3, 0.77, 1.0):
        expected = regrets(belief, belief.r, factor).mean()
        assert measure.amount(factor**2 * now) == pytest.approx(expected, rel=0.02)
    with pytest.raises(ConfigError, match="width or regret"):
        Measure.of(belief, "luck")


def test_a_proxy_beyond_the_target_is_as_near_as_one_below_it(synthetic: ModuleType) -> None:
    error = LawError.of(synthetic.fit_of("general"), 5e6, 1e6)

    def sd(N: float) -> float:
        return error.after([N], [1e6], [0]).sd

    top = error.top["N"]
    assert sd(5e6 * 2) >= sd(5e6 / 2)  # as far away, and less is known of it
    assert sd(25e12 / top) == sd(1.01 * 25e12 / top) == error.sd
    assert sd(1e9) == error.sd
    assert sd(5e6) < sd(5e6 / 2) < error.sd


def test_more_runs_will_not_change_the_answer(synthetic: ModuleType) -> None:
    far = [Candidate((Cell(0.055e6, 0.5, (0.33e6,)),), "repeat")]
    found = advise(synthetic.fits(), QUESTION, synthetic.table(), far, rule=StoppingRule(tolerance=1e-9))
    assert [reason.kind for reason in found.stop] == ["shrink"]
    assert found.summary().startswith("Stop. More runs will not change the answer: ")
    assert f"at {found.everything_width:.3f} ({found.width:.3f} now)" in found.summary()
    assert found.everything_width > 0.95 * found.width
    tried = advise(synthetic.fits(), QUESTION, synthetic.table(), OFFERED, rule=StoppingRule(tolerance=1e-9))
    assert not tried.stop
    assert tried.summary().startswith("Go on: ")
    assert tried.everything_width < 0.95 * tried.width


def test_schedules_of_a_candidate_are_alternatives_that_differ_in_price(synthetic: ModuleType) -> None:
    rungs = ladders((0.66e6, 1.3e6))
    cells = [Cell(0.6e6, r, rungs[-1], "", share) for r in (0.2, 0.5, 0.8) for share in (None, 1.0)]
    offered = [Candidate((cell,), "ratio") for cell in cells]
    assert Prices().run(cells[1]) > Prices().run(cells[0])
    found = advise(
        synthetic.fits(), QUESTION, synthetic.table(), offered, rule=StoppingRule(least_shrink=0), batch=9
    )
    bought = [cell for offer in found.batch for cell in offer.candidate.cells]
    assert bought
    assert all(cell.decay_share is None for cell in bought)
    assert any("differ in price only" in note for note in found.notes)
    with pytest.raises(ConfigError, match="decay_share is 2"):
        Cell(0.6e6, 0.5, (1e6,), "", 2.0)
