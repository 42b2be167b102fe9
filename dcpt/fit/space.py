"""Which parameters are free: bounds, fixed values and ties, from an `lmfit.Parameters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.laws.formula import names_in, read_formula, to_sympy
from dcpt.laws.law import Law

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """The free parameters of a fit and how the law's parameters follow from them.

    Attributes
    ----------
    names : tuple of str
        All parameters of the law, in its order.
    free : ndarray of int, shape (q,)
        Indices of the free ones.
    lower, upper : ndarray, shape (p,)
        Bounds of all parameters.
    fixed : mapping
        Name to value.
    ties : mapping
        Name to its expression over other parameters.
    """

    names: tuple[str, ...]
    free: NDArray[np.int64]
    lower: Array
    upper: Array
    fixed: Mapping[str, float] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    _tied: Callable[..., Any] | None = None

    @property
    def plain(self) -> bool:
        """Whether no parameter is tied, so that the map from free to all is the identity."""
        return not self.ties

    @property
    def free_names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(self.names[index] for index in self.free)

    @property
    def box(self) -> tuple[Array, Array]:
        """Bounds of the free parameters, each of shape (q,)."""
        return self.lower[self.free], self.upper[self.free]

    def shrink(self, theta: Array) -> Array:
        """Free parameters of full vectors, shape (..., p) to (..., q), moved inside the bounds."""
        lower, upper = self.box
        return np.asarray(np.clip(theta[..., self.free], lower, upper))

    def expand(self, u: Array) -> tuple[Array, Array | None]:
        """Full vectors, shape (..., p), and their derivatives by the free ones, (..., p, q).

        The derivative is None when nothing is tied: it only selects columns then.
        """
        theta = np.empty((*u.shape[:-1], len(self.names)))
        for name, value in self.fixed.items():
            theta[..., self.names.index(name)] = value
        theta[..., self.free] = u
        if self._tied is None:
            return theta, None
        slope = np.zeros((*theta.shape, len(self.free)))
        slope[..., self.free, np.arange(len(self.free))] = 1.0
        values, slopes = self._tied(*(u[..., index] for index in range(u.shape[-1])))
        for name, value, row in zip(self.ties, values, slopes, strict=True):
            index = self.names.index(name)
            theta[..., index] = value
            for column, derivative in enumerate(row):
                slope[..., index, column] = derivative
        return theta, slope


def free_space(law: Law) -> Space:
    """All parameters of the law free within its bounds."""
    return Space(law.names, np.arange(len(law.names)), law.lower, law.upper)


def read_params(law: Law, params: Any) -> Space:
    """The space a user's `lmfit.Parameters` describes.

    Parameters
    ----------
    law : Law
        The law they belong to.
    params : lmfit.Parameters or None
        ``vary=False`` fixes a parameter, ``min`` and ``max`` narrow its bounds, ``expr`` ties it to
        others with + - * / **, exp and log. Parameters that are left out stay free.

    Raises
    ------
    ConfigError
        When a name is not a parameter of the law, bounds are empty, or an expression is not understood.
    """
    if params is None:
        return free_space(law)
    unknown = [name for name in params if name not in law.names]
    if unknown:
        raise ConfigError(
            f"law {law.name}: parameter {unknown[0]!r} is unknown; it has {', '.join(law.names)}."
        )
    lower, upper = law.lower.copy(), law.upper.copy()
    fixed: dict[str, float] = {}
    ties: dict[str, str] = {}
    for name, item in params.items():
        index = law.names.index(name)
        if item.expr:
            ties[name] = str(item.expr)
        elif not item.vary:
            fixed[name] = float(item.value)
            if not lower[index] <= fixed[name] <= upper[index]:
                raise ConfigError(
                    f"law {law.name}: {name} is fixed at {fixed[name]:g}, outside the law's bounds "
                    f"[{lower[index]:g}, {upper[index]:g}]."
                )
        else:
            lower[index], upper[index] = max(lower[index], item.min), min(upper[index], item.max)
            if not lower[index] < upper[index]:
                raise ConfigError(
                    f"law {law.name}: bounds of {name} leave no room inside "
                    f"[{law.lower[index]:g}, {law.upper[index]:g}].",
                    hint=f"to hold it at one value, use params[{name!r}].set(value=..., vary=False)",
                )
    held = {*fixed, *ties}
    free = np.array([i for i, name in enumerate(law.names) if name not in held], dtype=np.int64)
    if not len(free):
        raise ConfigError(f"law {law.name}: every parameter is fixed or tied; nothing is left to fit.")
    tied = _compile_ties(law, ties, fixed, free) if ties else None
    return Space(law.names, free, lower, upper, fixed, ties, tied)


def _compile_ties(
    law: Law, ties: Mapping[str, str], fixed: Mapping[str, float], free: NDArray[np.int64]
) -> Callable[..., Any]:
    import sympy

    symbols = {name: sympy.Symbol(name) for name in law.names}
    expressions: dict[str, Any] = {}
    for name, text in ties.items():
        where = f"law {law.name}: tie of {name}"
        tree = read_formula(text, where)
        unknown = [used for used in names_in(tree) if used not in symbols]
        if unknown:
            raise ConfigError(f"{where}: {unknown[0]!r} is not a parameter; wanted {', '.join(law.names)}.")
        expressions[name] = to_sympy(tree, symbols)
    inner = {symbols[name]: expression for name, expression in expressions.items()}
    values = {symbols[name]: value for name, value in fixed.items()}
    for _ in ties:  # a tie may name another tie; each pass resolves one level
        expressions = {name: expression.subs(inner) for name, expression in expressions.items()}
    expressions = {name: expression.subs(values) for name, expression in expressions.items()}
    arguments = [symbols[law.names[index]] for index in free]
    loose = set().union(*(item.free_symbols for item in expressions.values())) - set(arguments)
    if loose:
        raise ConfigError(f"law {law.name}: the ties of {', '.join(sorted(map(str, loose)))} go in a circle.")
    slopes = [[sympy.diff(item, argument) for argument in arguments] for item in expressions.values()]
    parts = [list(expressions.values()), slopes]
    tied: Callable[..., Any] = sympy.lambdify(arguments, parts, modules="numpy")
    return tied
