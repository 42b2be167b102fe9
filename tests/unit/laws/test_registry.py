"""One registry for laws of end points and laws of curves, from this package and from others."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DoubtWarning
from dcpt.laws import Law, linear, registry
from dcpt.laws.curves import CurveLaw
from dcpt.laws.family import LawFamily
from dcpt.laws.registry import Registry


class Flat(Law):
    """A loss that nothing moves but the size."""

    name = "outside-flat"
    formula = "E + A*N"
    reference = "for tests"
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1.0, "slope in the size")


class FlatCurve(CurveLaw):
    """A loss that nothing moves."""

    name = "outside-flat-curve"
    formula = "L0"
    reference = "for tests"
    L0 = linear(0.0, 20.0, "loss")

    def observe(self, history, steps, given):
        return np.ones((len(steps), 1))

    def columns(self, part, psi):
        return None, part


MADE = LawFamily("outside-N", r"outside-(\d)", lambda digit: Flat())
CURVES_MADE = LawFamily("outside-curve-N", r"outside-curve-(\d)", lambda digit: FlatCurve(), kind=CurveLaw)


@pytest.fixture
def declare(monkeypatch):
    """Registries of both kinds in a world where these things are declared as entry points."""

    def run(*things):
        points = [
            SimpleNamespace(name=f"thing{i}", value=f"outside:{i}", load=lambda thing=thing: thing)
            for i, thing in enumerate(things)
        ]
        monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
        registry._outside.cache_clear()
        return Registry(Law, "dcpt.laws", "law"), Registry(CurveLaw, "dcpt.laws.curves", "curve law")

    yield run
    monkeypatch.undo()
    registry._outside.cache_clear()


def test_laws_of_both_kinds_come_from_one_entry_point_group(declare, monkeypatch) -> None:
    module = ModuleType("outside")
    for kind in (Flat, FlatCurve):
        monkeypatch.setattr(kind, "__module__", "outside")
    module.__dict__.update(Flat=Flat, FlatCurve=FlatCurve, MADE=MADE, CURVES_MADE=CURVES_MADE, Law=Law)
    ends, curves = declare(module)
    assert isinstance(ends.get("outside-flat"), Flat)
    assert isinstance(curves.get("outside-flat-curve"), FlatCurve)
    assert {"d-cpt", "outside-flat"} <= set(ends.laws)
    assert {"momentum", "outside-flat-curve"} <= set(curves.laws)
    assert not set(ends.laws) & set(curves.laws)
    assert (MADE in ends.families, CURVES_MADE in ends.families) == (True, False)
    assert (MADE in curves.families, CURVES_MADE in curves.families) == (False, True)
    assert ends.get("outside-3") is ends.get("outside-3")
    assert isinstance(curves.get("outside-curve-3"), FlatCurve)


def test_a_law_or_a_family_may_be_named_itself(declare) -> None:
    ends, curves = declare(Flat, FlatCurve, CURVES_MADE)
    assert "outside-flat" in ends.laws
    assert "outside-flat-curve" in curves.laws
    assert CURVES_MADE in curves.families
    with pytest.raises(ConfigError, match=r"law 'outside-flatt' is unknown; .*additive-mixture-K") as caught:
        ends.get("outside-flatt")
    assert caught.value.hint == "did you mean 'outside-flat'?"


def test_one_name_is_one_law(declare) -> None:
    other = type("Other", (Flat,), {"__module__": "elsewhere", "__doc__": "Another law of that name."})
    ends, curves = declare(Flat, other)
    with pytest.raises(ConfigError, match=r"'outside-flat' is declared twice: .* and elsewhere"):
        ends.get("d-cpt")
    assert curves.get("momentum").name == "momentum"


def test_what_is_no_law_is_said_once_for_both_kinds(declare) -> None:
    ends, curves = declare(print)
    with pytest.warns(DoubtWarning, match="neither a law, nor a family of laws, nor a module") as said:
        found = ends.laws.keys() | curves.laws.keys()
    assert {"d-cpt", "momentum"} <= found
    assert len(said) == 1


def test_the_group_that_laws_of_curves_had_is_still_read(monkeypatch) -> None:
    point = SimpleNamespace(name="flat", value="outside:flat", load=lambda: FlatCurve)
    groups = {"dcpt.curve_laws": [point]}
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: groups.get(group, []))
    registry._outside.cache_clear()
    try:
        assert "outside-flat-curve" in Registry(CurveLaw, "dcpt.laws.curves", "curve law").laws
    finally:
        monkeypatch.undo()
        registry._outside.cache_clear()


def test_what_a_family_makes_is_told_by_its_builder_or_by_the_law_made(declare) -> None:
    def built(digit: str) -> FlatCurve:
        return FlatCurve()

    built.__annotations__["return"] = FlatCurve
    told = LawFamily("told-N", r"told-(\d)", built)
    silent = LawFamily("silent-N", r"silent-(\d)", lambda digit: FlatCurve())
    wrong = LawFamily("wrong-N", r"wrong-(\d)", lambda digit: FlatCurve(), kind=Law)
    ends, curves = declare(told, silent, wrong)
    assert told in curves.families
    assert told not in ends.families
    for name in ("told-1", "silent-1"):
        assert isinstance(curves.get(name), FlatCurve)
        with pytest.raises(ConfigError, match="is unknown"):
            ends.get(name)
    with pytest.raises(ConfigError, match="wanted a Law") as caught:
        ends.get("wrong-1")
    assert "kind=CurveLaw" in caught.value.hint
