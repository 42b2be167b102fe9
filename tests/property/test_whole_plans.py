"""Facts about whole plans, whatever is asked: of fits, limits, pools and budgets together."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import PlanError
from dcpt.fit.fit_file import FitSet
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"N": 0.5e6, "D": 1e6},
    {"N": 0.5e6, "D": 1e6, "pools": {"domain": 0.1e6}},
    {"N": 0.5e6, "pools": {"domain": 0.2e6, "general": 0.5e6}, "epochs": {"domain": 2, "general": 1}},
    {"N": 0.5e6, "budget": {"flops": 2e12}},
    {"sizes": ["0.1M", "0.3M", "0.5M"], "budget": {"flops": 2e12}},
)
CEILING = st.floats(3.2, 3.6).map(lambda value: round(value, 4))
"""From below every loss of the questions to above all of them."""


@pytest.fixture(scope="module")
def fits(synthetic: ModuleType) -> FitSet:
    made: FitSet = synthetic.fits(draws=20)
    return made


def ask(fits: FitSet, asked: dict[str, Any], **more: Any) -> Plan:
    return make_plan(fits, Objective.of({**asked, **more}))


def kept(plan: Plan) -> bool:
    return all(plan.losses[item.label].mean <= item.ceiling * (1 + 1e-9) for item in plan.limits)


@given(asked=st.sampled_from(QUESTIONS), ceiling=CEILING)
@settings(max_examples=12)
def test_a_plan_keeps_its_limits_and_means_or_names_what_can_be_kept(fits, asked, ceiling) -> None:
    try:
        plan = ask(fits, asked, keep=f"general <= {ceiling}")
    except PlanError as error:
        # The hint is no courtesy: what it names can be kept, and nothing 1 % tighter.
        nearest = float(str(error.hint).partition("general <= ")[2].split("'")[0].split(";")[0])
        assert nearest > ceiling
        assert kept(ask(fits, asked, keep=f"general <= {nearest + 1e-4:.4f}"))
        with pytest.raises(PlanError):
            ask(fits, asked, keep=f"general <= {0.99 * nearest:.4f}")
        return
    assert kept(plan)
    low, high = plan.searched
    assert low - 1e-12 <= plan.r <= high + 1e-12
    assert plan.r_lo <= plan.r <= plan.r_hi
    for side, cap in (asked.get("epochs") or {}).items():
        assert plan.epochs[side] <= cap * (1 + 1e-6)
    if "budget" in asked:
        assert plan.cost["flops"] <= asked["budget"]["flops"] * (1 + 1e-6)
    assert plan.cost["flops"] == pytest.approx(6 * plan.N * plan.D)
    if plan.binding == "ceiling":
        assert plan.general.mean == pytest.approx(plan.ceiling, rel=1e-6)


@given(asked=st.sampled_from(QUESTIONS), ceilings=st.lists(CEILING, min_size=2, max_size=3, unique=True))
@settings(max_examples=8)
def test_a_tighter_limit_never_lowers_the_domain_loss(fits, asked, ceilings) -> None:
    best = []
    for ceiling in sorted(ceilings, reverse=True):
        try:
            best.append(ask(fits, asked, keep=f"general <= {ceiling}").domain.mean)
        except PlanError:
            best.append(float("inf"))
    assert all(tight >= loose - 1e-7 for loose, tight in pairwise(best))


@given(asked=st.sampled_from(QUESTIONS[:4]), ceiling=st.floats(3.37, 3.42), more=st.floats(1e-4, 1e-3))
@settings(max_examples=6)
def test_the_ratio_moves_by_as_little_as_the_question_does(fits, asked, ceiling, more) -> None:
    """A step of the ceiling moves r by the step over the slope of the general loss; of the means, hardly."""
    first = ask(fits, asked, keep=f"general <= {ceiling:.6f}")
    second = ask(fits, asked, keep=f"general <= {ceiling + more:.6f}")
    curve = first.curve
    slope = (curve["general"].diff() / curve["r"].diff()).min()
    assert slope > 0
    assert -1e-4 <= second.r - first.r <= 1.5 * more / slope + 1e-3
    means = {name: asked[name] for name in ("D", "budget", "pools") if name in asked}
    name = next(iter(means))
    scaled = means[name] * (1 + more) if name == "D" else {k: v * (1 + more) for k, v in means[name].items()}
    near = ask(fits, {**asked, name: scaled}, keep=f"general <= {ceiling:.6f}")
    assert near.r == pytest.approx(first.r, abs=20 * more)


@given(hours=st.floats(0.01, 0.05), utilisation=st.floats(0.2, 0.8), price=st.floats(0.5, 5))
@settings(max_examples=3)
def test_hours_money_and_flops_are_one_budget(fits, hours, utilisation, price) -> None:
    means = {"hardware": "cpu-core", "utilisation": utilisation}
    spent = {"gpu_hours": hours, **means}
    flops = Objective.of({"N": 1e6, "keep": "general <= 3", "budget": spent}).budget.likely
    budgets = (
        {"flops": flops},
        spent,
        {"money": hours * price, "price": price, **means},
    )
    plans = [ask(fits, {"N": 0.5e6, "budget": budget}, keep="general <= 3.42") for budget in budgets]
    for plan in plans[1:]:
        assert pytest.approx(plans[0].D, rel=1e-12) == plan.D
        assert plan.r == pytest.approx(plans[0].r, abs=1e-9)
        assert plan.cost["hours"] == pytest.approx(hours)
    assert plans[2].cost["money"] == pytest.approx(hours * price)


@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_domain_that_is_not_asked_about_does_not_move_the_answer(synthetic, fits, asked) -> None:
    """Fits of further sets of the domain side, worse and better held out than the planned one."""
    named = dataclasses.replace(fits.best("domain"), eval_set="law")
    others = [
        dataclasses.replace(synthetic.fit_of("domain", seed=7, draws=20, held_out=error), eval_set=name)
        for name, error in (("music", 0.001), ("code", 0.2))
    ]
    alone = FitSet((fits.best("general"), named), {})
    more = FitSet((fits.best("general"), *others, named), {})
    text = {"minimise": "law", "keep": "general <= 3.42"}
    before, after = ask(alone, asked, **text), ask(more, asked, **text)
    assert after.to_dict() == before.to_dict()
    # Given hardly any weight, a further domain moves it by hardly anything: within its own interval.
    light = ask(more, asked, minimise="0.999*law + 0.001*music", keep="general <= 3.42")
    assert before.r_lo - 1e-3 <= light.r <= before.r_hi + 1e-3
