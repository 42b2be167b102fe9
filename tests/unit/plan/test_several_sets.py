"""Several general sets, each with its own ceiling; balances; two metrics; two tokenizers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit_file import FitSet
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan

AT = {"N": 1.2e6, "D": 1.3e6}


def as_set(fit, name: str):
    """A fit of the same role under the name of another evaluation set."""
    return dataclasses.replace(fit, eval_set=name)


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    """Two general sets, wiki lower and flatter than news, and the domain."""
    news = synthetic.fit_of("general")
    flat = {**synthetic.GENERAL, "E": 0.8, "C": 0.9}
    return FitSet((as_set(synthetic.fit_of("general", flat), "wiki"), as_set(news, "news"),
                   synthetic.fit_of("domain")), {})  # fmt: skip


def edge(fits: FitSet, name: str, ceiling: float) -> float:
    """Largest share that keeps one ceiling, by bisection on the law itself."""
    low, high = 0.1, 0.9
    for _ in range(60):
        middle = (low + high) / 2
        inside = float(fits.get("d-cpt", name).mean(1.2e6, 1.3e6, middle)[0]) <= ceiling
        low, high = (middle, high) if inside else (low, middle)
    return low


def test_each_set_has_its_own_ceiling_and_the_one_that_binds_is_named(fits) -> None:
    now = {"wiki": 2.75, "news": 3.3}
    for wiki, news in (("+3%", "-1%"), ("-1%", "+3%")):
        asked = {**AT, "keep": [f"wiki <= {wiki}", f"news <= {news}"], "general_now": now}
        plan = make_plan(fits, Objective.of(asked))
        ceilings = {item.text.split()[0]: item.ceiling for item in plan.limits}
        edges = {name: edge(fits, name, ceiling) for name, ceiling in ceilings.items()}
        tight = min(edges, key=edges.__getitem__)
        assert plan.r == pytest.approx(edges[tight], abs=1e-6)
        assert [item.text.split()[0] for item in plan.limits if item.binds] == [tight]
        for item in plan.limits:
            assert item.r_edge == pytest.approx(edges[item.text.split()[0]], abs=1e-5)
            assert plan.losses[item.label].mean <= item.ceiling + 1e-12
        assert plan.laws["general"].eval_set == "wiki"  # the first one kept
        assert set(plan.losses) == {"general", "domain", "news"}
        assert f"limit     wiki <= {wiki}" in plan.summary()
        assert plan.binding_words == f"the {plan.laws[plan.bound].eval_set} loss reaches its ceiling"
        lines = plan.summary().splitlines()
        for label, law in plan.laws.items():  # a loss has one name wherever it is told
            assert any(
                line.startswith(f"  {law.eval_set:<9} {plan.losses[label].mean:.4f}") for line in lines
            )
        assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()


def test_limits_that_exclude_each_other_say_what_comes_nearest(fits) -> None:
    low = {name: float(fits.get("d-cpt", name).mean(1.2e6, 1.3e6, 0.1)[0]) for name in ("wiki", "news")}
    keep = [f"wiki <= {low['wiki'] + 0.05}", f"news <= {low['news'] - 0.1}"]
    with pytest.raises(PlanError, match="keeps every limit") as caught:
        make_plan(fits, Objective.of({**AT, "keep": keep}))
    nearest = str(caught.value.hint).split("'")[1]
    assert nearest.startswith("news <= ")
    assert make_plan(fits, Objective.of({**AT, "keep": [keep[0], nearest]})).r >= 0.1


def test_the_nearest_feasible_tolerance_is_feasible(synthetic) -> None:
    fits = synthetic.fits()
    asked = {**AT, "general_now": 3.3}
    with pytest.raises(PlanError) as caught:
        make_plan(fits, Objective.of({**asked, "keep": "general <= -9%"}))
    nearest = str(caught.value.hint).split("'")[1]
    assert nearest.endswith("%")
    assert make_plan(fits, Objective.of({**asked, "keep": nearest})).r == pytest.approx(0.1, abs=1e-3)


def test_a_limit_on_a_set_that_is_not_there_or_of_the_domain_is_refused(synthetic, fits) -> None:
    with pytest.raises(ConfigError, match="nothing is fitted on 'novels'"):
        make_plan(fits, Objective.of({**AT, "keep": "novels <= 3"}))
    domains = FitSet((synthetic.fit_of("general"), as_set(synthetic.fit_of("domain"), "law"),
                      as_set(synthetic.fit_of("domain", seed=4), "music")), {})  # fmt: skip
    with pytest.raises(ConfigError, match="'law' is a set of the domain side"):
        make_plan(domains, Objective.of({**AT, "minimise": "law", "keep": "law <= 3"}))
    with pytest.raises(ConfigError, match="no weight"):
        make_plan(fits, Objective.of({**AT, "minimise": "wiki"}))
    with pytest.raises(ConfigError, match="one number, and the plan is about wiki and news"):
        make_plan(fits, Objective.of({**AT, "keep": ["wiki <= +1%", "news <= +1%"], "general_now": 3.0}))
    with pytest.raises(ConfigError, match="'novels' is no evaluation set here"):
        make_plan(fits, Objective.of({**AT, "keep": "wiki <= 3", "general_now": {"novels": 3.0}}))
    plan = make_plan(
        domains, Objective.of({**AT, "minimise": "0.6*law + 0.4*music", "keep": "general <= 3.3"})
    )
    assert set(plan.losses) == {"general", "domain", "music"}
    assert plan.laws["domain"].eval_set == "law"


def test_a_balance_has_its_minimum_where_the_weighted_slopes_cancel(synthetic) -> None:
    fits = synthetic.fits()
    plan = make_plan(fits, Objective.of({**AT, "minimise": "0.3*domain + 0.7*general"}))
    assert (plan.binding, plan.ceiling, plan.limits) == ("none", None, ())
    step = 1e-4
    slopes = [
        float(np.diff(fits.best(side).mean(1.2e6, 1.3e6, [plan.r - step, plan.r + step]))[0]) / (2 * step)
        for side in ("domain", "general")
    ]
    assert 0.3 * slopes[0] + 0.7 * slopes[1] == pytest.approx(0, abs=1e-4)
    same = make_plan(fits, Objective.of({**AT, "minimise": {"general": 0.7, "domain": 0.3}}))
    assert same.r == pytest.approx(plan.r, abs=1e-9)
    assert make_plan(fits, Objective.of({**AT, "minimise": "0.5*domain + 0.5*general"})).r > plan.r
    assert "balance has its minimum" in plan.summary()
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()


def test_two_metrics_are_told_apart_by_name_and_answer_alike(synthetic) -> None:
    nats = synthetic.fits()
    width = 3.7 * np.log(2)  # nats a token in bits a byte, at 3.7 bytes a token
    bits = [synthetic.fit_of(side, metric="bpb", scale=1 / width) for side in ("general", "domain")]
    both = FitSet((*nats, *bits), {})
    with pytest.raises(ConfigError, match="several metrics"):
        make_plan(both, Objective.of({**AT, "keep": "general <= 3.3"}))
    with pytest.raises(ConfigError, match="nothing is fitted on 'ppl'; there is loss, bpb"):
        make_plan(both, Objective.of({**AT, "keep": "general <= 3.3", "metric": "ppl"}))
    ceilings = {"loss": 3.27, "bpb": 3.27 / width}
    plans = {
        metric: make_plan(both, Objective.of({**AT, "keep": f"general <= {ceiling:.12f}", "metric": metric}))
        for metric, ceiling in ceilings.items()
    }
    assert plans["bpb"].r == pytest.approx(plans["loss"].r, abs=1e-9)
    assert plans["bpb"].domain.mean * width == pytest.approx(plans["loss"].domain.mean, rel=1e-9)
    assert plans["bpb"].r_draws == pytest.approx(plans["loss"].r_draws, abs=1e-9)
    assert plans["bpb"].unit == "bits_per_byte"


def test_losses_of_two_tokenizers_are_refused(synthetic) -> None:
    fits, table = synthetic.fits(), synthetic.table()
    halves = np.where(table.frame["eval_set"] == "general", "gpt", "qwen")
    mixed = LossTable.from_frame(table.frame.assign(tokenizer=halves))
    asked = Objective.of({**AT, "keep": "general <= 3.3"})
    with pytest.raises(ConfigError, match=r"2 tokenizers \(gpt, qwen\)") as caught:
        make_plan(fits, asked, mixed)
    assert "bits per byte" in str(caught.value.hint)
    doubt = FitWarning("mixed_data", "The rows of domain come from 2 tokenizers, whose losses differ.", ())
    bad = FitSet((fits.best("general"), dataclasses.replace(fits.best("domain"), warnings=(doubt,))), {})
    with pytest.raises(ConfigError, match="domain law rests on several tokenizers"):
        make_plan(bad, asked)
