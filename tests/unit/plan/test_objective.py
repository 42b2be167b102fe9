from __future__ import annotations

import pytest

from dcpt.core.errors import ConfigError
from dcpt.plan.objective import Objective, Tolerance


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
    tolerance = Tolerance.parse(text)
    assert (tolerance.kind, tolerance.amount) == (kind, amount)
    assert tolerance.ceiling(3.0) == pytest.approx(ceiling, abs=1e-12)
    assert Tolerance.parse(str(tolerance)) == tolerance


@pytest.mark.parametrize(
    "text",
    ["", "general", "general <= ", "domain <= +2%", "general >= 2", "general <= two", "general <= -100%",
     "general <= 0", "general <= 1e999", "general <= +2% or so"],
)  # fmt: skip
def test_nonsense_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Tolerance.parse(text)
    assert "keep" in caught.value.message
    assert caught.value.hint is not None


def test_a_relative_limit_needs_the_base() -> None:
    with pytest.raises(ConfigError, match="not known"):
        Tolerance.parse("general <= +2%").ceiling(None)
    assert Tolerance.parse("general <= 2.9").ceiling(None) == 2.9


def test_an_increase_below_zero_loss_is_refused() -> None:
    with pytest.raises(ConfigError, match="no positive loss"):
        Tolerance.parse("general <= -5").ceiling(3.0)


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
    assert (objective.keep.kind, objective.keep.amount, objective.r_max) == ("increase", 0.02, 0.8)
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
        ({"r_min": 0}, "objective: r_min is 0.0; wanted a domain share between 0 and 1.", None),
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
