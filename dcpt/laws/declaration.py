"""Is a law declared soundly: symbols known, parameters used, linear where it says so."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import ROLES, Symbol, symbol_of
from dcpt.laws.formula import degree, names_in, read_formula
from dcpt.laws.parameter import Parameter

INPUTS = ("N", "D", "s", "r", "L0", "G0", "U", "Dmin", "eta", "S1", "S2")
"""Symbols a formula may use as inputs, beside the law's own columns."""


def read_declaration(
    where: str,
    formula: str,
    parameters: Sequence[Parameter],
    columns: Sequence[Symbol],
    sides: Sequence[str],
) -> tuple[ast.expr, tuple[str, ...]] | None:
    """Check what a law's class declares.

    Parameters
    ----------
    where : str
        The law, for error messages.
    formula, parameters, columns, sides
        As declared.

    Returns
    -------
    tree : ast.expr
        The formula, read.
    inputs : tuple of str
        What it uses, in the order of `INPUTS` and `columns`.
    None
        When there is no formula: an abstract class.

    Raises
    ------
    ConfigError
        Naming the law, the symbol and what was wanted.
    """
    _check_names(where, parameters, columns, sides)
    if not formula:
        return None
    tree = read_formula(formula, where)
    used = names_in(tree)
    known = {item.name for item in parameters}
    inputs = (*INPUTS, *(column.name for column in columns))
    unknown = [name for name in used if name not in known and name not in inputs]
    if unknown:
        raise ConfigError(
            f"{where}: symbol {unknown[0]!r} in the formula is neither a declared parameter nor an input "
            f"({', '.join(inputs)}).",
            hint=f"declare it: {unknown[0]} = linear(...) or nonlinear(...), or as one of the law's columns",
        )
    for kind, names in (("parameter", sorted(known)), ("column", [column.name for column in columns])):
        idle = [name for name in names if name not in used]
        if idle:
            raise ConfigError(f"{where}: {kind} {idle[0]!r} is declared and not used in {formula!r}.")
    straight = frozenset(item.name for item in parameters if item.kind == "linear")
    if degree(tree, straight) > 1:
        bent = next((name for name in sorted(straight) if degree(tree, frozenset({name})) > 1), None)
        raise ConfigError(
            f"{where}: the formula is not linear in "
            + (f"{bent!r}, which is" if bent else f"{', '.join(sorted(straight))} together, which are")
            + " declared linear.",
            hint="declare it nonlinear",
        )
    return tree, tuple(name for name in inputs if name in used)


def _check_names(
    where: str, parameters: Sequence[Parameter], columns: Sequence[Symbol], sides: Sequence[str]
) -> None:
    for kind, items in (("parameter", parameters), ("column", columns)):
        for item in items:
            symbol = symbol_of(item.name)
            if symbol is not None:
                own = kind == "parameter"
                raise ConfigError(
                    f"{where}: {kind} {item.name!r} has the name of a symbol of the legend "
                    f"({symbol.meaning}).",
                    hint="rename the parameter" if own else "use the legend's symbol as it is",
                )
    for item in parameters:
        if not item.lo < item.hi or not np.isfinite([item.lo, item.hi]).all():
            raise ConfigError(
                f"{where}: parameter {item.name!r} has bounds {item.lo}, {item.hi}; wanted lo < hi."
            )
    names = [column.name for column in columns]
    clash = [name for name in names if names.count(name) > 1 or name in {item.name for item in parameters}]
    if clash:
        raise ConfigError(f"{where}: {clash[0]!r} is declared twice; wanted one parameter or one column.")
    odd = [name for name in names if not name.isidentifier()]
    if odd:
        raise ConfigError(f"{where}: column {odd[0]!r} is not a name a formula can hold.")
    if not sides or set(sides) - set(ROLES):
        raise ConfigError(f"{where}: sides = {tuple(sides)}; wanted one or both of {', '.join(ROLES)}.")
