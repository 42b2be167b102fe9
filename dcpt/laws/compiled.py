"""A formula as numpy code: values, closed-form Jacobian, linear basis."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.formula import to_sympy

Array = NDArray[np.float64]
Piece = tuple[Callable[..., Any], tuple[str, ...]]

_LOG_OF_ZERO = -1e300
"""Logarithm of a base of 0 inside a power: the power is then 0, and 1 for the exponent 0, as 0.0**0.0 is."""

_POSITIVE = ("N", "D", "s", "U", "Dmin", "L0", "eta", "S1")
"""Inputs that sympy may take as positive when it simplifies."""


def _log(value: Array) -> Array:
    """Logarithm, 0 at 0.

    The derivative of s**nu by nu is s**nu * log(s), which goes to 0 with s: at s = 0 the power is
    off, and the logarithm beside it only must not be infinite.
    """
    if np.all(value):
        return np.asarray(np.log(value))
    return np.asarray(np.log(np.where(value == 0, 1.0, value)))


def _power_log(value: Array) -> Array:
    """Logarithm of the base of a power."""
    if np.all(value):
        return np.asarray(np.log(value))
    return np.asarray(np.where(value == 0, _LOG_OF_ZERO, _log(value)))


_NUMPY = {
    "log": _log,
    "power_log": _power_log,
    "minimum": np.minimum,
    "maximum": np.maximum,
    # Half of each side where they meet: any value between is a derivative of the corner.
    "heaviside": lambda value: np.heaviside(value, 0.5),
}


@dataclass(frozen=True)
class Kernel:
    """The formula arranged for speed: powers as exponentials of logarithms that are taken once.

    The derivative by a parameter is `factor` (parameters only) times `column` (the rest), so that a
    batch of Jacobians can be scaled after its sums of products are formed.

    Attributes
    ----------
    prepare : callable
        (inputs...) to the list of arguments that the other functions take first: inputs and their
        logarithms.
    value : callable
        (prepared..., parameters...) to the loss.
    columns : callable
        The same to the list: loss, then one column for each parameter.
    factors : callable
        (parameters...) to one factor for each parameter.
    """

    prepare: Callable[..., list[Array]]
    value: Callable[..., Any]
    columns: Callable[..., list[Any]]
    factors: Callable[..., list[Any]]


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
    kernel : Kernel
        What the fitter works with.
    """

    value: Callable[..., Any]
    value_and_jacobian: Callable[..., Any]
    basis: Mapping[str, Piece]
    offset: Piece | None
    moves: Mapping[str, tuple[str, ...]]
    kernel: Kernel


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

    # Parameters are real, not positive: a signed one inside min or max must stay as written.
    symbols = {name: sympy.Symbol(name, positive=True) for name in inputs if name in _POSITIVE}
    symbols |= {name: sympy.Symbol(name, real=True) for name in (*inputs, *names) if name not in symbols}
    expression = to_sympy(tree, symbols)
    columns = [symbols[name] for name in inputs]
    parameters = [symbols[name] for name in names]
    logs = {symbol: sympy.Symbol(f"log_{symbol.name}", real=True) for symbol in columns}
    power_logs = {symbol: sympy.Symbol(f"power_log_{symbol.name}", real=True) for symbol in columns}
    prepared = [*columns, *logs.values(), *power_logs.values()]

    power_log, minimum, maximum, step = map(sympy.Function, ("power_log", "minimum", "maximum", "heaviside"))

    def is_power(node: Any) -> bool:
        return bool(node.is_Pow and node.exp.free_symbols)

    bases = {node.base for node in sympy.preorder_traversal(expression) if is_power(node)}
    # A base that is not an input itself is seldom 0: its logarithm serves its power and the derivative.
    shared = {sympy.log(base): power_log(base) for base in bases if base not in logs}

    def numeric(part: Any) -> Any:
        """The expression with powers as exponentials and sympy's corners as numpy's."""
        part = part.subs(shared)
        part = part.replace(
            is_power, lambda node: sympy.exp(node.exp * power_logs.get(node.base, power_log(node.base)))
        )
        for kind, function in ((sympy.Min, minimum), (sympy.Max, maximum)):
            part = part.replace(kind, lambda *parts, function=function: _pairwise(function, parts))
        part = part.replace(sympy.Heaviside, lambda value, *_: step(value))
        return part.subs({sympy.log(symbol): symbol_log for symbol, symbol_log in logs.items()})

    def function(arguments: list[Any], part: Any) -> Callable[..., Any]:
        made: Callable[..., Any] = sympy.lambdify(arguments, part, modules=[_NUMPY, "numpy"], cse=True)
        return made

    def named(part: Any) -> tuple[str, ...]:
        return tuple(name for name in names if symbols[name] in part.free_symbols)

    def prepare(*values: Any) -> list[Array]:
        arrays = [np.asarray(value, dtype=np.float64) for value in values]
        with np.errstate(invalid="ignore"):
            return [*arrays, *map(_log, arrays), *map(_power_log, arrays)]

    def of_inputs(made: Callable[..., Any]) -> Callable[..., Any]:
        """Let a function of prepared columns take the plain inputs."""

        def call(*values: Any) -> Any:
            with np.errstate(over="ignore", under="ignore"):
                return made(*prepare(*values[: len(inputs)]), *values[len(inputs) :])

        return call

    def piece(part: Any) -> Piece:
        return of_inputs(function([*prepared, *parameters], numeric(part))), named(part)

    derivatives = [sympy.diff(expression, symbol) for symbol in parameters]
    split = [part.as_independent(*columns, as_Add=False) for part in derivatives]
    kernel = Kernel(
        prepare=prepare,
        value=function([*prepared, *parameters], numeric(expression)),
        columns=function([*prepared, *parameters], [numeric(expression), *(numeric(b) for _, b in split)]),
        factors=function(parameters, [numeric(a) for a, _ in split]),
    )

    def value_and_jacobian(*values: Any) -> list[Any]:
        value, *parts = of_inputs(kernel.columns)(*values)
        factors = kernel.factors(*values[len(inputs) :])
        return [value, *(factor * part for factor, part in zip(factors, parts, strict=True))]

    offset = expression.subs({symbols[name]: 0 for name in linear})
    return Compiled(
        value=of_inputs(kernel.value),
        value_and_jacobian=value_and_jacobian,
        basis={name: piece(derivatives[names.index(name)]) for name in linear},
        offset=None if offset == 0 else piece(offset),
        moves={name: named(sympy.diff(expression, symbols[name])) for name in inputs},
        kernel=kernel,
    )


def _pairwise(function: Any, parts: Sequence[Any]) -> Any:
    first, *rest = parts
    for part in rest:
        first = function(first, part)
    return first
