"""Formulas as LaTeX, from what was written: no sympy is needed."""

from __future__ import annotations

import ast

from dcpt.core.symbols import symbol_of

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa", "lambda", "mu", "nu", "xi"),
    *("rho", "sigma", "tau", "phi", "psi", "omega"),
)
_SHORT = {"eps": "epsilon", "lam": "lambda"}


def formula_latex(tree: ast.expr) -> str:
    """LaTeX of a formula in the order it is written in (sympy would sort its terms)."""

    # Each text comes with its binding strength: 1 sum, 2 product, 3 power, 4 atom.
    def text(node: ast.expr) -> tuple[str, int]:
        if isinstance(node, ast.Constant):
            return f"{node.value:g}" if isinstance(node.value, (int, float)) else str(node.value), 4
        if isinstance(node, ast.Name):
            return symbol_latex(node.id), 4
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            return rf"\{name}\left({', '.join(text(part)[0] for part in node.args)}\right)", 4
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
    symbol = symbol_of(name)
    if symbol is not None:
        return symbol.latex
    letter = _SHORT.get(name, name)
    if letter in _GREEK:
        return f"\\{letter}"
    return name if len(name) == 1 else rf"\mathrm{{{name}}}"
