"""A law, declared once: everything the fitter, planner, plots and docs need follows from the class."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import LEGEND, Symbol, symbol_of
from dcpt.laws.compiled import Compiled, compile_formula
from dcpt.laws.declaration import INPUTS, read_declaration
from dcpt.laws.declared_law import HUBER_DELTA, NOISE_DELTA, Array, DeclaredLaw
from dcpt.laws.latex import formula_latex, symbol_latex
from dcpt.laws.parameter import Parameter, linear, nonlinear

__all__ = ["HUBER_DELTA", "INPUTS", "NOISE_DELTA", "Array", "Law", "Parameter", "linear", "nonlinear"]

DOMAIN: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "N": (1.0, 1e15),
        "D": (1.0, 1e16),
        "U": (1.0, 1e16),
        "Dmin": (1.0, 1e16),
        "s": (0.0, 1.0),
        "r": (0.0, 1.0),
        "L0": (1e-3, 20.0),
        "G0": (1e-3, 20.0),
        "eta": (1e-8, 1.0),
        "S1": (1e-9, 1e6),
        "S2": (0.0, 1e6),
    }
)
"""Lowest and highest value of each input in raw units, where a law does not declare its own."""

_COLUMN_DOMAIN = (1e-6, 1e6)


class Law(DeclaredLaw):
    """Base class of the laws. A law is a subclass that declares what stands below; it has no state.

    Attributes
    ----------
    name : str
        What users type.
    formula : str
        The loss, over the inputs N, D, s (share of the side the loss is measured on), r, L0, G0, U, Dmin,
        eta, S1, S2, the law's own columns, and the parameters declared as class attributes with
        `linear` and `nonlinear`.
    reference : str
        Paper and equation.
    columns : tuple of Symbol
        Inputs of this law alone: columns of a table that the legend does not know.
    sides : tuple of str
        Which losses the law is for: ``general``, ``domain`` or both.
    delta : float
        Huber threshold of the log residual the law is fitted with unless another is asked for: 1e-3 for
        published laws, after Hoffmann et al. 2022 (arXiv:2203.15556). That is below the noise of small runs,
        where it comes close to least absolute deviations; laws of our own take 1e-2.
    monotone : mapping
        Input to -1 or +1: the sign of the loss's slope that the data should bear out.
    domain : mapping
        Input to its (lowest, highest) value in raw units, where it differs from `DOMAIN`. Own columns
        without one are taken to be positive.
    parameters : tuple of Parameter
        In the order of declaration; filled in.
    inputs : tuple of str
        What the formula uses, in the order of `INPUTS` and `columns`; filled in.

    Raises
    ------
    ConfigError
        When the class is defined: unknown symbols, a parameter named like a symbol of the legend,
        a parameter or column that is not used, or a parameter declared linear that is not.
    """

    monotone: ClassVar[Mapping[str, int]] = MappingProxyType({"N": -1, "D": -1, "s": -1})
    domain: ClassVar[Mapping[str, tuple[float, float]]] = DOMAIN
    columns: ClassVar[tuple[Symbol, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ()
    _tree: ClassVar[ast.expr]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        columns = {column.name: _COLUMN_DOMAIN for column in cls.columns}
        cls.domain = MappingProxyType({**DOMAIN, **columns, **cls.domain})
        where = f"law {cls.name or cls.__name__}"
        read = read_declaration(where, cls.formula, cls.parameters, cls.columns, cls.sides)
        if read is not None:  # None: an abstract step between Law and the laws
            cls._tree, cls.inputs = read

    # -- what follows from the declaration ---------------------------------------------------------

    @property
    def sees_mixture(self) -> bool:
        """Whether a share is among the inputs."""
        return bool({"s", "r"} & set(self.inputs))

    def declared_facts(self) -> dict[str, Any]:
        """What a fit rests on, own columns included."""
        facts = super().declared_facts()
        if self.columns:
            facts["columns"] = [[column.name, column.unit] for column in self.columns]
        return facts

    @property
    def symbols(self) -> dict[str, Symbol]:
        """Every input's symbol: meaning, unit, LaTeX."""
        own = {column.name: column for column in self.columns}
        found = {name: own.get(name) or symbol_of(name) for name in self.inputs}
        return {name: symbol for name, symbol in found.items() if symbol is not None}

    @property
    def latex(self) -> str:
        """The law as a LaTeX equation."""
        text = f"L({', '.join(symbol_latex(name) for name in self.inputs)}) = {formula_latex(self._tree)}"
        for name, symbol in self.symbols.items():  # the formula's code knows the legend's symbols only
            if name not in LEGEND and len(name) > 1:
                text = text.replace(symbol_latex(name), symbol.latex)
        return text

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
