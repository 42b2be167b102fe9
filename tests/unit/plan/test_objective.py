from __future__ import annotations

import pytest

from dcpt.core.errors import ConfigError
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.weights import parse_weights, spell_weights


@pytest.mark.parametrize(
    ("text", "kind", "amount", "ceiling"),
    [
        ("general <= +2%", "relative", 0.02, 3.06),
        ("general <= 2%", "relative", 0.02, 3.06),
        ("general <= -1%", "relative", -0.01, 2.97),
        ("general <= +0.05", "increase", 0.05, 3.05),
        ("general<=-.05", "increase", -0.05, 2.95),
        ("general ≤ 2.95", "ceiling", 2.95, 2.95),
        (" general <= +0% ", "relative", 0.0, 3.0),
    ],
)
def test_a_tolerance_is_read_as_people_write_it(text: str, kind: str, amount: float, ceiling: float) -> None:
    tolerance = Limit.parse(text)
    assert (tolerance.kind, tolerance.amount) == (kind, amount)
    assert tolerance.ceiling(3.0) == pytest.approx(ceiling, abs=1e-12)
    assert Limit.parse(str(tolerance)) == tolerance


@pytest.mark.parametrize(
    "text",
    ["", "general", "general <= ", "domain <= +2%", "general >= 2", "general <= two", "general <= -100%",
     "general <= 0", "general <= 1e999", "general <= +2% or so"],
)  # fmt: skip
def test_nonsense_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Limit.parse(text)
    assert "keep" in caught.value.message
    assert caught.value.hint is not None


def test_a_relative_limit_needs_the_base() -> None:
    with pytest.raises(ConfigError, match="not known"):
        Limit.parse("general <= +2%").ceiling(None)
    assert Limit.parse("general <= 2.9").ceiling(None) == 2.9


def test_an_increase_below_zero_loss_is_refused() -> None:
    with pytest.raises(ConfigError, match="no positive loss"):
        Limit.parse("general <= -5").ceiling(3.0)


def test_quantities_and_text_are_read() -> None:
    objective = Objective.of({"N": "7B", "D": "20e9", "keep": "general <= +2%"})
    assert (objective.N, objective.D, objective.level) == (7e9, 20e9, 0.9)
    assert Objective.of(objective.model_dump(mode="json")) == objective
    assert str(objective) == "lowest domain loss of 7B parameters after 20B tokens, keeping general <= +2%"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"N": -1}, "N"),
        ({"N": "many"}, "N"),
        ({"D": True}, "D"),
        ({"keep": "general <= lots"}, "keep"),
        ({"keep": None}, "keep"),
        ({"r_min": 0}, "r_min"),
        ({"r_max": 1.0}, "r_max"),
        ({"r_min": 0.6, "r_max": 0.5}, "r_min"),
        ({"level": 1.0}, "level"),
        ({"general_now": 0}, "general_now"),
        ({"minimise": "general"}, "minimise"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Objective.of({"N": 1e9, "D": 1e9, "keep": "general <= +2%", **change})


def test_an_objective_is_read_from_yaml(tmp_path) -> None:
    path = tmp_path / "objective.yaml"
    path.write_text("N: 7B\nD: 2e10\nkeep: general <= +0.02\nr_max: 0.8\n")
    objective = Objective.read(path)
    (limit,) = objective.keep
    assert (limit.kind, limit.amount, objective.r_max) == ("increase", 0.02, 0.8)
    path.write_text("N: 7B\nkeep: general <= +0.02\n")
    with pytest.raises(ConfigError, match=r"objective.yaml: key 'D' is missing"):
        Objective.read(path)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"levl": 0.8}, "objective: unknown key 'levl'.", "did you mean 'level'?"),
        ({"general_noww": 3}, "objective: unknown key 'general_noww'.", "did you mean 'general_now'?"),
        ({"N": "many"}, "objective: N: got 'many'; wanted a number such as 7B, 1.3M or 20e9.", "magnitudes"),
        ({"D": -1}, "objective: D: got -1; wanted a positive number such as 7B.", None),
        ({"keep": "general <= lots"}, "objective: keep: got 'general <= lots'; wanted a limit on the", "+2%"),
        ({"keep": "general <= 0"}, "objective: keep: got 'general <= 0'; the ceiling is 0.0; wanted", "+2%"),
        ({"keep": None}, "objective: keep: got None; wanted a limit on the general loss.", "+2%"),
        ({"r_min": 0}, "objective: r_min is 0.0; wanted a domain share between 0 and 1", None),
    ],
)
def test_a_mistake_is_said_once_with_the_way_out(change: dict[str, object], message: str, hint) -> None:
    with pytest.raises(ConfigError) as caught:
        Objective.of({"N": 1e9, "D": 1e9, "keep": "general <= +2%", **change})
    assert caught.value.message.startswith(message)
    assert (hint is None and caught.value.hint is None) or hint in str(caught.value.hint)


def test_an_objective_does_not_change() -> None:
    objective = Objective.of({"N": 1e9, "D": 1e9, "keep": "general <= +2%"})
    with pytest.raises(ValueError, match="frozen"):
        objective.N = 2e9


def test_the_first_schema_is_read_and_the_second_written() -> None:
    old = {"schema_version": 1, "N": 1e9, "D": 1e9, "minimise": "domain", "keep": "general <= +2%"}
    objective = Objective.of({**old, "r_min": None, "general_now": None})
    written = objective.model_dump(mode="json")
    assert (written["schema_version"], written["minimise"], written["keep"]) == (
        2,
        "domain",
        ["general <= +2%"],
    )
    assert Objective.of(written) == objective


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("domain", {"domain": 1.0}),
        ("0.7*domain + 0.3*general", {"domain": 0.7, "general": 0.3}),
        ("domain=0.7,general=0.3", {"domain": 0.7, "general": 0.3}),
        ("2*law+music + .5 * wiki/dense", {"law": 2.0, "music": 1.0, "wiki/dense": 0.5}),
        ("1e-3*domain + 0*general", {"domain": 1e-3}),
    ],
)
def test_weights_are_read_as_people_write_them(text: str, weights: dict[str, float]) -> None:
    assert parse_weights(text) == weights
    assert parse_weights(spell_weights(weights)) == weights


@pytest.mark.parametrize(
    "text", ["", "0.7 domain", "-1*domain", "domain + domain", "0*domain", "domain=x", "a=1,b"]
)
def test_weights_that_make_no_sense_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError, match="minimise") as caught:
        parse_weights(text)
    assert caught.value.hint is not None


def test_a_budget_is_flops_in_three_currencies() -> None:
    """One hour of an H100 at 35 % of 989 TFLOP/s."""
    hour = 3600 * 989e12 * 0.35
    for budget in (
        {"flops": f"{hour:.17g}"},
        {"gpu_hours": 1, "hardware": "h100"},
        {"money": 2.5, "price": 2.5, "hardware": "h100"},
    ):
        objective = Objective.of({"budget": budget, "keep": "general <= 3"})
        assert objective.budget.likely == pytest.approx(hour, rel=1e-12)
        assert Objective.of(objective.model_dump(mode="json")) == objective
    low, _, high = Objective.of({"budget": {"gpu_hours": 1, "hardware": "h100"}}).budget.flops_range()
    assert (low, high) == pytest.approx((hour * 25 / 35, hour * 45 / 35))


AT = {"N": 1e9, "D": 1e9}
KEEP = {"keep": "general <= +2%"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({**AT}, "keep is missing"),
        ({"D": 1e9, **KEEP}, "'N' is missing"),
        ({"N": 1e9, **KEEP, "D_max": 1e9}, "'D' is missing"),
        ({**AT, **KEEP, "budget": {"flops": 1e20}}, "leave N or D out"),
        ({**AT, **KEEP, "D_max": 2e9}, "D and D_max are both given"),
        ({**AT, **KEEP, "sizes": ["1B"]}, "N and sizes are both given"),
        ({"budget": {"flops": 1e20}, "sizes": []}, "sizes is empty"),
        ({"budget": {"flops": 1e20}, "sizes": ["1B"], "N_min": "1B"}, "one of them"),
        ({"budget": {"flops": 1e20}, "N_min": "2B", "N_max": "1B"}, "N_min below N_max"),
        ({"budget": {"flops": 1e20, "gpu_hours": 1}}, "flops and gpu_hours"),
        ({"budget": {}}, "none of them"),
        ({"budget": {"flops": 0}}, "positive"),
        ({"budget": {"flops": 1e20, "hardware": "h100"}}, "means nothing"),
        ({"budget": {"gpu_hours": 1}}, "needs its hardware"),
        ({"budget": {"gpu_hours": 1, "hardware": "abacus"}}, "'abacus' is unknown"),
        ({"budget": {"money": 1, "hardware": "h100"}}, "belong together"),
        ({"budget": {"gpu_hours": 1, "hardware": "h100", "utilisation": 1.5}}, "share of the peak"),
        ({"N": 1e9, "pools": {"domain": 0}}, "holds no tokens"),
        ({"N": 1e9, "pools": {"domain": "-1B"}}, "positive"),
        ({"N": 1e9, "pools": {"domain": "1B"}, "epochs": {"general": 2}}, "pool that is not given"),
        ({"N": 1e9, "pools": {"domain": "1B"}, "epochs": {"domain": 0}}, "positive"),
        ({"N": 1e9, "D": "9B", "pools": {"domain": "1B", "general": "2B"},
          "epochs": {"domain": 2, "general": 1}}, "hold 4e"),
        ({**AT, "keep": ["general <= +2%", "general <= 3"]}, "limits 'general' twice"),
        ({**AT, **KEEP, "minimise": "general"}, "no weight to the domain"),
        ({**AT, **KEEP, "r_now": 1.2}, "r_now"),
        ({**AT, **KEEP, "general_now": {"wiki": -1}}, "wiki"),
        ({"budget": {"flops": 1e20}, **KEEP, "general_now": 2.3, "sizes": ["1B", "3B"]}, "loss of one base"),
        ({"budget": {"flops": 1e20}, **KEEP, "general_now": 2.3}, "loss of one base"),
        ({"budget": {"flops": 1e20}, **KEEP, "general_now": 2.3, "N_min": "1B", "N_max": "3B"}, "one base"),
    ],
)  # fmt: skip
def test_questions_that_contradict_themselves_are_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Objective.of(fields)
    assert said in caught.value.message
