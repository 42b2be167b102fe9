"""Plans of mixtures: allowed, monotone in what is asked, steady under corpora that do not matter."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.mixture_table import MixtureTable
from dcpt.fit.mixtures import choose
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.process import ProcessPredictor
from dcpt.plan.mixtures.make_region import make_region, resolved
from dcpt.plan.mixtures.plan_mixture import plan_mixture
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.setting import make_setting
from dcpt.plan.mixtures.solve import solve

SHARE = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])


@cache
def world() -> ModuleType:
    file = Path(__file__).parents[1] / "unit" / "plan" / "mixtures" / "mixture_world.py"
    spec = importlib.util.spec_from_file_location("mixture_world", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mixture_world"] = module
    spec.loader.exec_module(module)
    return module


@cache
def fit() -> MixtureFit:
    fitted: MixtureFit = world().fit()
    return fitted


@given(low=SHARE, group=SHARE, pin=SHARE, ceiling=st.sampled_from([None, 1.35, 1.6, 1.9]))
@settings(max_examples=20)
def test_a_plan_is_allowed_or_says_why_not(
    low: float, group: float, pin: float, ceiling: float | None
) -> None:
    fields = {
        "minimise": "wiki",
        "shares": [f"code >= {low}", f"web = wiki + law <= {group}", f"noise = {pin}"],
    }
    if ceiling is not None:
        fields["keep"] = [f"code <= {ceiling}"]
    question = MixtureQuestion.of(fields)
    if low + pin > 1 + 1e-9:
        with pytest.raises(ConfigError, match="shares"):
            make_setting(fit(), question)
        return
    setting = make_setting(fit(), question)
    code = setting.problem.surface.targets.index("code") if ceiling is not None else 0
    # Most code, and so the least loss on it, is all that the pin leaves.
    most = np.array([[0, 1 - pin, 0, pin]])
    if ceiling is not None and setting.problem.surface.losses(most)[0, code] > ceiling + 0.02:
        with pytest.raises(PlanError, match="nearest that can be kept is code <="):
            solve(setting.problem, setting.pool)
        return
    try:
        best = solve(setting.problem, setting.pool)
    except PlanError:
        # Just above the ceiling everywhere: the fitted surface need not be lowest at the corner.
        least = setting.problem.surface.losses(setting.pool)[:, code].min()
        assert ceiling is not None
        assert least > ceiling
        return
    shares = best.shares
    assert abs(shares.sum() - 1) < 1e-6
    assert shares.min() >= -1e-12
    assert shares[1] >= low - 1e-6
    assert shares[0] + shares[2] <= group + 1e-6
    assert abs(shares[3] - pin) < 1e-6
    if ceiling is not None:
        assert best.losses[code] <= ceiling * (1 + 2e-6)


@given(first=st.floats(0.1, 0.9), second=st.floats(0.1, 0.9))
@settings(max_examples=15)
def test_a_tighter_rule_never_lowers_the_best_goal(first: float, second: float) -> None:
    values = []
    for most in sorted((first, second)):
        setting = make_setting(
            fit(), MixtureQuestion.of({"minimise": "wiki", "shares": [f"wiki <= {most:.6f}"]})
        )
        values.append(solve(setting.problem, setting.pool).value)
    assert values[1] <= values[0] + 1e-5


@given(ceiling=st.floats(1.4, 1.8), group=st.floats(0.2, 0.6))
@settings(max_examples=4)
def test_the_goal_moves_as_steadily_as_the_question(ceiling: float, group: float) -> None:
    """A limit or a rule that is a thousandth wider: no worse, and better by a fraction of a per cent."""
    fields = {
        "minimise": "wiki",
        "keep": f"code <= {ceiling:.6f}",
        "shares": f"web = wiki + law <= {group:.6f}",
    }
    wider = (
        {"keep": f"code <= {ceiling * 1.001:.6f}"},
        {"shares": f"web = wiki + law <= {group * 1.001:.6f}"},
    )
    values = []
    for change in ({}, *wider):
        setting = make_setting(fit(), MixtureQuestion.of({**fields, **change}))
        values.append(solve(setting.problem, setting.pool).value)
    for value in values[1:]:
        assert -0.01 * abs(values[0]) < value - values[0] <= 1e-5


@given(
    mixture=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    high=st.floats(0.3, 0.9),
    low=st.floats(0.0, 0.2),
)
@settings(max_examples=50)
def test_what_is_pulled_in_is_inside_and_what_is_inside_stays(
    mixture: list[float], high: float, low: float
) -> None:
    rules = [f"web = wiki + code <= {high:.6f}", f"law >= {low:.6f}"]
    question = resolved(MixtureQuestion.of({"shares": rules}), world().CORPORA, world().TARGETS)
    region = make_region(question, world().CORPORA)
    given_shares = np.array(mixture) + 1e-3
    given_shares /= given_shares.sum()
    pulled = region.pull(given_shares[None])
    assert region.contains(pulled, 1e-7).all()
    if region.contains(given_shares[None], 0.0)[0]:
        np.testing.assert_allclose(pulled[0], given_shares, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 2])
def test_a_corpus_that_does_not_matter_leaves_the_answer_where_it_was(seed: int) -> None:
    """A fifth corpus that only dilutes the others: among the others the answer stays within its interval."""
    plain = world().table(50, seed)
    extra = np.random.default_rng(9 + seed).beta(1, 6, len(plain))
    shares = np.column_stack([plain.shares * (1 - extra)[:, None], extra])
    noise = plain.losses - world().true_losses(plain.shares)
    losses = world().true_losses(shares[:, :4]) + noise
    wider = MixtureTable((*plain.corpora, "chaff"), plain.targets, shares, losses, plain.index)
    question = {"minimise": "0.5*wiki + 0.4*code + 0.1*law"}
    before = plan_mixture(choose(plain, 0, [ProcessPredictor()]), question, draws=100)
    after = plan_mixture(choose(wider, 0, [ProcessPredictor()]), question, draws=100)
    assert after.mixture["chaff"] < 0.1
    rest = 1 - after.mixture["chaff"]
    for item in before.shares:
        share = after.mixture[item.corpus] / rest
        assert item.lo - 0.01 <= share <= item.hi + 0.01, item.corpus
