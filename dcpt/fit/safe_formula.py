"""Formulas that users type: bounded in size, and with constants that stay inside the floats."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.laws.formula import names_in, read_formula

MOST_CHARACTERS, MOST_NODES, MOST_DEPTH = 2000, 400, 40
"""Size of a formula that sympy differentiates in about a second; ties that people write have ten parts."""

LARGEST_EXPONENT = 1000.0
"""Largest size of a constant exponent. Beyond it a power of anything but 1 soon leaves the floats, and exact
arithmetic, which sympy may resort to, does not end: 9**9**9 has 370 million digits."""


def read_tie(text: str, where: str) -> ast.expr:
    """Parse a formula, as `dcpt.laws.formula.read_formula`, of bounded size and cost.

    Raises
    ------
    ConfigError
        When it is too long or too deep, a constant in it leaves the floats, or it is no formula.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"{where}: the formula has {len(text)} characters; wanted {MOST_CHARACTERS} or less."
        )
    try:
        tree = read_formula(text, where)
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where}: the formula is nested too deeply or holds too long a number.") from None
    nodes, depth = _size(tree)
    if nodes > MOST_NODES or depth > MOST_DEPTH:
        raise ConfigError(
            f"{where}: the formula has {nodes} parts nested {depth} deep; wanted at most {MOST_NODES} and "
            f"{MOST_DEPTH}."
        )
    _fold(tree, {}, where)
    return tree


def names_of_tie(text: str) -> tuple[str, ...]:
    """Parameters in a formula."""
    return names_in(read_tie(text, "tie"))


def check_constants(trees: Mapping[str, ast.expr], fixed: Mapping[str, float], law: str) -> None:
    """Check the constants of formulas that refer to held values and to each other.

    Parameters
    ----------
    trees : mapping
        Tied parameter to its formula.
    fixed : mapping
        Held parameter to its value.
    law : str
        For messages.

    Raises
    ------
    ConfigError
        When a constant leaves the floats.
    """
    known = dict(fixed)
    for _ in trees:  # a tie that is a constant is one inside the others, too
        for name, tree in trees.items():
            value = _fold(tree, known, f"law {law}: tie of {name}")
            if value is not None:
                known[name] = value


@cache
def corners() -> tuple[dict[str, Any], dict[str, Any]]:
    """The functions min and max for ties: by name for `to_sympy`, and as numpy for `sympy.lambdify`.

    sympy's own compare their arguments and merge what is nested; six of them can take minutes. These are
    left as written and have the derivatives of `dcpt.laws.compiled`: half of each side where they meet.
    """
    import sympy

    class Step(sympy.Function):  # type: ignore[misc]
        nargs = 1
        is_real = True

        def fdiff(self, argindex: int = 1) -> Any:
            return sympy.Float(0)

    class Least(sympy.Function):  # type: ignore[misc]
        nargs = 2

        def fdiff(self, argindex: int = 1) -> Any:
            one, other = self.args
            return Step(other - one) if argindex == 1 else Step(one - other)

        def _eval_is_real(self) -> bool | None:
            return True if all(part.is_real for part in self.args) else None

    class Most(Least):
        def fdiff(self, argindex: int = 1) -> Any:
            one, other = self.args
            return Step(one - other) if argindex == 1 else Step(other - one)

    numpy = {"Least": np.minimum, "Most": np.maximum, "Step": lambda value: np.heaviside(value, 0.5)}
    return {"min": Least, "max": Most}, numpy


class _Floats(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(float(node.value)) if isinstance(node.value, int) else node


def as_floats(tree: ast.expr) -> ast.expr:
    """The formula with every number a float: sympy is exact with integers, whatever that costs."""
    made: ast.expr = ast.fix_missing_locations(_Floats().visit(tree))
    return made


def _size(tree: ast.expr) -> tuple[int, int]:
    """Number of parts, and how deep they are nested; without recursion."""
    nodes, depth, level = 0, 0, [tree]
    while level:
        nodes, depth = nodes + len(level), depth + 1
        level = [
            child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
        ]
    return nodes, depth


def _fold(tree: ast.expr, known: Mapping[str, float], where: str) -> float | None:
    """Value of a formula whose names are known; None for others, whose constant parts are checked."""
    if isinstance(tree, ast.Constant):
        return _checked(_number(tree.value), tree, where)
    if isinstance(tree, ast.Name):
        return known.get(tree.id)
    if isinstance(tree, ast.Call):
        values = [_fold(argument, known, where) for argument in tree.args]
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        return _checked(_call(name, values), tree, where)
    if isinstance(tree, ast.UnaryOp):
        value = _fold(tree.operand, known, where)
        return -value if value is not None and isinstance(tree.op, ast.USub) else value
    if not isinstance(tree, ast.BinOp):
        return None
    left, right = _fold(tree.left, known, where), _fold(tree.right, known, where)
    if isinstance(tree.op, ast.Pow) and right is not None and abs(right) > LARGEST_EXPONENT:
        raise ConfigError(
            f"{where}: {ast.unparse(tree)!r} has the exponent {right:g}; wanted one from "
            f"{-LARGEST_EXPONENT:g} to {LARGEST_EXPONENT:g}."
        )
    if left is None or right is None:
        return None
    return _checked(_operation(tree.op, left, right), tree, where)


def _number(value: object) -> float:
    """A literal as a float; infinity beyond the floats."""
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e308 else math.inf


def _call(name: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name == "exp":
        return math.exp(known[0]) if known[0] < 700 else math.inf
    if name == "log":
        return math.log(known[0]) if known[0] > 0 else None  # the reader of ties says that it is not real
    return min(known) if name == "min" else max(known)


def _operation(operator: ast.operator, left: float, right: float) -> float | None:
    try:
        if isinstance(operator, ast.Add):
            return left + right
        if isinstance(operator, ast.Sub):
            return left - right
        if isinstance(operator, ast.Mult):
            return left * right
        found = left / right if isinstance(operator, ast.Div) else left**right
    except OverflowError:
        return math.inf
    except ZeroDivisionError:
        return None
    return None if isinstance(found, complex) else float(found)


def _checked(value: float | None, tree: ast.expr, where: str) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ConfigError(
            f"{where}: {ast.unparse(tree)[:60]!r} is beyond what a float holds; wanted an "
            "expression with real values."
        )
    return value
