"""What a user holds, bounds or ties, in the numbers a result prints: N in parameters, D in tokens."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from dcpt.core.errors import ConfigError
from dcpt.fit.dataset import Units
from dcpt.fit.raw_values import RawPowers, raw_powers
from dcpt.fit.safe_formula import names_of_tie, read_tie
from dcpt.fit.space import Space, make_space
from dcpt.laws.law import Law


@dataclass(frozen=True)
class Constraints:
    """Parameters that are held, bounded or tied, as raw values (see `LawFit.raw_values`).

    For a law without raw values they are in the units of the fit, as its results are printed.

    Parameters
    ----------
    fixed : mapping of str to float
        Parameter to the value it is held at.
    bounds : mapping of str to (float, float)
        Parameter to its lowest and highest value.
    ties : mapping of str to str
        Parameter to its formula over others.
    """

    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)

    def check(self, law: Law) -> None:
        """Refuse what is a mistake whatever the data are.

        Raises
        ------
        ConfigError
            When a name is not a parameter of the law or stands twice, a value free of units is outside
            the law's bounds, bounds are empty, or a formula is not understood.
        """
        powers = raw_powers(law)
        scaled = {} if powers is None else powers.degrees
        names = [*self.fixed, *self.bounds, *self.ties]
        for name in names:
            if name not in law.names:
                raise ConfigError(
                    f"law {law.name!r} has no parameter {name!r}; it has {', '.join(law.names)}."
                )
            if names.count(name) > 1:
                raise ConfigError(f"parameter {name!r}: wanted only one of a value, bounds and a tie.")
        for name, value in self.fixed.items():
            index = law.names.index(name)
            lo, hi = float(law.lower[index]), float(law.upper[index])
            if not lo <= value <= hi and (name not in scaled or value < lo):
                raise ConfigError(
                    f"{name} is held at {value:g}; wanted a value inside the law's bounds, {lo:g} to {hi:g}."
                )
        for name, (low, high) in self.bounds.items():
            if not low < high:
                raise ConfigError(f"bounds of {name}: got {low:g} to {high:g}; wanted LOW below HIGH.")
        for name, text in self.ties.items():
            read_tie(text, f"tie of {name}")


def read_constraints(law: Law, constraints: Constraints, units: Units) -> Space:
    """The space of the free parameters, in the units of a fit.

    A coefficient held at a raw value moves with the exponents in the units of the fit: it is tied to
    them. One with raw bounds is itself a free parameter in raw units.

    Raises
    ------
    ConfigError
        As `Constraints.check`, and when the constraints leave nothing to fit or no room.
    """
    constraints.check(law)
    powers = raw_powers(law) or RawPowers(law.names, {})
    fixed = {
        name: value for name, value in constraints.fixed.items() if value == 0 or name not in powers.degrees
    }
    ties = {
        name: _in_fit_units(name, repr(value), powers, units)
        for name, value in constraints.fixed.items()
        if name not in fixed
    }
    ties |= {name: _in_fit_units(name, text, powers, units) for name, text in constraints.ties.items()}
    lower, upper = law.lower.copy(), law.upper.copy()
    raw: dict[str, tuple[float, float, str]] = {}
    for name, (low, high) in constraints.bounds.items():
        index = law.names.index(name)
        if name in powers.degrees:
            raw[name] = (low, high, f"1/({powers.text(name, units)})")
            continue
        lower[index], upper[index] = max(lower[index], low), min(upper[index], high)
        if not lower[index] < upper[index]:
            raise ConfigError(
                f"law {law.name}: bounds of {name} leave no room inside "
                f"[{law.lower[index]:g}, {law.upper[index]:g}]."
            )
    return make_space(law, lower, upper, fixed, ties, raw)


class _Scale(ast.NodeTransformer):
    """Every coefficient of a formula over raw values by its value in the fit's units."""

    def __init__(self, powers: RawPowers, units: Units) -> None:
        self.powers, self.units = powers, units

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.powers.degrees:
            return node
        return ast.parse(f"{node.id}*{self.powers.text(node.id, self.units)}", mode="eval").body


def _in_fit_units(name: str, text: str, powers: RawPowers, units: Units) -> str:
    """A formula over raw values, for a raw value, as one over values in the fit's units."""
    touched = {name, *names_of_tie(text)} & set(powers.degrees)
    if not touched or units == Units(1.0, 1.0):
        return text
    tree = _Scale(powers, units).visit(ast.parse(text, mode="eval").body)
    factor = powers.text(name, units)
    return ast.unparse(tree) if factor == "1" else f"({ast.unparse(tree)})/({factor})"
