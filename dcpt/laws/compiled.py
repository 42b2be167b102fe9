"""A formula as numpy code: values, closed-form Jacobian, linear basis, LaTeX."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.symbols import LEGEND
from dcpt.laws.formula import to_sympy

Array = NDArray[np.float64]

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa", "lambda", "mu", "nu", "xi"),
    *("rho", "sigma", "tau", "phi", "psi", "omega"),
)
_SHORT = {"eps": "epsilon", "lam": "lambda"}


def _log(value: Array) -> Array:
    """Logarithm, 0 at 0.

    The derivative of s**nu by nu is s**nu * log(s), which goes to 0 with s: at s = 0 the power is
    off, and the logarithm beside it only must not be infinite.
    """
    value = np.asarray(value, dtype=np.float64)
    if value.all():
        return np.asarray(np.log(value))
    return np.asarray(np.log(np.where(value > 0, value, 1.0)))


@dataclass(frozen=True)
class Compiled:
    """The numpy functions of one law.

    Attributes
    ----------
    value : callable
        (inputs..., parameters...) to the loss.
    value_and_jacobian : callable
        The same arguments to a list: the loss and its derivative by each parameter.
    basis : mapping
        Linear parameter to (callable of the same arguments, names of the nonlinear parameters it
        depends on): the loss is the offset plus the sum of parameter times basis.
    offset : tuple
        The part without linear parameters, as in `basis`.
    moves : mapping
        Input to the parameters that shape the loss's change with it.
    latex : str
        Right-hand side of the formula.
    """

    value: Callable[..., Any]
    value_and_jacobian: Callable[..., Any]
    basis: Mapping[str, tuple[Callable[..., Any], tuple[str, ...]]]
    offset: tuple[Callable[..., Any], tuple[str, ...]] | None
    moves: Mapping[str, tuple[str, ...]]
    latex: str


def compile_formula(
    tree: ast.expr, inputs: Sequence[str], linear: Sequence[str], names: Sequence[str]
) -> Compiled:
    """Compile a checked formula.

    Parameters
    ----------
    tree : ast.expr
        From `dcpt.laws.formula.read_formula`.
    inputs, linear, names : sequence of str
        Inputs, linear parameters, and all parameters in order.

    Returns
    -------
    Compiled
    """
    import sympy

    symbols = {name: sympy.Symbol(name, positive=True) for name in (*inputs, *names)}
    expression = to_sympy(tree, symbols)
    arguments = [symbols[name] for name in (*inputs, *names)]
    modules: list[Any] = [{"log": _log}, "numpy"]

    def function(parts: Any) -> Callable[..., Any]:
        compiled: Callable[..., Any] = sympy.lambdify(arguments, parts, modules=modules, cse=True)
        return compiled

    def piece(part: Any) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return function(part), named(part)

    def named(part: Any) -> tuple[str, ...]:
        return tuple(name for name in names if symbols[name] in part.free_symbols)

    derivatives = [sympy.diff(expression, symbols[name]) for name in names]
    offset = expression.subs({symbols[name]: 0 for name in linear})
    return Compiled(
        value=function(expression),
        value_and_jacobian=function([expression, *derivatives]),
        basis={name: piece(sympy.diff(expression, symbols[name])) for name in linear},
        offset=None if offset == 0 else piece(offset),
        moves={name: named(sympy.diff(expression, symbols[name])) for name in inputs},
        latex=_latex(tree, names),
    )


def _latex(tree: ast.expr, names: Sequence[str]) -> str:
    """LaTeX of a formula in the order it is written in (sympy would sort its terms)."""

    # Each text comes with its binding strength: 1 sum, 2 product, 3 power, 4 atom.
    def text(node: ast.expr) -> tuple[str, int]:
        if isinstance(node, ast.Constant):
            return f"{node.value:g}" if isinstance(node.value, (int, float)) else str(node.value), 4
        if isinstance(node, ast.Name):
            return symbol_latex(node.id), 4
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            return rf"\{name}\left({text(node.args[0])[0]}\right)", 4
        if isinstance(node, ast.UnaryOp):
            return ("-" if isinstance(node.op, ast.USub) else "") + held(node.operand, 2), 2
        if not isinstance(node, ast.BinOp):
            raise TypeError(f"not a formula node: {node!r}")
        if isinstance(node.op, ast.Pow):
            return f"{held(node.left, 4)}^{{{text(node.right)[0]}}}", 3
        if isinstance(node.op, ast.Div):
            return rf"\frac{{{text(node.left)[0]}}}{{{text(node.right)[0]}}}", 3
        if isinstance(node.op, ast.Mult):
            return rf"{held(node.left, 2)} \, {held(node.right, 2)}", 2
        sign = "+" if isinstance(node.op, ast.Add) else "-"
        return f"{text(node.left)[0]} {sign} {held(node.right, 1 if sign == '+' else 2)}", 1

    def held(node: ast.expr, strength: int) -> str:
        inner, binding = text(node)
        return inner if binding >= strength else rf"\left({inner}\right)"

    return text(tree)[0]


def symbol_latex(name: str) -> str:
    """LaTeX of an input or a parameter: Greek names become letters."""
    if name in LEGEND:
        return LEGEND[name].latex
    letter = _SHORT.get(name, name)
    if letter in _GREEK:
        return f"\\{letter}"
    return name if len(name) == 1 else rf"\mathrm{{{name}}}"
