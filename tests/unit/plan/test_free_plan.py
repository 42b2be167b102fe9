"""Plans that choose tokens or size too: what binds at the ends of a search, and how sure they are."""

from __future__ import annotations

import pytest

from dcpt.core.errors import PlanError
from dcpt.fit.fit_file import FitSet
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.plan_tables import front_lines, front_rows
from dcpt.plan.what_if import what_if


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    return synthetic.fits(spread=0.001, noise=0.001, held_out=0.002)


@pytest.mark.parametrize(
    "asked",
    [{"N": 0.5e6, "budget": {"flops": 3e12}}, {"sizes": ["0.2M", "0.5M"], "budget": {"flops": 3e12}}],
)
def test_a_ratio_at_the_end_of_the_search_is_what_binds(fits, asked) -> None:
    """Without a limit the domain loss falls up to the highest ratio; the dearer budget does not hide it."""
    plan = make_plan(fits, Objective.of({**asked, "r_max": 0.76}))
    assert plan.r == pytest.approx(0.76)
    assert (plan.binding, plan.bound) == ("range", "r")
    budget, end = (next(p for p in plan.prices if p.constraint == kind) for kind in ("budget", "range"))
    assert budget.per_percent < end.per_percent < 0
    assert plan.binding_words == "the searched range of ratios ends"
    assert "edge_of_range" in {item.kind for item in plan.caveats}
    # 25 % replay lies beside the end, but the optimum may lie beyond both.
    near = next(item for item in plan.baselines if item.name == "25 % replay")
    assert abs(near.difference) < 0.01
    assert plan.verdict == "doubtful"
    within = make_plan(fits, Objective.of({**asked, "keep": "general <= 3.35"}))
    assert within.r < 0.7
    assert within.bound != "r"


# -- hours and money --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [{"N": 0.5e6}, {"sizes": ["0.3M", "0.5M"]}])
def test_hours_buy_an_uncertain_number_of_tokens(fits, size) -> None:
    """One utilisation for the answer, its whole range in cost and intervals, whether N is open or not."""
    hours = {"gpu_hours": 0.03, "hardware": "cpu-core"}
    plan = make_plan(fits, Objective.of({**size, "budget": hours, "keep": "general <= 3.4"}))
    low, likely, high = Objective.of({**size, "budget": hours, "keep": "general <= 3.4"}).budget.flops_range()
    assert low < likely < high
    assert likely == pytest.approx(6 * plan.N * plan.D)
    ends = plan.intervals["D"]
    assert ends[0] <= low / (6 * 0.5e6) * (1 + 1e-6)
    assert ends[1] >= high / (6 * 0.5e6) * (1 - 1e-6)
    assert plan.cost["hours_low"] < plan.cost["hours"] < plan.cost["hours_high"]
    assert plan.cost["hours"] == pytest.approx(0.03)
    (caveat,) = [item for item in plan.caveats if item.kind == "utilisation"]
    assert "(low end)" in caveat.message
    # The ratio at either end is that of the plan for the FLOPs bought there.
    for flops in (low, high):
        there = make_plan(fits, Objective.of({**size, "budget": {"flops": flops}, "keep": "general <= 3.4"}))
        assert plan.r_lo - 1e-3 <= there.r <= plan.r_hi + 1e-3
    known = make_plan(
        fits, Objective.of({**size, "budget": {**hours, "utilisation": 0.3}, "keep": "general <= 3.4"})
    )
    assert "utilisation" not in {item.kind for item in known.caveats}
    assert known.cost["hours_low"] == known.cost["hours_high"]


def test_money_and_hours_stand_in_the_text(fits) -> None:
    budget = {"money": 1.5, "price": 50, "hardware": "cpu-core"}
    plan = make_plan(fits, Objective.of({"N": 0.5e6, "budget": budget, "keep": "general <= 3.4"}))
    cost = plan.cost
    assert cost["money"] == pytest.approx(1.5)
    text = plan.summary()
    assert f"0.03 cpu-core hours ({cost['hours_low']:.3g} to {cost['hours_high']:.3g})" in text
    assert f"1.5 in money ({cost['money_low']:.3g} to {cost['money_high']:.3g})" in text


def test_the_nearest_tolerance_of_a_free_plan_is_said_as_it_was_asked_and_holds(fits) -> None:
    asked = {"N": 0.5e6, "D": 1e6, "pools": {"general": 0.2e6}, "epochs": {"general": 1}, "general_now": 3.4}
    with pytest.raises(PlanError) as caught:
        make_plan(fits, Objective.of({**asked, "keep": "general <= -9%"}))
    nearest = str(caught.value.hint).split("'")[1]
    assert nearest.startswith("general <= ")
    assert nearest.endswith("%")
    assert make_plan(fits, Objective.of({**asked, "keep": nearest})).r == pytest.approx(0.8, abs=5e-3)


def test_a_budget_too_small_for_the_given_size_says_what_would_do(fits) -> None:
    with pytest.raises(PlanError, match="too small: it trains the smallest size, 500k") as caught:
        make_plan(fits, Objective.of({"N": 0.5e6, "budget": {"flops": 1e9}, "keep": "general <= 3.4"}))
    assert "FLOPs or more would do" in str(caught.value.hint)


# -- caution ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"N": 0.5e6, "D": 1e6, "pools": {"domain": 0.2e6}},
        {"N": 0.5e6, "pools": {"domain": 0.2e6}, "epochs": {"domain": 2}},
        {"N": 0.5e6, "budget": {"flops": 3e12}},
        {"sizes": ["0.3M", "0.5M"], "budget": {"flops": 3e12}},
    ],
)
def test_the_cautious_answer_is_the_best_that_is_kept_at_the_level(synthetic, asked) -> None:
    """Judged by the plan itself: at its tokens, the share of the draws in which the ceiling is kept."""
    fits = synthetic.fits(draws=60)
    level = 0.8
    plan = make_plan(fits, Objective.of({**asked, "keep": "general <= 3.36", "level": level}))
    assert 0.3 < plan.kept_at_r < 0.7
    assert plan.r_cautious < plan.r
    at = {**asked, "N": plan.N, "D": plan.D_cautious or plan.D, "keep": "general <= 3.36"}
    for free in ("budget", "sizes"):
        at.pop(free, None)
    kept = what_if(fits, Objective.of(at), "r", [f"{plan.r_cautious:.9f}", f"{plan.r_cautious + 0.02:.9f}"])
    assert kept["kept"].iloc[0] >= level - 1e-9
    assert kept["kept"].iloc[1] < level
    assert f"cautious  {plan.r_cautious:.3f}" in plan.summary()
    assert (plan.D_cautious is None) == ("D" in asked)
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()


def test_the_cautious_answer_of_a_pool_without_limit_is_that_of_the_plain_plan(fits) -> None:
    plain = {"N": 0.5e6, "D": 1e6, "keep": "general <= 3.37"}
    pooled = {**plain, "pools": {"domain": "1T", "general": "1T"}}
    assert make_plan(fits, Objective.of(pooled)).r_cautious == pytest.approx(
        make_plan(fits, Objective.of(plain)).r_cautious, abs=2.5e-3
    )


def test_where_nothing_is_kept_so_surely_the_plan_says_so(synthetic) -> None:
    fits = synthetic.fits(draws=60, noise=0.02)
    lowest = float(fits.best("general").mean(0.5e6, 1e6, 0.1)[0])
    asked = {"N": 0.5e6, "D": 1e6, "pools": {"domain": "1T"}, "keep": f"general <= {lowest + 0.005:.4f}"}
    plan = make_plan(fits, Objective.of(asked))
    assert plan.r_cautious is None
    assert "no run of this size keeps it in 90 % of the draws" in plan.summary()


# -- tables -----------------------------------------------------------------------------------------------


def test_every_size_stands_in_the_text_with_its_best_run(fits) -> None:
    asked = {"sizes": ["0.1M", "0.3M", "0.5M"], "budget": {"flops": 3e12}, "keep": "general <= 3.37"}
    plan = make_plan(fits, Objective.of(asked))
    for text in (plan.summary(), Plan.from_dict(plan.to_dict()).summary()):
        lines = text.splitlines()
        start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["size", "tokens"])
        rows = [line.split() for line in lines[start + 1 : start + 4]]
        assert [row[0] for row in rows] == ["100k", "300k", "500k"]
        for row, size in zip(rows, plan.by_size.to_dict("records"), strict=True):
            if size["feasible"]:
                assert float(row[2]) == pytest.approx(size["r"], abs=5e-4)
                assert float(row[3]) == pytest.approx(size["value"], abs=5e-5)
            else:
                assert "no run of this size keeps the limits" in " ".join(row)


def test_the_front_in_words_is_the_front_of_the_plan(fits) -> None:
    balance = {"N": 0.5e6, "D": 1e6, "minimise": "0.4*domain + 0.6*general"}
    plan = make_plan(fits, Objective.of(balance))
    rows = front_rows(plan)
    assert len(rows) in (11, 12)
    assert rows["answer"].sum() == 1
    assert abs(rows.loc[rows["answer"], "r"].iloc[0] - plan.r) <= 0.5 * (0.8 / 100) + 1e-9
    lines = list(front_lines(plan))
    assert lines[0] == "Pareto front of 500k parameters on 1M tokens, nats per token:"
    for line, row in zip(lines[2:], rows.to_dict("records"), strict=True):
        cells = line.split()
        assert [float(x) for x in cells[:3]] == pytest.approx(
            [row["r"], row["domain"], row["general"]], abs=6e-4
        )
        if row["reached"] == 1:
            assert float(cells[3]) <= float(cells[2]) <= float(cells[5])
        else:  # the lowest domain losses: some draws never get there
            assert f"reached in {100 * row['reached']:.0f} % of the draws" in line
        assert line.endswith("nearest to r*") == row["answer"]
