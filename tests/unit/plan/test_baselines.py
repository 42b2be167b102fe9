"""Other mixes beside the answer, the best run seen, the front, and the file with the answer of every draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.plan.front import efficient, pareto_front
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan

ASKED = {"N": 1.2e6, "D": 1.3e6, "keep": "general <= -1%", "general_now": 3.3}
LAW_CPU = Path(__file__).resolve().parents[3] / "fits" / "law_cpu"


def by_name(plan: Plan) -> dict:
    return {item.name: item for item in plan.baselines}


@pytest.fixture(scope="module")
def plan(synthetic) -> Plan:
    return make_plan(synthetic.fits(), Objective.of(ASKED), synthetic.table())


def test_a_baseline_is_what_the_laws_say_of_it(synthetic, plan) -> None:
    found = by_name(plan)
    assert list(found) == ["proportional", "uniform", "best run seen", "5 % replay", "25 % replay"]
    assert found["proportional"].r is None
    assert "pools" in found["proportional"].note
    domain = synthetic.fits().best("domain")
    for name, share in (("uniform", 0.5), ("5 % replay", 0.95), ("25 % replay", 0.75)):
        item = found[name]
        loss = float(domain.mean(1.2e6, 1.3e6, share)[0])
        assert (item.r, item.value, item.losses["domain"]) == (
            share,
            pytest.approx(loss),
            pytest.approx(loss),
        )
        assert item.keeps == (item.losses["general"] <= plan.ceiling)
        assert item.difference == pytest.approx(loss - plan.domain.mean)
        assert item.lo <= item.hi
    assert found["5 % replay"].note == "outside the fitted ratios"
    # Paired draws: the interval of a difference is far narrower than that of either loss.
    width = plan.domain.mean_hi - plan.domain.mean_lo
    assert found["uniform"].hi - found["uniform"].lo < 0.6 * width


def test_the_best_run_seen_kept_the_limit_at_its_own_size(synthetic) -> None:
    table = synthetic.table(noise=0.0)
    asked = Objective.of({**ASKED, "keep": "general <= -2%"})
    seen = by_name(make_plan(synthetic.fits(), asked, table))["best run seen"]
    ends = table.select("general").frame
    ends = ends[(ends["N"] == 0.6e6) & (ends["D"] == 1.3e6)]
    kept = ends.loc[ends["value"] <= 0.98 * synthetic.base_loss(0.6e6), "r"]
    assert seen.r == kept.max()  # the domain loss falls with the share
    assert "600k" in seen.note
    alone = by_name(make_plan(synthetic.fits(), asked))["best run seen"]
    assert (alone.r, alone.note) == (None, "no losses are at hand")
    strict = Objective.of(
        {**ASKED, "keep": "general <= -10%", "general_now": 3.6}
    )  # the target's base is bad
    assert "no run of 600k" in by_name(make_plan(synthetic.fits(), strict, table))["best run seen"].note


def test_pools_give_the_proportional_mix(synthetic) -> None:
    asked = Objective.of({**ASKED, "pools": {"domain": "4M", "general": "12M"}})
    assert by_name(make_plan(synthetic.fits(), asked))["proportional"].r == 0.25


def test_a_mix_that_needs_more_epochs_than_allowed_is_no_way_out(synthetic) -> None:
    """Without a limit on a loss too: half of 1.3M tokens is 2.17 passes over 300k, where one is allowed."""
    asked = {"N": 1.2e6, "D": 1.3e6, "minimise": "0.9*domain + 0.1*general", "r_now": 0.5}
    capped = {**asked, "pools": {"domain": 0.3e6}, "epochs": {"domain": 1}}
    plan = make_plan(synthetic.fits(), Objective.of(capped))
    found = by_name(plan)["mix in use"]
    assert found.difference < 0  # better, could it be had
    assert (found.keeps, found.kept, found.same) == (False, 0.0, False)
    assert found.note == "needs 2.17 epochs of the domain pool, 1 allowed"
    line = next(line for line in plan.summary().splitlines() if "mix in use" in line)
    assert line.endswith("broken (needs 2.17 epochs of the domain pool, 1 allowed)")
    enough = make_plan(synthetic.fits(), Objective.of({**capped, "epochs": {"domain": 3}}))
    assert by_name(enough)["mix in use"].keeps
    at_cap = by_name(make_plan(synthetic.fits(), Objective.of({**capped, "r_now": plan.r})))["mix in use"]
    assert (at_cap.keeps, at_cap.same) == (True, True)


def test_a_mix_that_cannot_be_told_from_the_answer_is_not_to_be_changed(synthetic, plan) -> None:
    fits = synthetic.fits()
    inside = (plan.r + plan.r_lo) / 2
    same = make_plan(fits, Objective.of({**ASKED, "r_now": inside}))
    assert same.verdict == "do not change your mix on this evidence"
    assert same.verdict_line.startswith("Do not change your mix on this evidence: the mix in use (r = ")
    assert "--now" in same.verdict_line
    # In the interval of the best ratio, yet worse in every draw: that is said, and what the answer costs.
    mix = by_name(same)["mix in use"]
    assert mix.lo > 0
    assert not mix.same
    assert mix.kept > same.kept_at_r
    assert f"r* = {same.r:.3f} is better by {mix.difference:.4f} ({mix.lo:.4f} to" in same.verdict_line
    assert f"in {100 * same.kept_at_r:.0f} % of the draws, not {100 * mix.kept:.0f} %" in same.verdict_line
    assert "cannot be told" not in same.verdict_line
    other = make_plan(fits, Objective.of({**ASKED, "r_now": 0.12}))
    assert not by_name(other)["mix in use"].same
    assert other.verdict != same.verdict
    assert by_name(other)["mix in use"].lo > 0  # and the answer is better for sure


def test_a_mix_that_breaks_the_limit_is_not_the_answer_however_near(synthetic, plan) -> None:
    fits = synthetic.fits()
    beyond = (plan.r + plan.r_hi) / 2
    assert plan.r < beyond < plan.r_hi
    broken = make_plan(fits, Objective.of({**ASKED, "r_now": beyond}))
    assert (by_name(broken)["mix in use"].keeps, by_name(broken)["mix in use"].same) == (False, False)
    assert broken.verdict == "the data do not say"
    copied = make_plan(fits, Objective.of({**ASKED, "r_now": plan.r + 4e-4}))  # an answer, rounded up
    assert by_name(copied)["mix in use"].same


def test_a_baseline_that_is_worse_in_every_draw_is_told_apart_wherever_it_lies(synthetic, plan) -> None:
    """The mixes beside a plan whose limit binds: each by its paired difference, not by the interval of r*."""
    for item in plan.baselines:
        if item.r is None or item.lo is None:
            continue
        assert item.same == bool(item.keeps and item.kept >= plan.kept_at_r and item.lo <= 0 <= item.hi)
        if item.lo > 0:
            line = next(line for line in plan.summary().splitlines() if f"  {item.name} " in line)
            assert f"better by {item.difference:.4f} ({item.lo:.4f} to {item.hi:.4f})" in line
    assert not any(item.same for item in plan.baselines)
    assert plan.verdict != "do not change your mix on this evidence"
    assert "Keep the mix you have" not in plan.summary()


def test_without_a_mix_in_use_the_plan_says_what_it_was_compared_with(synthetic) -> None:
    """Told that a mix is as good, a reader must learn which, and that the one in use is not known."""
    balance = {"N": 1.2e6, "D": 1.3e6, "minimise": "0.22*domain + 0.78*general"}
    plan = make_plan(synthetic.fits(spread=0.03), Objective.of(balance))
    nearest = min((item for item in plan.baselines if item.same), key=lambda item: abs(item.difference))
    assert nearest.lo <= 0 <= nearest.hi
    assert plan.verdict == "do not change your mix on this evidence"
    line = plan.verdict_line
    assert line.startswith(
        "No reason to leave a mix that may be as good: the evidence does not separate the answer"
    )
    assert f"from '{nearest.name}' (r = {nearest.r:.3f})" in line
    assert f"differs by {nearest.difference:+.4f} ({nearest.lo:+.4f} to {nearest.hi:+.4f})" in line
    assert "give the mix in use (--now)" in line
    assert f"not told apart: {nearest.difference:+.4f}" in plan.summary()


def test_a_flat_objective_is_no_reason_to_change(synthetic) -> None:
    """At the bottom of a balance neighbours are as good: the interval of the difference holds 0."""
    fits = synthetic.fits(spread=0.03)
    balance = {"N": 1.2e6, "D": 1.3e6, "minimise": "0.3*domain + 0.7*general"}
    best = make_plan(fits, Objective.of(balance))
    near = make_plan(fits, Objective.of({**balance, "r_now": best.r + 0.01}))
    assert near.verdict.startswith("do not change")


def test_the_answer_of_every_draw_is_in_the_plan(synthetic, plan) -> None:
    draws = plan.draws
    assert list(draws) == ["N", "D", "r", "feasible", "value", "loss general", "loss domain"]
    assert len(draws) == 200
    assert (draws["N"] == 1.2e6).all()
    assert (draws["D"] == 1.3e6).all()
    binding = (draws["feasible"] == 1) & draws["r"].between(0.101, 0.899)
    assert draws.loc[binding, "loss general"].to_numpy() == pytest.approx(plan.ceiling, abs=1e-5)
    low, high = np.quantile(draws["r"], [0.05, 0.95])
    assert (min(low, plan.r), max(high, plan.r)) == pytest.approx((plan.r_lo, plan.r_hi), abs=1e-9)


def test_efficient_points_are_those_that_nothing_beats() -> None:
    one, two = np.array([1.0, 2.0, 3.0, 2.5]), np.array([3.0, 2.0, 1.0, 2.5])
    assert efficient([one, two]).tolist() == [True, True, True, False]
    assert efficient([one, one]).tolist() == [True, False, False, False]


def test_the_front_of_known_lines_has_their_band() -> None:
    """general = 2 + r + shift, domain = 3 - r: the least general loss at 3 - r is 2 + r + shift."""
    r = np.linspace(0.1, 0.9, 81)
    shift = 0.02 * np.random.default_rng(1).standard_normal(4000)
    drawn = 2 + r + shift[:, None]
    front = pareto_front(r, 2 + r, 3 - r, drawn, np.broadcast_to(3 - r, drawn.shape), 0.9)
    assert len(front) == 81
    assert front["domain"].is_monotonic_increasing
    inner = front[(front["r"] > 0.11) & (front["r"] < 0.89)]
    assert (inner["reached"] == 1).all()
    assert (inner["general_hi"] - inner["general"]).to_numpy() == pytest.approx(1.645 * 0.02, abs=2e-3)
    assert (inner["general"] - inner["general_lo"]).to_numpy() == pytest.approx(1.645 * 0.02, abs=2e-3)


def test_a_dominated_ratio_is_not_on_the_front() -> None:
    r = np.linspace(0.1, 0.9, 81)
    general, domain = 2 + (r - 0.3) ** 2, 3 - r  # below 0.3 both losses fall with r
    front = pareto_front(r, general, domain, np.empty((0, 81)), np.empty((0, 81)), 0.9)
    assert front["r"].min() == pytest.approx(0.3)
    assert front["general_lo"].isna().all()


def test_the_plan_holds_its_front(plan) -> None:
    assert (np.diff(plan.front["domain"]) > 0).all()
    assert (np.diff(plan.front["general"]) < 0).all()
    middle = plan.front[plan.front["reached"] > 0.95]
    assert (middle["general_lo"] <= middle["general"]).all()
    assert (middle["general"] <= middle["general_hi"]).all()


def test_a_plan_of_the_first_schema_still_loads(tmp_path) -> None:
    """The file as version 1 wrote it: one limit, size and tokens in the objective, ratios of the draws."""
    loss = {"mean": 3.0, "mean_lo": 2.9, "mean_hi": 3.1, "obs_lo": 2.8, "obs_hi": 3.2}
    law = {"name": "d-cpt", "hash": "h", "eval_set": "general", "metric": "loss",
           "unit": "nats_per_token", "status": "converged", "fit_hash": "f"}  # fmt: skip
    columns = ("r", *(f"{side}{end}" for side in ("general", "domain")
                      for end in ("", "_lo", "_hi", "_obs_lo", "_obs_hi")))  # fmt: skip
    document = {
        "schema_version": 1,
        "objective": {"schema_version": 1, "N": 1e6, "D": 2e6, "minimise": "domain",
                      "keep": "general <= +2%", "r_min": None, "r_max": None, "level": 0.9,
                      "general_now": None},
        "curve": {name: [0.1, 0.9] for name in columns}, "r_draws": [0.4, 0.6], "metric": "loss",
        "unit": "nats_per_token", "r": 0.5, "r_lo": 0.4, "r_hi": 0.6, "r_cautious": 0.41,
        "kept_at_r": 0.5, "infeasible_share": 0.0, "general": loss, "domain": {**loss, "mean": 2.5},
        "ceiling": 3.06, "base": {"value": 3.0, "log_sd": 0.0, "source": "measured", "how": "so"},
        "binding": "ceiling", "searched": [0.1, 0.9], "tested": [0.1, 0.9],
        "laws": {"general": law, "domain": {**law, "eval_set": "domain"}}, "fits_fingerprint": "x",
        "how": {"general": "", "domain": ""}, "caveats": [], "verdict": "supported",
        "cost": {"flops": 1.2e13, "tokens": 2e6, "domain_tokens": 1e6, "general_tokens": 1e6}, "seed": 0,
    }  # fmt: skip
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    plan = Plan.load(path)
    assert (plan.N, plan.D, plan.r, plan.ceiling, plan.domain.mean) == (1e6, 2e6, 0.5, 3.06, 2.5)
    assert plan.r_draws.tolist() == [0.4, 0.6]
    assert plan.binding_words == "the general loss reaches its ceiling"
    assert plan.base.value == 3.0
    assert "before: 3.0000 nats" in plan.summary()
    newer = Plan.load(plan.save(tmp_path / "newer.json"))
    assert newer.fingerprint == plan.fingerprint  # a comparison made against it still knows it
    assert newer.to_dict() == plan.to_dict()


def test_the_committed_comparison_knows_the_committed_plan() -> None:
    compared = json.loads((LAW_CPU / "compare.json").read_text())
    assert Plan.load(LAW_CPU).fingerprint == compared["plan_fingerprint"]


def test_tables_without_runs_of_every_set_have_no_best_run(synthetic) -> None:
    table = synthetic.table()
    general = LossTable.from_frame(pd.DataFrame(table.frame[table.frame["eval_set"] == "general"]))
    found = by_name(make_plan(synthetic.fits(), Objective.of(ASKED), general))["best run seen"]
    assert (found.r, found.value) == (None, None)
