"""A law, declared once: everything the fitter, planner, plots and docs need follows from the class."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.files import content_hash
from dcpt.core.symbols import LEGEND
from dcpt.laws.compiled import Compiled, compile_formula, symbol_latex
from dcpt.laws.formula import degree, names_in, read_formula

Array = NDArray[np.float64]

INPUTS = ("N", "D", "s", "eta", "S1", "S2")
"""Symbols of the legend a formula may use as inputs."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law: its kind, bounds and meaning.

    Parameters
    ----------
    kind : {"linear", "nonlinear"}
        Whether the loss is linear in the parameter.
    lo, hi : float
        Bounds, with N and D in the units of the fit.
    meaning, unit : str
        For tables and reports.
    name : str
        Filled in by the law.
    """

    kind: Literal["linear", "nonlinear"]
    lo: float
    hi: float
    meaning: str
    unit: str
    name: str = ""

    @property
    def latex(self) -> str:
        """The parameter's symbol in LaTeX."""
        return symbol_latex(self.name)


def linear(lo: float, hi: float, meaning: str, unit: str = "nats/token") -> Parameter:
    """Declare a parameter the loss is linear in."""
    return Parameter("linear", float(lo), float(hi), meaning, unit)


def nonlinear(lo: float, hi: float, meaning: str, unit: str = "1") -> Parameter:
    """Declare an exponent, an offset or any other parameter the loss is not linear in."""
    return Parameter("nonlinear", float(lo), float(hi), meaning, unit)


class Law:
    """Base class of the laws. A law is a subclass that declares what stands below; it has no state.

    Attributes
    ----------
    name : str
        What users type.
    formula : str
        The loss, over the inputs N, D, s (share of the side the loss is measured on) and the
        parameters declared as class attributes with `linear` and `nonlinear`.
    reference : str
        Paper and equation.
    monotone : mapping
        Input to -1 or +1: the sign of the loss's slope that the data should bear out.
    domain : mapping
        Input to its (lowest, highest) value in raw units: parameters, tokens, shares.

    Raises
    ------
    ConfigError
        When the class is defined: unknown symbols, a parameter named like a symbol of the legend,
        a parameter that is not used, or one declared linear that is not.
    """

    name: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    monotone: ClassVar[Mapping[str, int]] = MappingProxyType({"N": -1, "D": -1, "s": -1})
    domain: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType(
        {"N": (1.0, 1e15), "D": (1.0, 1e16), "s": (0.0, 1.0)}
    )
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ()
    _tree: ClassVar[ast.expr]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declared = {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, Parameter)
        }
        cls.parameters = tuple(replace(value, name=name) for name, value in declared.items())
        _check_declaration(cls)

    # -- what follows from the declaration ---------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, in the order of every parameter vector."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def linear_names(self) -> tuple[str, ...]:
        """Names of the parameters the loss is linear in."""
        return tuple(parameter.name for parameter in self.parameters if parameter.kind == "linear")

    @cached_property
    def lower(self) -> Array:
        """Lower bounds, shape (p,)."""
        return np.array([parameter.lo for parameter in self.parameters])

    @cached_property
    def upper(self) -> Array:
        """Upper bounds, shape (p,)."""
        return np.array([parameter.hi for parameter in self.parameters])

    @property
    def title(self) -> str:
        """First line of the class's docstring."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]

    @property
    def hash(self) -> str:
        """Hash of formula, parameter order, kinds and bounds; stored with every fit."""
        rows = [[item.name, item.kind, item.lo, item.hi] for item in self.parameters]
        return content_hash({"name": self.name, "formula": self.formula, "parameters": rows})

    @property
    def latex(self) -> str:
        """The law as a LaTeX equation."""
        arguments = ", ".join(symbol_latex(name) for name in self.inputs)
        return f"L({arguments}) = {self.compiled.latex}"

    @property
    def compiled(self) -> Compiled:
        """The formula as numpy code; made at the first use and kept with the class."""
        kept = type(self).__dict__.get("_compiled")
        if not isinstance(kept, Compiled):
            kept = compile_formula(self._tree, self.inputs, self.linear_names, self.names)
            type(self)._compiled = kept  # type: ignore[attr-defined]
        return kept

    # -- numbers ------------------------------------------------------------------------------------

    def evaluate(self, params: ArrayLike, inputs: Mapping[str, ArrayLike]) -> Array:
        """Loss at every input row, for one parameter vector or many.

        Parameters
        ----------
        params : array_like, shape (..., p)
            Parameters in the order of `names`, for N and D in the units of `inputs`.
        inputs : mapping
            Input name to an array of shape (n,) or a number.

        Returns
        -------
        ndarray, shape (..., n)
        """
        arguments, shape = self._arguments(params, inputs)
        return np.broadcast_to(self.compiled.value(*arguments), shape).astype(np.float64)

    def evaluate_with_jacobian(
        self, params: ArrayLike, inputs: Mapping[str, ArrayLike]
    ) -> tuple[Array, Array]:
        """Loss, shape (..., n), and its derivatives by the parameters, shape (..., n, p)."""
        arguments, shape = self._arguments(params, inputs)
        value, *columns = self.compiled.value_and_jacobian(*arguments)
        jacobian = np.empty((*shape, len(columns)))
        for index, column in enumerate(columns):
            jacobian[..., index] = column
        return np.broadcast_to(value, shape).astype(np.float64), jacobian

    def jacobian(self, params: ArrayLike, inputs: Mapping[str, ArrayLike]) -> Array:
        """Differentiate the loss by the parameters in closed form, shape (..., n, p)."""
        return self.evaluate_with_jacobian(params, inputs)[1]

    def lmfit_parameters(self, values: Mapping[str, float] | None = None) -> Any:
        """`lmfit.Parameters` with the law's bounds, to be fixed, bounded or tied by the user.

        Parameters
        ----------
        values : mapping, optional
            Starting values by name; otherwise the middle of the bounds.
        """
        import lmfit

        table = lmfit.Parameters()
        for item in self.parameters:
            middle = float(np.sqrt(item.lo * item.hi)) if item.lo > 0 else 0.5 * (item.lo + item.hi)
            table.add(item.name, value=(values or {}).get(item.name, middle), min=item.lo, max=item.hi)
        return table

    def _arguments(
        self, params: ArrayLike, inputs: Mapping[str, ArrayLike]
    ) -> tuple[list[Array], tuple[int, ...]]:
        table = np.asarray(params, dtype=np.float64)
        if table.ndim < 1 or table.shape[-1] != len(self.parameters):
            raise ConfigError(
                f"law {self.name}: got parameters of shape {table.shape}; wanted {len(self.parameters)} "
                f"in the last axis: {', '.join(self.names)}."
            )
        missing = [name for name in self.inputs if name not in inputs]
        if missing:
            raise ConfigError(f"law {self.name}: input {missing[0]!r} is missing; got {', '.join(inputs)}.")
        columns = [np.atleast_1d(np.asarray(inputs[name], dtype=np.float64)) for name in self.inputs]
        rows = np.broadcast_shapes(*(column.shape for column in columns))
        batch = table.shape[:-1]
        if batch:
            table = table.reshape(*batch, *[1] * len(rows), -1)
        return [*columns, *(table[..., index] for index in range(table.shape[-1]))], (*batch, *rows)

    def __repr__(self) -> str:
        return f"<law {self.name}: L = {self.formula}>"


def _check_declaration(cls: type[Law]) -> None:
    where = f"law {cls.name or cls.__name__}"
    for item in cls.parameters:
        if item.name in LEGEND:
            raise ConfigError(
                f"{where}: parameter {item.name!r} has the name of a symbol of the legend "
                f"({LEGEND[item.name].meaning}).",
                hint="rename the parameter",
            )
        if not item.lo < item.hi or not np.isfinite([item.lo, item.hi]).all():
            raise ConfigError(
                f"{where}: parameter {item.name!r} has bounds {item.lo}, {item.hi}; wanted lo < hi."
            )
    if not cls.formula:
        return  # an abstract step between Law and the laws
    tree = read_formula(cls.formula, where)
    used = names_in(tree)
    known = {item.name for item in cls.parameters}
    unknown = [name for name in used if name not in known and name not in INPUTS]
    if unknown:
        raise ConfigError(
            f"{where}: symbol {unknown[0]!r} in the formula is neither a declared parameter nor an input "
            f"({', '.join(INPUTS)}).",
            hint=f"declare it: {unknown[0]} = linear(...) or nonlinear(...)",
        )
    idle = sorted(known - set(used))
    if idle:
        raise ConfigError(f"{where}: parameter {idle[0]!r} is declared and not used in {cls.formula!r}.")
    straight = frozenset(item.name for item in cls.parameters if item.kind == "linear")
    if degree(tree, straight) > 1:
        bent = next((name for name in sorted(straight) if degree(tree, frozenset({name})) > 1), None)
        raise ConfigError(
            f"{where}: the formula is not linear in "
            + (f"{bent!r}, which is" if bent else f"{', '.join(sorted(straight))} together, which are")
            + " declared linear.",
            hint="declare it nonlinear",
        )
    cls.inputs = tuple(name for name in INPUTS if name in used)
    cls._tree = tree
