"""Limited data solved: against brute force, draw by draw, with its constraints named and priced."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dcpt.core.errors import ConfigError, PlanError
from dcpt.fit.fit_file import FitSet
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.free_form import choose_free_fit
from dcpt.plan.supply.question import Limit, Question, Term
from dcpt.plan.supply.region import Tokens
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.supply.solve_supply import solve_supply

N = 0.6e6
RANGE = (0.1, 0.9)


@pytest.fixture(scope="module")
def ask(synthetic):
    """A question of the synthetic laws; `rise` is the tolerance above the base's general loss."""

    def make(rise=None, draws=40, weights=(1.0, 0.0), only=None):
        fits = {side: synthetic.fit_of(side, draws=draws, spread=0.005) for side in ("general", "domain")}
        rows = np.arange(draws)
        if only is not None:  # one draw as a question of its own
            fits = {
                side: synthetic.fit_of(side, dict(zip(fit.law.names, fit.draws[only], strict=True)), draws=2)
                for side, fit in fits.items()
            }
            rows = np.empty(0, dtype=np.int64)
        laws = {side: DrawnLaw(side, fit, N, rows) for side, fit in fits.items()}
        terms = [Term(laws[side], w) for side, w in zip(("domain", "general"), weights, strict=True) if w > 0]
        ceiling = synthetic.base_loss(N) * (1 + (rise or 0))
        limits = () if rise is None else (Limit(laws["general"], ceiling),)
        return Question(tuple(terms), limits)

    return make


def brute(question, supply, cap, points=600):
    """Lowest value over a dense grid of shares and tokens, and where."""
    r = np.linspace(*RANGE, points)[:, None]
    D = cap(r) * np.geomspace(1e-2, 1.0, 200)[None]
    share = np.broadcast_to(r, D.shape)
    at = D[None], share[None]
    value = question.value(slice(0, 1), *at, supply)[0]
    excess = question.excess(slice(0, 1), *at, supply)
    if excess is not None:
        value = np.where(excess[0] <= 0, value, np.inf)
    best = np.unravel_index(value.argmin(), value.shape)
    return float(value[best]), float(share[best]), float(D[best])


CASES = {
    "pool": (None, Supply(0.2e6, None, 1.0), Tokens(), lambda r: 0.2e6 / r),
    "pool with ceiling": (-0.055, Supply(0.2e6, None, 1.0), Tokens(), lambda r: 0.2e6 / r),
    "repetition": (-0.06, Supply(0.2e6), Tokens(most=4e6), lambda r: 4e6 + 0 * r),
    "both pools": (
        -0.06,
        Supply(0.2e6, 0.3e6, 4.0, 4.0),
        Tokens(most=3e6),
        lambda r: np.minimum(3e6, np.minimum(0.8e6 / r, 1.2e6 / (1 - r))),
    ),
    "budget": (-0.045, Supply(0.05e6), Tokens(budget=1e6), lambda r: 1e6 + 0 * r),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer_is_that_of_brute_force(ask, case):
    rise, supply, tokens, cap = CASES[case]
    question = ask(rise, draws=0)
    answer = solve_supply(question, supply, tokens, RANGE)
    value, r, D = brute(question, supply, cap)
    assert answer.value <= value + 1e-9
    assert answer.value == pytest.approx(value, rel=5e-4)
    assert answer.r == pytest.approx(r, abs=0.01)
    assert pytest.approx(D, rel=0.02) == answer.D
    for limit in question.limits:
        assert answer.losses["general"] <= limit.ceiling * (1 + 1e-12)
    assert float(cap(np.array(answer.r))) * (1 + 1e-9) >= answer.D


def test_one_epoch_of_unlimited_general_text_is_usage_2(ask, synthetic):
    # min over r of L(N, U/r, r): Que et al. 2024, Sec. 4.4. With this nu the optimum is an inner one.
    fit = synthetic.fit_of("domain", dict(synthetic.DOMAIN, nu=1.3, B=1.5, C=0.25), draws=2)
    law = DrawnLaw("domain", fit, N, np.empty(0, dtype=np.int64))
    answer = solve_supply(Question((Term(law),)), Supply(0.3e6, None, 1.0), Tokens(), (0.05, 1.0))
    found = minimize_scalar(
        lambda r: float(fit.mean(N, 0.3e6 / r, r)[0]),
        bounds=(0.05, 1.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert 0.1 < found.x < 0.9
    assert answer.r == pytest.approx(found.x, abs=1e-5)
    assert pytest.approx(0.3e6 / answer.r, rel=1e-12) == answer.D
    assert answer.value == pytest.approx(found.fun, rel=1e-10)
    assert answer.epochs == {"domain": pytest.approx(1.0)}
    assert (answer.binding, answer.binding_name) == ("pool", "domain")
    assert [(caveat.kind, caveat.weight) for caveat in answer.caveats] == [("free_fit", "note")]


@pytest.mark.parametrize("case", ["pool with ceiling", "repetition", "both pools"])
def test_every_draw_is_solved_as_if_it_were_alone(ask, case):
    rise, supply, tokens, _ = CASES[case]
    drawn = solve_supply(ask(rise), supply, tokens, RANGE, prices=False).draws
    for draw in range(0, 40, 8):
        alone = solve_supply(ask(rise, only=draw), supply, tokens, RANGE, prices=False)
        assert drawn.feasible[draw]
        assert drawn.r[draw] == pytest.approx(alone.r, abs=1e-3)
        assert drawn.D[draw] == pytest.approx(alone.D, rel=2e-3)
        assert drawn.value[draw] == pytest.approx(alone.value, rel=1e-5)


def test_more_of_anything_never_hurts(ask):
    question = ask(-0.06, draws=0)

    def value(supply, most=1.5e6, asked=question):
        return solve_supply(asked, supply, Tokens(most=most), RANGE, prices=False).value

    base = value(Supply(0.2e6, 0.3e6, 2.0, 2.0))
    assert value(Supply(0.3e6, 0.3e6, 2.0, 2.0)) <= base
    assert value(Supply(0.2e6, 0.4e6, 2.0, 2.0)) <= base + 1e-10
    assert value(Supply(0.2e6, 0.3e6, 3.0, 2.0)) <= base
    assert value(Supply(0.2e6, 0.3e6, 2.0, 2.0), most=1e6) >= base
    assert value(Supply(0.2e6, 0.3e6, 2.0, 2.0), asked=ask(-0.065, draws=0)) >= base
    assert value(Supply(0.2e6, 0.3e6, 2.0, 2.0, decay=5.0)) >= base


def test_what_binds_is_named_and_priced(ask):
    def solved(rise, supply, tokens, weights=(1.0, 0.0)):
        return solve_supply(ask(rise, draws=0, weights=weights), supply, tokens, RANGE)

    kept = solved(-0.06, Supply(), Tokens(D=1e6))
    assert (kept.binding, kept.binding_name) == ("ceiling", "general")
    capped = solved(None, Supply(0.2e6, None, 4.0), Tokens(most=20e6), (0.4, 0.6))
    assert (capped.binding, capped.binding_name) == ("epochs", "domain")
    assert capped.epochs["domain"] == pytest.approx(4.0)
    free = solved(None, Supply(), Tokens(budget=1e6), (0.4, 0.6))
    assert free.binding == "budget"
    end = solved(None, Supply(), Tokens(budget=2e6))
    prices = {str(price): price for price in end.prices if price.active}
    assert end.r == pytest.approx(0.9)  # the domain loss falls to the highest share searched
    assert prices["budget"].per_percent < prices["range r"].per_percent < 0
    assert (end.binding, end.binding_name) == ("range", "r")
    reached = solved(None, Supply(), Tokens())
    assert pytest.approx(3 * 1.3e6) == reached.D
    assert {caveat.kind for caveat in reached.caveats} == {"tokens_at_edge"}
    # A price is what 1 % more is worth: the answer to the relaxed question.
    price = next(price for price in kept.prices if price.constraint == "ceiling")
    more = solved(1.01 * 0.94 - 1, Supply(), Tokens(D=1e6))
    assert price.per_percent == pytest.approx(more.value - kept.value, rel=1e-6)
    assert price.amount == pytest.approx(kept.losses["general"], rel=1e-9)


def test_repeats_come_with_a_caveat_and_other_decays(ask):
    few = solve_supply(ask(-0.06), Supply(0.3e6), Tokens(most=1.2e6), RANGE)
    many = solve_supply(ask(-0.06), Supply(0.02e6), Tokens(most=3e6), RANGE)
    assert [(caveat.kind, caveat.weight) for caveat in few.caveats] == [
        ("repetition_not_measured", "note"),
        ("free_fit", "note"),
    ]
    assert {caveat.kind for caveat in many.caveats} == {"repetition_not_measured", "many_epochs", "free_fit"}
    assert "15.39" in many.caveats[0].message
    assert sorted(many.at_decay) == pytest.approx([15.387756 / 2, 15.387756 * 2])
    assert many.worth["domain"] < many.epochs["domain"] * 0.02e6
    assert many.outside == ("D",)


def test_intervals_hold_the_point_and_the_level(ask):
    answer = solve_supply(ask(-0.06), Supply(0.2e6), Tokens(most=2e6), RANGE, level=0.8)
    low, high = answer.interval["r"]
    assert low <= answer.r <= high
    inside = (answer.draws.r >= low) & (answer.draws.r <= high)
    assert inside.mean() >= 0.8
    assert answer.draws.active["ceiling general"] == 1.0
    assert answer.draws.infeasible_share == 0.0


def test_an_infeasible_limit_says_the_nearest_one_that_holds(ask, synthetic):
    with pytest.raises(PlanError, match=r"keeps general <= ") as error:
        solve_supply(ask(-0.5), Supply(0.2e6), Tokens(most=1e6), RANGE)
    nearest = float(error.value.hint.split("'general <= ")[1].split("'")[0])
    rise = nearest / synthetic.base_loss(N) - 1
    solve_supply(ask(rise), Supply(0.2e6), Tokens(most=1e6), RANGE)
    with pytest.raises(PlanError):
        solve_supply(ask(rise - 1e-4), Supply(0.2e6), Tokens(most=1e6), RANGE)


def test_a_balance_of_both_sides_moves_between_them(ask):
    def share(weights):
        question = ask(None, draws=0, weights=weights)
        return solve_supply(question, Supply(0.3e6), Tokens(most=2e6), RANGE, prices=False).r

    assert share((0.9, 0.1)) > share((0.5, 0.5)) > share((0.1, 0.9))


def test_contradictions_are_refused(ask):
    question = ask(-0.1, draws=0)
    with pytest.raises(ConfigError, match="cannot be filled"):
        solve_supply(question, Supply(0.2e6, 0.2e6, 1.0, 1.0), Tokens(D=1e6), RANGE)
    with pytest.raises(ConfigError, match="range of ratios"):
        solve_supply(question, Supply(), Tokens(D=1e6), (0.8, 0.2))
    with pytest.raises(ConfigError, match="wanted one of both"):
        Tokens(D=1e6, most=2e6)
    with pytest.raises(ConfigError, match="budget is 0"):
        Tokens(budget=0.0)
    with pytest.raises(ConfigError, match="level is 90"):
        solve_supply(question, Supply(), Tokens(D=1e6), RANGE, level=90)


def test_given_tokens_leave_the_shares_that_the_pools_can_fill(ask):
    answer = solve_supply(ask(None, draws=0), Supply(0.2e6, None, 2.0), Tokens(D=1e6), RANGE)
    assert answer.r == pytest.approx(0.4)
    assert answer.binding in ("epochs", "pool")


def test_the_constrained_form_is_not_chosen_for_limited_data(synthetic):
    values = {**synthetic.DOMAIN, "nu": 1.2, "C1": 0.1}
    del values["C"]
    constrained = synthetic.fit_of("domain", values, law="d-cpt-constrained", draws=2, held_out=0.001)
    general = synthetic.fit_of("general", draws=2)
    with pytest.raises(PlanError, match="constrained D-CPT law"):
        choose_free_fit(FitSet((general, constrained)), "domain")
    both = FitSet((general, constrained, synthetic.fit_of("domain", draws=2)))
    assert choose_free_fit(both, "domain").law.name == "d-cpt"
    named = choose_free_fit(both, "domain", "d-cpt-constrained")
    law = DrawnLaw("domain", named, N, np.empty(0, dtype=np.int64))
    answer = solve_supply(Question((Term(law),)), Supply(0.5e6, None, 1.0), Tokens(), RANGE)
    assert answer.r == pytest.approx(0.9)
    assert [caveat.kind for caveat in answer.caveats] == ["constrained_fit"]
