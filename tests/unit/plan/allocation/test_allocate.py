"""Budgets allocated: against the closed form, from lists of sizes, under limits and pools."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, PlanError
from dcpt.laws.allocation import compute_optimal
from dcpt.laws.dcpt_law import at_share
from dcpt.plan.allocation.allocate import allocate
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.question import Limit, Question, Term
from dcpt.plan.supply.repetition import Supply

N_RANGE = (0.02e6, 8e6)
FLOPS = 4e12


@pytest.fixture(scope="module")
def ask(synthetic):
    """Question of a size; `rise` is the tolerance above the base's general loss of that size."""

    def make(rise=None, draws=30, spread=0.005):
        general, domain = (
            synthetic.fit_of(side, draws=max(draws, 2), spread=spread) for side in ("general", "domain")
        )
        rows = np.arange(draws)

        def at(N):
            limits = ()
            if rise is not None:
                law = DrawnLaw("general", general, N, rows)
                limits = (Limit(law, synthetic.base_loss(N) * (1 + rise)),)
            return Question((Term(DrawnLaw("domain", domain, N, rows)),), limits)

        return at

    return make


def test_the_search_finds_the_formulas_size(ask, synthetic):
    best = compute_optimal(at_share(synthetic.DOMAIN, 0.6), FLOPS, unit_N=1e6, unit_D=1e6)
    formula = allocate(ask(), FLOPS, (0.6, 0.6), N_range=N_RANGE)
    searched = allocate(ask(), FLOPS, (0.6, 0.6), N_range=N_RANGE, flops_per_token=lambda N: 6 * N)
    assert (formula.how, searched.how) == ("closed form", "numerical")
    assert pytest.approx((best.N, best.D), rel=1e-9) == (formula.N, formula.D)
    assert pytest.approx((best.N, best.D), rel=2e-3) == (searched.N, searched.D)
    assert searched.value == pytest.approx(formula.value, rel=1e-7)
    np.testing.assert_allclose(searched.draws.N, formula.draws.N, rtol=0.01)
    np.testing.assert_allclose(searched.draws.value, formula.draws.value, rtol=1e-5)
    assert pytest.approx(FLOPS) == 6 * formula.N * formula.D
    assert formula.binding == "budget"
    assert formula.flops_per_domain_token == pytest.approx(6 * formula.N / 0.6)


def test_every_draw_has_the_formulas_size(ask, synthetic):
    answer = allocate(ask(), FLOPS, (0.6, 0.6), N_range=N_RANGE)
    fit = synthetic.fit_of("domain", draws=30, spread=0.005)
    for draw in (0, 7, 29):
        values = dict(zip(fit.law.names, fit.draws[draw], strict=True))
        best = compute_optimal(at_share(values, 0.6), FLOPS, unit_N=1e6, unit_D=1e6)
        assert answer.draws.N[draw] == pytest.approx(best.N, rel=1e-9)
    low, high = answer.interval["N"]
    assert low < answer.N < high


def test_a_size_off_the_formula_costs_loss(ask):
    answer = allocate(ask(), FLOPS, (0.6, 0.6), N_range=N_RANGE)
    assert (answer.by_size["difference"] >= -1e-9).all()
    assert (answer.by_size["difference_lo"] >= -1e-6).all()
    nearest = answer.by_size.loc[(answer.by_size["N"] - answer.N).abs().idxmin()]
    assert nearest["difference"] == answer.by_size["difference"].min()
    assert answer.by_size["best_share"].sum() == pytest.approx(1.0)


def test_a_ladder_of_checkpoints_gives_one_of_them(ask, synthetic):
    ladder = (0.094e6, 0.6e6, 3e6)
    answer = allocate(ask(-0.05), FLOPS, (0.1, 0.9), sizes=ladder)
    assert answer.N in ladder
    assert set(answer.draws.N) <= set(ladder)
    table = answer.by_size.set_index("N")
    assert table.loc[answer.N, "difference"] == 0
    assert table.loc[answer.N, ["difference_lo", "difference_hi"]].tolist() == [0, 0]
    assert answer.value == table["value"].min()
    assert (table["replay"] == 1 - table["r"]).all()
    assert table["feasible"].tolist() == [True, True, False]
    assert np.isnan(table.loc[3e6, ["value", "difference"]].astype(float)).all()
    for N, row in table[table["feasible"]].iterrows():
        assert row["general"] <= synthetic.base_loss(N) * 0.95 * (1 + 1e-9)


def test_limits_and_pools_are_kept_at_every_size(ask, synthetic):
    pools = Supply(0.4e6, None, 3.0)
    answer = allocate(ask(-0.05), FLOPS, (0.1, 0.9), N_range=N_RANGE, supply=pools)
    assert answer.how == "numerical"
    assert answer.epochs["domain"] <= 3 * (1 + 1e-9)
    assert answer.losses["general"] <= synthetic.base_loss(answer.N) * 0.95 * (1 + 1e-9)
    assert answer.flops <= FLOPS * (1 + 1e-9)
    # The draws scatter around the point answer, whatever takes over from what along N.
    low, high = answer.interval["value"]
    assert low < answer.value < high
    assert np.median(answer.draws.value) == pytest.approx(answer.value, abs=0.35 * (high - low))
    free = allocate(ask(-0.05), FLOPS, (0.1, 0.9), N_range=N_RANGE)
    assert free.value < answer.value


def test_an_uncertain_budget_shows_both_ends(ask):
    answer = allocate(ask(), (0.5 * FLOPS, FLOPS, 2 * FLOPS), (0.6, 0.6), N_range=N_RANGE)
    low, high = answer.at_budget["low"], answer.at_budget["high"]
    assert low[0] < answer.N < high[0]
    assert low[1] < answer.D < high[1]
    assert [caveat.kind for caveat in answer.caveats] == ["utilisation"]


def test_the_end_of_a_range_of_sizes_binds(ask):
    answer = allocate(ask(), FLOPS, (0.6, 0.6), N_range=(0.02e6, 0.06e6))
    prices = {str(price): price for price in answer.prices}
    assert pytest.approx(0.06e6, rel=1e-3) == answer.N
    assert prices["range N"].active
    assert prices["range N"].per_percent < 0
    assert "size_at_edge" in {caveat.kind for caveat in answer.caveats}


def test_given_tokens_buy_the_largest_size(ask):
    answer = allocate(ask(), FLOPS, (0.6, 0.6), sizes=(0.1e6, 0.3e6, 0.6e6, 2e6), D=1e6)
    assert (answer.N, answer.D) == (0.6e6, 1e6)
    assert any("2M and more" in caveat.message for caveat in answer.caveats)


def test_sizes_that_tie_are_said(ask, synthetic):
    best = compute_optimal(at_share(synthetic.DOMAIN, 0.6), FLOPS, unit_N=1e6, unit_D=1e6).N
    answer = allocate(ask(spread=0.03), FLOPS, (0.6, 0.6), sizes=(0.9 * best, best, 1.1 * best))
    assert best == answer.N
    assert "sizes_tie" in {caveat.kind for caveat in answer.caveats}


def test_mistakes_are_named(ask):
    with pytest.raises(PlanError, match="too small") as error:
        allocate(ask(), 1e8, (0.1, 0.9), N_range=N_RANGE)
    enough = float(error.value.hint.split()[0])
    assert pytest.approx(0.02e6) == allocate(ask(draws=0), 1.01 * enough, (0.1, 0.9), N_range=N_RANGE).N
    with pytest.raises(PlanError, match="keeps general"):
        allocate(ask(-0.4), FLOPS, (0.1, 0.9), sizes=(0.2e6, 0.6e6))
    with pytest.raises(ConfigError, match="either the sizes"):
        allocate(ask(), FLOPS, (0.1, 0.9))
    with pytest.raises(ConfigError, match="wanted low below high"):
        allocate(ask(), FLOPS, (0.1, 0.9), N_range=(2e6, 1e6))
    with pytest.raises(ConfigError, match="positive numbers"):
        allocate(ask(), (2e12, 1e12, 3e12), (0.1, 0.9), N_range=N_RANGE)
    with pytest.raises(ConfigError, match="FLOPs per token"):
        allocate(ask(), FLOPS, (0.1, 0.9), N_range=N_RANGE, flops_per_token=lambda N: 0.0)
