"""A law's formula as text: read into a syntax tree, checked, turned into a sympy expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dcpt.core.errors import ConfigError

FUNCTIONS = {"exp": 1, "log": 1, "min": 2, "max": 2}
"""Functions a formula may call, and how many arguments each takes."""
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_NOT_AFFINE = 2


def read_formula(text: str, where: str) -> ast.expr:
    """Parse a formula of ``+ - * / **``, numbers, names, ``exp``, ``log``, ``min`` and ``max``.

    Parameters
    ----------
    text : str
        The formula, in Python's notation.
    where : str
        Law or parameter the formula belongs to, for the error message.

    Raises
    ------
    ConfigError
        When the text is not such a formula.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ConfigError(f"{where}: formula {text!r} is not valid: {error.msg}.") from None
    for node in ast.walk(tree):
        number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        call = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and FUNCTIONS.get(node.func.id) == len(node.args)
            and not node.keywords
        )
        operation = isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS)
        sign = isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd))
        grammar = isinstance(node, (ast.Name, ast.operator, ast.unaryop, ast.expr_context))
        if not (number or call or operation or sign or grammar):
            found = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise ConfigError(
                f"{where}: formula {text!r} holds {found}; "
                f"wanted numbers, names, + - * / ** and {', '.join(FUNCTIONS)}."
            )
    return tree


def names_in(tree: ast.expr) -> tuple[str, ...]:
    """Names of the quantities in a formula, in order of appearance."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return tuple(dict.fromkeys(node.id for node in found))


def degree(tree: ast.expr, names: frozenset[str]) -> int:
    """Degree of a formula in some of its names: 0, 1, or 2 for anything not affine."""
    if isinstance(tree, ast.Name):
        return int(tree.id in names)
    if isinstance(tree, ast.UnaryOp):
        return degree(tree.operand, names)
    if isinstance(tree, ast.Call):
        return _NOT_AFFINE if any(degree(argument, names) for argument in tree.args) else 0
    if isinstance(tree, ast.BinOp):
        left, right = degree(tree.left, names), degree(tree.right, names)
        if isinstance(tree.op, (ast.Add, ast.Sub)):
            return max(left, right)
        if isinstance(tree.op, ast.Mult):
            return min(left + right, _NOT_AFFINE)
        if isinstance(tree.op, ast.Div):
            return _NOT_AFFINE if right else left
        return _NOT_AFFINE if left or right else 0
    return 0


def to_sympy(
    tree: ast.expr, symbols: Mapping[str, Any], functions: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Turn a checked formula into a sympy expression.

    Parameters
    ----------
    tree : ast.expr
        From `read_formula`.
    symbols : mapping
        Name to sympy symbol.
    functions : mapping, optional
        What stands for exp, log, min or max in the place of sympy's own.
    """
    import sympy

    if isinstance(tree, ast.Constant):
        return sympy.Integer(tree.value) if isinstance(tree.value, int) else sympy.Float(tree.value)
    if isinstance(tree, ast.Name):
        return symbols[tree.id]
    if isinstance(tree, ast.UnaryOp):
        operand = to_sympy(tree.operand, symbols, functions)
        return -operand if isinstance(tree.op, ast.USub) else operand
    if isinstance(tree, ast.Call):
        known = {"exp": sympy.exp, "log": sympy.log, "min": sympy.Min, "max": sympy.Max, **functions}
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        return known[name](*(to_sympy(argument, symbols, functions) for argument in tree.args))
    if not isinstance(tree, ast.BinOp):
        raise TypeError(f"not a formula node: {tree!r}")
    left, right = (to_sympy(part, symbols, functions) for part in (tree.left, tree.right))
    if isinstance(tree.op, ast.Add):
        return left + right
    if isinstance(tree.op, ast.Sub):
        return left - right
    if isinstance(tree.op, ast.Mult):
        return left * right
    return left / right if isinstance(tree.op, ast.Div) else left**right
