"""Which parameters are free: bounds, fixed values and ties, from an `lmfit.Parameters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.safe_formula import corners, read_tie
from dcpt.fit.tied import RAW, feasible, narrow, resolve_ties, within
from dcpt.laws.formula import to_sympy
from dcpt.laws.law import Law

Array = NDArray[np.float64]

_PULLS = 20
"""Steps in which a start outside the bounds of a tied parameter is moved inside."""


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
        Bounds of all parameters; where a tied parameter follows from one free one, that one's are
        narrowed so that both stay inside their own.
    fixed : mapping
        Name to value.
    ties : mapping
        Name to its expression over other parameters.
    raw : tuple of str
        Coefficients whose raw values are free, rather than those in the units of the fit.
    """

    names: tuple[str, ...]
    free: NDArray[np.int64]
    lower: Array
    upper: Array
    fixed: Mapping[str, float] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    _tied: Callable[..., Any] | None = None
    _anchor: Array | None = None
    _box: tuple[Array, Array] | None = None
    _factors: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether no parameter follows from others, so that the map from free to all is the identity."""
        return self._tied is None

    @property
    def free_names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(self.names[index] for index in self.free)

    @property
    def box(self) -> tuple[Array, Array]:
        """Bounds of the free parameters, each of shape (q,)."""
        lower, upper = self._box or (self.lower, self.upper)
        return lower[self.free], upper[self.free]

    def shrink(self, theta: Array) -> Array:
        """Free parameters of full vectors, shape (..., p) to (..., q), moved inside the bounds.

        Vectors whose tied parameters would leave theirs are moved towards one where none does.
        """
        lower, upper = self.box
        found = theta[..., self.free]
        for name in self.raw:
            with np.errstate(all="ignore"):
                factor = self._factors[name](*(theta[..., index] for index in range(theta.shape[-1])))
            found[..., self.free_names.index(name)] = theta[..., self.names.index(name)] / factor
        u = np.asarray(np.clip(np.nan_to_num(found), lower, upper))
        if self._anchor is None:
            return u
        target = np.where(np.isnan(self._anchor), u, self._anchor)
        moved = u
        for part in np.linspace(0.0, 1.0, _PULLS + 1):
            out = np.asarray(np.isnan(self.expand(moved)[0]).any(axis=-1))
            if not out.any():
                break
            moved = np.where(out[..., None], (1 - part) * u + part * target, moved)
        return moved

    def expand(self, u: Array) -> tuple[Array, Array | None]:
        """Full vectors, shape (..., p), and their derivatives by the free ones, (..., p, q).

        The derivative is None when nothing is tied: it only selects columns then. A tied parameter
        outside its bounds is nan, with a derivative of 0: no law has a value there.
        """
        theta = np.empty((*u.shape[:-1], len(self.names)))
        for name, value in self.fixed.items():
            theta[..., self.names.index(name)] = value
        theta[..., self.free] = u
        if self._tied is None:
            return theta, None
        slope = np.zeros((*theta.shape, len(self.free)))
        slope[..., self.free, np.arange(len(self.free))] = 1.0
        with np.errstate(all="ignore"):
            values, slopes = self._tied(*(u[..., index] for index in range(u.shape[-1])))
        for name, value, row in zip((*self.ties, *self.raw), values, slopes, strict=True):
            index = self.names.index(name)
            inside = within(value, self.lower[index], self.upper[index])
            theta[..., index] = np.where(inside, np.clip(value, self.lower[index], self.upper[index]), np.nan)
            for column, derivative in enumerate(row):
                slope[..., index, column] = np.where(inside & np.isfinite(derivative), derivative, 0.0)
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
        When a name is not a parameter of the law, bounds are empty, or an expression is not
        understood, is no real number, or has no value inside the bounds of the parameter it stands for.
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
    return make_space(law, lower, upper, fixed, ties)


def make_space(
    law: Law,
    lower: Array,
    upper: Array,
    fixed: Mapping[str, float],
    ties: Mapping[str, str],
    raw: Mapping[str, tuple[float, float, str]] | None = None,
) -> Space:
    """The space that bounds, held values and ties leave.

    Parameters
    ----------
    law : Law
        The law.
    lower, upper : ndarray, shape (p,)
        Bounds in the units of the fit.
    fixed, ties : mapping
        As in `Space`, in the units of the fit.
    raw : mapping, optional
        Coefficient to the bounds of its raw value and the formula of its value in the units of the fit,
        divided by the raw one, over exponents.

    Raises
    ------
    ConfigError
        When nothing is left to fit, or a tie has no value inside the bounds.
    """
    raw = raw or {}
    held = {*fixed, *ties}
    free = np.array([i for i, name in enumerate(law.names) if name not in held], dtype=np.int64)
    if not len(free):
        raise ConfigError(f"law {law.name}: every parameter is fixed or tied; nothing is left to fit.")
    if not ties and not raw:
        return Space(law.names, free, lower, upper, fixed)
    symbols = [RAW + law.names[index] if law.names[index] in raw else law.names[index] for index in free]
    every = {**ties, **{name: f"{RAW}{name}*{text}" for name, (_, _, text) in raw.items()}}
    box = (lower.copy(), upper.copy())
    for name, (low, high, _) in raw.items():
        index = law.names.index(name)
        box[0][index], box[1][index] = low, high
    expressions = resolve_ties(law, every, fixed, symbols)
    narrow(law, every, expressions, (lower, upper), box)
    tied = _compile_ties(expressions, symbols)
    anchor = feasible(law, every, expressions, (lower, upper), box)
    factors = {name: _compile_factor(law, text) for name, (_, _, text) in raw.items()}
    return Space(law.names, free, lower, upper, fixed, ties, tuple(raw), tied, anchor[free], box, factors)


def _compile_factor(law: Law, text: str) -> Callable[..., Any]:
    import sympy

    symbols = {name: sympy.Symbol(name) for name in law.names}
    expression = to_sympy(read_tie(text, f"law {law.name}"), symbols)
    made: Callable[..., Any] = sympy.lambdify(list(symbols.values()), expression, modules="numpy")
    return made


def _compile_ties(expressions: Mapping[str, Any], free: Sequence[str]) -> Callable[..., Any]:
    import sympy

    arguments = [sympy.Symbol(name) for name in free]
    slopes = [[sympy.diff(item, argument) for argument in arguments] for item in expressions.values()]
    parts = [list(expressions.values()), slopes]
    tied: Callable[..., Any] = sympy.lambdify(arguments, parts, modules=[corners()[1], "numpy"])
    return tied
