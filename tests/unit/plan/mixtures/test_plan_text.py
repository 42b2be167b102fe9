"""What a plan of a mixture says: nothing that is not known, and all that a reader has to act on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.plan.mixtures.compared import Compared
from dcpt.plan.mixtures.find_doubts import _alike
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.mixtures.plan_mixture import plan_mixture
from dcpt.plan.mixtures.setting import NOW
from dcpt.plan.verdict import judge, verdict_line


@pytest.fixture(scope="module")
def plan(mixture_fit: MixtureFit) -> MixturePlan:
    asked = {"minimise": "wiki", "keep": "code <= +2%", "against": "uniform"}
    return plan_mixture(mixture_fit, asked, draws=20)


def test_the_shares_of_the_cautious_mixture_are_in_the_text(plan: MixturePlan) -> None:
    assert plan.cautious is not None
    text = str(plan).partition("  cautious  ")[2].splitlines()
    told = dict(part.rsplit(" ", 1) for part in text[1].strip().split(", "))
    expected = {name: share for name, share in plan.cautious.shares.items() if share >= 0.0005}
    assert {name: float(share) for name, share in told.items()} == pytest.approx(expected, abs=6e-4)


def test_noise_that_no_repeat_has_shown_is_not_printed_as_none(plan: MixturePlan) -> None:
    """Predictors of a fixed form report 0 where no mixture was trained twice."""
    assert f"noise of a run {plan.noise:.4f}" in str(plan)
    unknown = str(replace(plan, noise=0.0))
    assert "noise of a run not known" in unknown
    assert "0.0000" not in unknown.partition("noise of a run")[2].splitlines()[0]
    assert "noise of a run 3e-05" in str(replace(plan, noise=3.1e-5))


def beside(name: str, lo: float) -> Compared:
    fields = {"value": 2.0, "difference": lo + 0.002, "lo": lo, "hi": lo + 0.004, "beaten": 0.9}
    return Compared(name, {"wiki": 1.0}, **fields, allowed=True, alike=True)


def test_a_gain_below_the_scatter_of_runs_is_told_as_a_gain() -> None:
    (found,) = _alike([beside(NOW, 0.001)], 0.01)
    assert found.kind == "not_told_apart"
    assert "better than the mix in use, by +0.0030 (+0.0010 to +0.0050)" in found.message
    assert "which may be less than single runs scatter: 0.0100" in found.message
    (unsure,) = _alike([beside(NOW, -0.001)], 0.0)
    assert "cannot be told from the answer" in unsure.message
    assert "how much single runs scatter is not known" in unsure.message


def test_without_a_mixture_in_use_none_is_told_to_be_kept() -> None:
    caveats = list(_alike([beside("uniform", -0.001)], 0.01))
    assert [item.kind for item in caveats] == ["baseline_not_told_apart"]
    line = verdict_line(judge(caveats), caveats, "", "")
    assert line.startswith("No reason to leave a mix that may be as good: the uniform mixture cannot be told")
