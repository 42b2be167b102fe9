"""Tables of what if, and plans that leave more than the ratio open."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, PlanError
from dcpt.fit.fit_file import FitSet
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.plan.plan import Plan
from dcpt.plan.what_if import what_if

ASKED = {"N": 1.2e6, "D": 1.3e6, "keep": "general <= -1%", "general_now": 3.3}


@pytest.fixture(scope="module")
def fits(synthetic) -> FitSet:
    return synthetic.fits()


def test_along_the_ratio_the_table_is_the_curve(fits) -> None:
    objective = Objective.of(ASKED)
    plan, frame = make_plan(fits, objective), what_if(fits, objective, "r", ["0.2", "0.5", "0.8"])
    assert frame["r"].tolist() == [0.2, 0.5, 0.8]
    for name in ("general", "domain"):
        curve = np.interp(frame["r"], plan.curve["r"], plan.curve[name])
        assert frame[name].to_numpy() == pytest.approx(curve, abs=2e-4)
    assert frame["keeps"].tolist() == [float(r <= plan.r) for r in frame["r"]]
    assert frame["kept"].is_monotonic_decreasing
    assert len(what_if(fits, objective, "r")) == 9


@pytest.mark.parametrize("axis", ["D", "N", "keep"])
def test_a_row_is_what_the_plan_for_that_value_says(fits, axis) -> None:
    values = {"D": ["0.65M", "1.3M"], "N": ["1.1M", "1.2M"], "keep": ["-2%", "-1%"]}[axis]
    # One given loss of the base is no other size's: a ceiling asks of every size the same.
    asked = {"N": 1.2e6, "D": 1.3e6, "keep": "general <= 3.267"} if axis == "N" else ASKED
    frame = what_if(fits, Objective.of(asked), axis, values)
    for text, row in zip(values, frame.to_dict("records"), strict=True):
        change = {axis: f"general <= {text}" if axis == "keep" else text}
        plan = make_plan(fits, Objective.of({**asked, **change}))
        assert row["r"] == pytest.approx(plan.r, abs=1e-4)
        assert row["r_max"] == pytest.approx(plan.limit.r_edge, abs=1e-4)
        assert (row["r_lo"], row["r_hi"]) == pytest.approx((plan.r_lo, plan.r_hi), abs=1e-3)
        assert row["domain"] == pytest.approx(plan.domain.mean, abs=1e-4)


def test_the_critical_ratio_grows_with_tokens_where_the_law_says_so(fits) -> None:
    """d-cpt: more tokens lower the general loss at every share, so a larger share keeps the ceiling."""
    frame = what_if(fits, Objective.of(ASKED), "D", ["0.5M", "1M", "2M"])
    assert frame["r_max"].is_monotonic_increasing


def test_a_row_without_an_answer_has_no_numbers(fits) -> None:
    frame = what_if(fits, Objective.of(ASKED), "keep", ["-30%", "general <= +1%"])
    assert frame["keep"].tolist() == ["general <= -30%", "general <= +1%"]
    assert frame["r"].isna().tolist() == [True, False]
    assert frame["domain"].isna().tolist() == [True, False]


def test_the_reason_for_a_missing_answer_is_that_of_the_plan(fits) -> None:
    frame = what_if(fits, Objective.of(ASKED), "keep", ["-30%", "+1%"])
    with pytest.raises(PlanError) as caught:
        make_plan(fits, Objective.of({**ASKED, "keep": "general <= -30%"}))
    reasons = frame.attrs["unreachable"]
    assert list(reasons) == [0]
    assert reasons[0].startswith(caught.value.message.rstrip("."))
    assert str(caught.value.hint) in reasons[0]
    tight = Objective.of({**ASKED, "keep": "general <= -30%"})
    along = what_if(fits, tight, "r", ["0.2", "0.5"])
    assert along["keeps"].tolist() == [0, 0]
    assert along.attrs["unreachable"] == reasons
    assert what_if(fits, Objective.of(ASKED), "r", ["0.8", "0.9"]).attrs["unreachable"] == {}


def test_each_row_says_what_lies_outside_the_fits(fits) -> None:
    """Fitted: N 55k to 600k, D 330k to 1.3M, r 0.1 to 0.9."""
    inside = {"N": 0.5e6, "D": 1e6, "keep": "general <= 3.37"}
    for axis, values, wanted in (
        ("D", ["1M", "1.3M", "2.6M", "0.11M"], ["", "", "D 2x", "D 3x"]),
        ("N", ["0.5M", "6M"], ["", "N 10x"]),
        ("r", ["0.5", "0.95"], ["", "r"]),
        ("keep", ["3.37", "3.4"], ["", ""]),
    ):
        assert what_if(fits, Objective.of(inside), axis, values)["outside"].tolist() == wanted, axis
    both = what_if(fits, Objective.of({**inside, "N": 1.2e6}), "D", ["2.6M"])
    assert both["outside"].tolist() == ["N 2x, D 2x"]


def test_limits_kept_only_between_two_points_of_the_grid_are_found(synthetic) -> None:
    """A general loss that turns with the ratio, kept only at its minimum: no grid point keeps it."""
    bent = synthetic.fit_of("general", {**synthetic.GENERAL, "B": 0.6, "nu": 2.0})
    fits = FitSet((bent, synthetic.fit_of("domain")), {})
    fine = np.linspace(0.1, 0.9, 400001)
    losses = np.array(bent.mean(1.2e6, 1.3e6, fine))
    bottom = float(fine[losses.argmin()])
    assert 0.15 < bottom < 0.85
    asked = {**ASKED, "keep": f"general <= {losses.min() + 1e-10:.12f}"}
    frame = what_if(fits, Objective.of(asked), "D", ["1.3M"])
    assert frame.attrs["unreachable"] == {}
    assert frame["r"].iloc[0] == pytest.approx(bottom, abs=1e-4)
    assert frame["r"].iloc[0] == pytest.approx(make_plan(fits, Objective.of(asked)).r, abs=1e-4)


def test_questions_that_make_no_sense_are_refused(fits) -> None:
    objective = Objective.of(ASKED)
    balance = Objective.of({"N": 1e6, "D": 1e6, "minimise": "0.5*domain + 0.5*general"})
    for asked, axis, values, match in (
        (objective, "seed", None, "'seed' is unknown"),
        (objective, "r", ["1.5"], "between 0 and 1"),
        (objective, "D", ["many"], "--values"),
        (objective, "D", ["-1"], "positive"),
        (objective, "keep", ["loads"], "keep: got"),
        (balance, "keep", None, "nothing is kept"),
        (Objective.of({"budget": {"flops": 1e13}}), "D", None, "D is not given"),
        (objective, "budget", ["1e13"], "no budget"),
        (objective, "pool", None, "no pool to vary"),
        (objective, "pool", ["novels=1M"], "'novels' is no side"),
        (Objective.of({"N": 1e6, "budget": {"flops": 1e13}}), "price", ["2"], "in flops, which has no price"),
        (Objective.of({"N": 1e6, "budget": {"flops": 1e13}}), "budget", ["gpu_hours=2"], "amounts of flops"),
        (Objective.of({"N": 1e6, "budget": {"flops": 1e13}}), "D", ["1M"], "a budget is what chooses"),
        (objective, "N", ["1.2M", "2M"], "loss of one base"),
    ):
        with pytest.raises(ConfigError, match=match):
            what_if(fits, asked, axis, values)


def test_caps_on_epochs_are_kept_by_the_table_along_the_ratio(fits) -> None:
    """Of 1.3M tokens at r = 0.5, 650k are domain text: 2.17 passes over 300k, where two are allowed."""
    capped = {**ASKED, "keep": "general <= +50%", "pools": {"domain": 0.3e6}, "epochs": {"domain": 2}}
    frame = what_if(fits, Objective.of(capped), "r", ["0.2", "0.46", "0.5"])
    assert frame["domain_epochs"].tolist() == pytest.approx(
        [0.2 * 1.3 / 0.3, 0.46 * 1.3 / 0.3, 0.5 * 1.3 / 0.3]
    )
    assert frame["keeps"].tolist() == [1, 1, 0]
    assert frame["kept"].iloc[-1] == 0
    free = Objective.of({**capped, "keep": [], "minimise": "0.5*domain + 0.5*general"})
    assert what_if(fits, free, "r", ["0.2", "0.5"])["keeps"].tolist() == [1, 0]


def test_a_ratio_that_a_cap_ends_is_no_critical_ratio(fits) -> None:
    """Two passes over 300k domain tokens are 0.46 of 1.3M, below what the limit allows there."""
    capped = {**ASKED, "pools": {"domain": 0.3e6}, "epochs": {"domain": 2}}
    tokens = ["0.4M", "0.6M", "1.3M", "5M"]
    frame = what_if(fits, Objective.of(capped), "D", tokens)
    limited = what_if(fits, Objective.of({**ASKED, "pools": {"domain": 0.3e6}}), "D", tokens)
    caps = [0.6e6 / float(number.removesuffix("M")) / 1e6 for number in tokens]
    below = [row for row, (r, cap) in enumerate(zip(limited["r_max"], caps, strict=True)) if r < cap]
    assert frame.attrs["critical"] == below
    assert 0 < len(below) < len(tokens)
    assert frame["r_max"].iloc[2:].tolist() == pytest.approx(caps[2:], abs=1e-6)


# -- tokens and size left open --------------------------------------------------------------------------


def test_once_over_the_pool_is_the_published_problem(fits) -> None:
    """One epoch of U domain tokens, no limit: min over r of L_d(N, U/r, r), usage 2 of arXiv:2406.01375."""
    pool = 0.3e6
    asked = {"N": 0.6e6, "pools": {"domain": pool}, "epochs": {"domain": 1}, "D_max": 1.3e6}
    plan = make_plan(fits, Objective.of(asked))
    grid = np.linspace(max(0.1, pool / 1.3e6), 0.9, 20001)
    law = fits.best("domain")
    losses = np.array(law.mean(0.6e6, pool / grid, grid))
    assert plan.domain.mean == pytest.approx(losses.min(), abs=2e-4)
    assert plan.r * plan.D <= pool * (1 + 1e-9)
    assert plan.epochs["domain"] <= 1 + 1e-9
    assert plan.cost["domain_epochs"] == pytest.approx(plan.epochs["domain"])
    assert {"not_held_out"} & {c.kind for c in plan.caveats} == set()
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()
    assert "best number of tokens" in plan.summary()


def test_a_pool_larger_than_the_run_changes_nothing(fits) -> None:
    plain = make_plan(fits, Objective.of(ASKED))
    pooled = make_plan(fits, Objective.of({**ASKED, "pools": {"domain": "1T", "general": "1T"}}))
    assert pooled.r == pytest.approx(plain.r, abs=1e-4)
    assert pooled.domain.mean == pytest.approx(plain.domain.mean, abs=1e-5)
    assert (pooled.N, pooled.D) == (plain.N, plain.D)


def test_repetition_is_seen_by_every_number_of_the_plan(fits) -> None:
    plain = make_plan(fits, Objective.of(ASKED))
    poor = make_plan(fits, Objective.of({**ASKED, "pools": {"domain": 0.05e6}}))
    assert poor.domain.mean > plain.domain.mean
    uniform = [item.value for plan in (plain, poor) for item in plan.baselines if item.name == "uniform"]
    assert uniform[1] > uniform[0]
    assert poor.curve["domain"].iloc[-1] > plain.curve["domain"].iloc[-1]
    assert "repetition_not_measured" in {item.kind for item in poor.caveats}


def test_a_budget_buys_size_and_tokens(fits) -> None:
    budget = 6 * 0.2e6 * 1e6
    asked = {"budget": {"flops": budget}, "sizes": ["0.1M", "0.2M", "0.4M"], "keep": "general <= 9"}
    plan = make_plan(fits, Objective.of({**asked, "r_max": 0.8}))
    assert plan.N in (0.1e6, 0.2e6, 0.4e6)
    assert budget * (1 + 1e-6) >= 6 * plan.N * plan.D
    assert len(plan.by_size) == 3
    assert plan.by_size["value"].min() == pytest.approx(plan.domain.mean, abs=1e-6)
    assert set(plan.intervals) == {"N", "D"}
    assert {"N", "D", "r", "feasible"} <= set(plan.draws)
    assert "N* " in plan.summary()
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()
    hours = {"gpu_hours": budget / (190e9 * 0.32 * 3600), "hardware": "cpu-core"}
    same = make_plan(fits, Objective.of({**asked, "budget": hours, "r_max": 0.8}))
    assert pytest.approx((plan.N, plan.D), rel=1e-6) == (same.N, same.D)
    assert same.cost["hours"] == pytest.approx(hours["gpu_hours"], rel=1e-3)
    with pytest.raises(PlanError):
        make_plan(fits, Objective.of({**asked, "budget": {"flops": 1e3}}))
