"""Plans of mixtures: right on worlds whose truth is known, honest about what the runs do not say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError, PlanError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures import choose, read_mixtures
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.process import ProcessPredictor
from dcpt.fit.mixtures.transfer import fit_transfer
from dcpt.plan.mixtures.drawn import DrawnProblem, draw_answers
from dcpt.plan.mixtures.mixture_plan_file import mixture_plan_from_dict, read_mixture_plan
from dcpt.plan.mixtures.plan_mixture import plan_mixture
from dcpt.plan.mixtures.propose import propose
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.setting import BASE, make_setting


def test_each_draw_is_answered_by_its_own_optimum(mixture_world: ModuleType, mixture_fit: MixtureFit) -> None:
    """Draws that are bowls around known centres: the answers are the centres."""
    centres = np.random.default_rng(0).dirichlet([8.0, 4.0, 2.0, 0.5], 60)
    bowls = mixture_world.Bowls(mixture_fit.corpora, ("wiki",), centres)
    fit = replace(
        mixture_world.with_predictor(mixture_fit, bowls), targets=("wiki",), losses=mixture_fit.losses[:, :1]
    )
    fit = replace(fit, weights=np.ones((1, 1)), stretch=np.full(1, 1.0))
    setting = make_setting(fit, MixtureQuestion.of({"minimise": "wiki"}))
    # A bowl's draws do not spread like its sd: take them as they are.
    surface = replace(setting.problem.surface, fitted=bowls, smooth=bowls)
    asked = DrawnProblem.of(setting.problem.with_(surface=surface), 60, 0)
    drawn = draw_answers(asked, centres.mean(axis=0), setting.pool)
    assert np.abs(drawn.shares - centres).sum(axis=1).mean() < 0.02
    assert (drawn.value - 2).max() < 0.002
    exact = ((centres - centres.mean(axis=0)) ** 2).sum(axis=1)
    np.testing.assert_allclose(drawn.regret, exact, atol=0.002)


def test_answer_and_intervals_hold_the_truth(mixture_world: ModuleType, mixture_fit: MixtureFit) -> None:
    weights = np.array([0.6, 0.3, 0.1])
    plan = plan_mixture(mixture_fit, {"minimise": "0.6*wiki + 0.3*code + 0.1*law"}, draws=100)
    truth = mixture_world.true_best(weights)
    assert sum(plan.mixture.values()) == pytest.approx(1.0, abs=1e-6)
    for item, share in zip(plan.shares, truth, strict=True):
        assert item.lo - 0.03 <= share <= item.hi + 0.03
        assert item.lo <= item.share <= item.hi
    lost = mixture_world.true_losses(np.array(list(plan.mixture.values()))) - mixture_world.true_losses(truth)
    assert 0 <= lost @ weights < 0.02
    assert plan.regret < 0.05
    uniform = next(item for item in plan.compared if item.name == "uniform")
    here = mixture_world.true_losses(np.array(list(plan.mixture.values())))
    gain = (mixture_world.true_losses(np.full(4, 0.25)) - here) @ weights
    assert uniform.lo - 0.01 <= gain <= uniform.hi + 0.01
    assert uniform.beaten == 1.0
    assert not uniform.alike


def test_limits_are_kept_and_priced(mixture_fit: MixtureFit) -> None:
    free = plan_mixture(mixture_fit, {"minimise": "wiki"}, draws=40)
    fields = {"minimise": "wiki", "keep": "code <= +2%", "against": "uniform", "shares": ["noise >= 5%"]}
    plan = plan_mixture(mixture_fit, fields, draws=40)
    code = next(item for item in plan.losses if item.target == "code")
    assert code.ceiling == pytest.approx(1.02 * float(mixture_fit.mean(np.full(4, 0.25))[0, 1]))
    assert code.mean <= code.ceiling * (1 + 1e-5)
    assert 0.2 < code.kept < 1
    assert {item.kind for item in plan.prices} == {"limit", "share"}
    assert all(item.change < 0 for item in plan.prices)
    assert plan.free.value == pytest.approx(free.optimum.value, abs=1e-5)
    assert plan.optimum.value > plan.free.value
    assert plan.cautious is not None
    sd = mixture_fit.sd(plan.cautious.shares, noise=False)[0, 1]
    assert mixture_fit.mean(plan.cautious.shares)[0, 1] + 1.28 * sd <= code.ceiling * 1.002
    with pytest.raises(PlanError, match="alone the nearest that can be kept is code <="):
        plan_mixture(mixture_fit, {"minimise": "wiki", "keep": "code <= 1.0"})


def test_a_mixture_in_use_that_is_as_good_is_kept(mixture_fit: MixtureFit) -> None:
    first = plan_mixture(mixture_fit, {"minimise": "mean"}, draws=40)
    again = plan_mixture(mixture_fit, {"minimise": "mean", "now": first.mixture}, draws=40)
    assert again.verdict == "do not change your mix on this evidence"
    assert "mix in use" in again.verdict_line
    worse = plan_mixture(mixture_fit, {"minimise": "mean", "now": {"noise": 0.9, "wiki": 0.1}}, draws=40)
    assert worse.verdict != again.verdict
    assert next(item for item in worse.compared if item.name == "mix in use").beaten == 1.0


def test_pools_cap_epochs_or_discount_them(mixture_fit: MixtureFit) -> None:
    pools = {"minimise": "wiki", "pools": {"wiki": "1B"}, "tokens": "20B"}
    capped = plan_mixture(mixture_fit, {**pools, "epochs": 2}, draws=20)
    wiki = capped.shares[0]
    assert wiki.epochs == pytest.approx(2.0, abs=1e-4)
    assert wiki.share == pytest.approx(0.1, abs=1e-5)
    (price,) = capped.prices
    assert price.kind == "epochs"
    more = plan_mixture(mixture_fit, {**pools, "epochs": 2.02}, draws=20)
    assert more.optimum.value - capped.optimum.value == pytest.approx(price.change, abs=1e-5)
    discounted = plan_mixture(mixture_fit, {**pools, "discount": True, "token_slope": 0.05}, draws=20)
    assert discounted.shares[0].epochs is not None
    assert discounted.shares[0].epochs > 2
    assert {"repetition_not_measured", "many_epochs"} <= {item.kind for item in discounted.caveats}
    # With enough unique tokens the discount changes nothing.
    plenty = {"minimise": "wiki", "pools": {"wiki": "50B"}, "tokens": "20B"}
    assert plan_mixture(mixture_fit, {**plenty, "discount": True}, draws=20).mixture == pytest.approx(
        plan_mixture(mixture_fit, {"minimise": "wiki"}, draws=20).mixture, abs=1e-4
    )


def test_far_from_the_runs_is_said(mixture_world: ModuleType) -> None:
    """Runs that never took more than a third of a corpus cannot support nine tenths of it."""
    whole = mixture_world.table(120)
    near = whole.rows(whole.shares[:, 0] < 0.35)
    plan = plan_mixture(choose(near, 0, [ProcessPredictor()]), {"minimise": "wiki"}, draws=40)
    assert plan.mixture["wiki"] > 0.4
    assert "wiki" in plan.reach.beyond
    assert {"never_seen", "far_from_runs"} <= {item.kind for item in plan.caveats}
    assert plan.verdict != "supported"


def test_a_plan_is_a_file(mixture_fit: MixtureFit, tmp_path: Path) -> None:
    fields = {
        "minimise": "worst",
        "keep": ["code <= 1.9"],
        "shares": "web = wiki + noise >= 0.1",
        "draws": None,
    }
    fields.pop("draws")
    plan = plan_mixture(mixture_fit, fields, seed=3, draws=30)
    path = plan.write(tmp_path / "mixture-plan.json")
    assert read_mixture_plan(path) == plan
    assert plan_mixture(mixture_fit, fields, seed=3, draws=30) == plan
    assert len(plan.draws["share:wiki"]) == 30
    assert "cannot" in str(plan) or "Supported" in str(plan) or "Doubtful" in str(plan)
    document = json.loads(path.read_text())
    document["alike"] = 3
    with pytest.raises(DataError, match="alike"):
        mixture_plan_from_dict(document, "here")


def test_a_few_larger_runs_carry_the_plan_to_their_size(
    mixture_world: ModuleType, mixture_fit: MixtureFit
) -> None:
    """Larger models: every loss lower by a factor; eight of their runs and the cheap fit give their level."""
    few = mixture_world.table(8, seed=5)
    large = MixtureTable(few.corpora, few.targets, few.shares, 0.8 * few.losses, few.index)
    carried = fit_transfer(mixture_fit, large)
    plan = plan_mixture(carried, {"minimise": "wiki"}, draws=40)
    shares = np.array(list(plan.mixture.values()))
    assert plan.lo - 0.02 <= 0.8 * mixture_world.true_losses(shares)[0] <= plan.hi + 0.02
    assert plan.mixture["wiki"] > 0.8


def test_proposals_are_near_the_answer_new_and_allowed(
    mixture_fit: MixtureFit, mixture_world: ModuleType
) -> None:
    question = {"minimise": "wiki", "shares": ["wiki <= 0.5"]}
    found = propose(mixture_fit, 8, question=question)
    assert found.shares.shape == (8, 4)
    assert (found.shares[:, 0] <= 0.5 + 1e-9).all()
    gaps = 0.5 * np.abs(found.shares[:, None] - found.shares).sum(axis=2) + np.eye(8)
    assert gaps.min() > 0.001
    assert mixture_world.true_losses(found.shares)[:, 0].mean() < mixture_fit.losses[:, 0].mean()
    assert "trained again: measures the noise" not in found.why  # three runs repeat the first already
    once = choose(mixture_world.table(40).rows(range(37)), 0, [ProcessPredictor()])
    assert propose(once, 16, question=question).why[-2:] == ("trained again: measures the noise",) * 2
    best = propose(mixture_fit, 4, question=question, way="top", top=4)
    assert set(best.why) == {"at random from the best 4"}
    with pytest.raises(ConfigError, match="top is 2"):
        propose(mixture_fit, 4, way="top", top=2)


def test_regmix_the_best_run_seen_cannot_be_told_from_the_optimum(shared: Path) -> None:
    """512 proxies of 1M parameters, 17 corpora (Liu et al. 2024, arXiv:2407.01492): Pile-CC alone.

    Published optimum for Pile-CC: .89 of it, .06 ubuntu_irc; the best run trained measured 5.082.
    """
    table, _ = read_mixtures(shared / "losses" / "regmix_1m")
    target = next(name for name in table.targets if "pile_cc" in name)
    fit = choose(table.only([target]), 0, [ProcessPredictor()])
    plan = plan_mixture(fit, {"minimise": "mean"}, draws=100)
    corpus = next(name for name in table.corpora if "pile_cc" in name)
    assert 0.8 < plan.mixture[corpus] < 0.97
    assert 5.0 < plan.value < 5.1
    seen = next(item for item in plan.compared if item.name == "best run seen")
    assert seen.measured == pytest.approx(5.082, abs=1e-3)
    assert seen.alike
    assert plan.verdict == "do not change your mix on this evidence"
    assert not next(item for item in plan.compared if item.name == "uniform").alike


def test_relative_limits_are_measured_from_the_base_where_it_is_known(mixture_fit: MixtureFit) -> None:
    """As everywhere else in dcpt, +2 % is above the loss before continual pre-training."""
    fit = replace(mixture_fit, base=np.array([3.0, 1.6, 2.0]), keep=("code <= +2%",))
    plan = plan_mixture(fit, {"minimise": "wiki"}, draws=30)
    code = next(item for item in plan.losses if item.target == "code")
    assert (plan.reference, code.ceiling) == (BASE, pytest.approx(1.02 * 1.6))
    assert code.mean <= code.ceiling * (1 + 1e-5)
    beside = plan_mixture(fit, {"minimise": "wiki", "against": "uniform"}, draws=30)
    assert beside.losses[1].ceiling == pytest.approx(1.02 * float(fit.mean(np.full(4, 0.25))[0, 1]))
    with pytest.raises(ConfigError, match="the runs do not say them"):
        plan_mixture(mixture_fit, {"minimise": "wiki", "keep": "code <= +2%", "against": "base"})


def test_pools_without_tokens_are_said_to_limit_nothing(mixture_fit: MixtureFit) -> None:
    some = plan_mixture(mixture_fit, {"minimise": "wiki", "pools": {"wiki": "1B"}}, draws=20)
    assert {item.kind: item.weight for item in some.caveats}["idle_pools"] == "doubt"
    pools = dict.fromkeys(("wiki", "code", "law", "noise"), "1B")
    every = plan_mixture(mixture_fit, {"minimise": "wiki", "pools": pools}, draws=20)
    assert {item.kind: item.weight for item in every.caveats}["idle_pools"] == "note"
    used = plan_mixture(mixture_fit, {"minimise": "wiki", "pools": pools, "tokens": "1B"}, draws=20)
    assert "idle_pools" not in {item.kind for item in used.caveats}


def test_the_replay_of_common_practice_stands_beside_where_sides_are_known(mixture_fit: MixtureFit) -> None:
    """Within a side as the pools are, or evenly where they are not known."""
    assert not any("replay" in item.name for item in plan_mixture(mixture_fit, {}, draws=20).compared)
    asked = {"minimise": "law", "general": ["wiki", "noise"]}
    found = {item.name: item for item in plan_mixture(mixture_fit, asked, draws=20).compared}
    assert found["25 % replay"].shares == pytest.approx(
        {"wiki": 0.125, "code": 0.375, "law": 0.375, "noise": 0.125}
    )
    pools = {"wiki": 3e9, "noise": 1e9, "code": 1e9, "law": 1e9}
    found = {
        item.name: item for item in plan_mixture(mixture_fit, {**asked, "pools": pools}, draws=20).compared
    }
    assert found["5 % replay"].shares == pytest.approx(
        {"wiki": 0.0375, "code": 0.475, "law": 0.475, "noise": 0.0125}
    )
    told = mixture_fit.mean(found["5 % replay"].shares)[0, mixture_fit.targets.index("law")]
    assert found["5 % replay"].value == pytest.approx(told)
