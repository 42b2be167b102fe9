"""Ties between parameters: their expressions, and where the tied values stay inside their bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.fit.safe_formula import as_floats, check_constants, corners, read_tie
from dcpt.laws.formula import names_in, to_sympy
from dcpt.laws.law import Law

RAW = "raw_"
"""Before the name of a coefficient: its value in raw units, where that is what is free."""

Array = NDArray[np.float64]

ROUNDING = 1e-9
"""Share of a bound by which a tied value may pass it: an end of a narrowed range is found to rounding."""

_GRID, _SAMPLES, _HALVINGS = 2001, 4096, 80


def within(value: Any, lower: float, upper: float) -> NDArray[np.bool_]:
    """Whether values lie between two bounds, rounding allowed for; nan and infinity do not."""
    low, high = lower - ROUNDING * abs(lower), upper + ROUNDING * abs(upper)
    return np.asarray((value >= low) & (value <= high) & np.isfinite(value))


def resolve_ties(
    law: Law, ties: Mapping[str, str], fixed: Mapping[str, float], free: Sequence[str]
) -> dict[str, Any]:
    """Each tie as a sympy expression over the free parameters alone.

    Parameters
    ----------
    law, ties, fixed
        What is tied to what, and the values that are held.
    free : sequence of str
        Names of the free parameters, after `RAW` where they are raw values.

    Raises
    ------
    ConfigError
        When an expression is not understood, is no real number, or the ties go in a circle.
    """
    import sympy

    symbols = {name: sympy.Symbol(name) for name in (*law.names, *free)}
    expressions: dict[str, Any] = {}
    trees = {name: read_tie(text, _where(law, name)) for name, text in ties.items()}
    check_constants(trees, fixed, law.name)
    for name in ties:
        where = _where(law, name)
        tree = as_floats(trees[name])
        unknown = [used for used in names_in(tree) if used not in symbols]
        if unknown:
            raise ConfigError(f"{where}: {unknown[0]!r} is not a parameter; wanted {', '.join(law.names)}.")
        expressions[name] = to_sympy(tree, symbols, corners()[0])
    inner = {symbols[name]: expression for name, expression in expressions.items()}
    values = {symbols[name]: value for name, value in fixed.items()}
    for _ in ties:  # a tie may name another tie; each pass resolves one level
        expressions = {name: expression.subs(inner) for name, expression in expressions.items()}
    expressions = {name: expression.subs(values) for name, expression in expressions.items()}
    loose = set().union(*(item.free_symbols for item in expressions.values())) - {symbols[n] for n in free}
    if loose:
        raise ConfigError(f"law {law.name}: the ties of {', '.join(sorted(map(str, loose)))} go in a circle.")
    for name, expression in expressions.items():
        parts = sympy.preorder_traversal(expression)
        if any(part.is_number and part.is_real is not True for part in parts):
            raise ConfigError(
                f"{_where(law, name)}: {ties[name]!r} holds a division by zero, a logarithm or root of a "
                "number it does not have, or infinity; wanted an expression with real values."
            )
    return expressions


def narrow(
    law: Law,
    ties: Mapping[str, str],
    expressions: Mapping[str, Any],
    bounds: tuple[Array, Array],
    box: tuple[Array, Array],
) -> None:
    """Narrow, in place, the bounds of free parameters that a tied one follows from alone.

    `bounds` are those of the law's parameters, `box` of what is free: raw values may be.

    The solver then ends on that bound where the data press on the tied parameter's, and says so. Where
    the range left is not in one piece, the bounds stay and `Space.expand` refuses the values between.

    Raises
    ------
    ConfigError
        When a tied parameter has no value inside its bounds.
    """
    lower, upper = box
    for name, expression in expressions.items():
        used = sorted(map(str, expression.free_symbols))
        place = law.names.index(name)
        lo, hi = (float(bound[place]) for bound in bounds)
        if len(used) > 1:
            continue
        value = _function(expression, used)
        if not used:
            if not within(value(), lo, hi):
                raise _nowhere(law, name, ties[name], np.atleast_1d(value()), lo, hi)
            continue
        index = _place(law, used[0])
        grid = _grid(float(lower[index]), float(upper[index]))
        found = value(grid)
        good = np.flatnonzero(within(found, lo, hi))
        if not len(good):
            raise _nowhere(law, name, ties[name], found, lo, hi)
        first, last = int(good[0]), int(good[-1])
        if len(good) != last - first + 1:
            continue

        def fits(x: float, value: Callable[..., Array] = value, lo: float = lo, hi: float = hi) -> bool:
            return bool(within(value(np.array([x])), lo, hi)[0])

        least = grid[0] if first == 0 else _edge(fits, grid[first], grid[first - 1])
        most = grid[-1] if last == len(grid) - 1 else _edge(fits, grid[last], grid[last + 1])
        if not least < most:
            raise _nowhere(law, name, ties[name], found, lo, hi)
        lower[index], upper[index] = least, most
        if not used[0].startswith(RAW):
            bounds[0][index], bounds[1][index] = least, most


def feasible(
    law: Law,
    ties: Mapping[str, str],
    expressions: Mapping[str, Any],
    bounds: tuple[Array, Array],
    box: tuple[Array, Array],
) -> Array:
    """Values that keep every tied parameter inside its bounds, nan for parameters no tie looks at.

    Returns
    -------
    ndarray, shape (p,)

    Raises
    ------
    ConfigError
        When none of some thousand points inside the bounds does.
    """
    used = sorted({str(symbol) for item in expressions.values() for symbol in item.free_symbols})
    anchor = np.full(len(law.names), np.nan)
    if not used:
        return anchor
    indices = [_place(law, name) for name in used]
    lower, upper = box
    rng = np.random.default_rng(0)
    axes = [rng.permutation(_grid(float(lower[i]), float(upper[i]), _SAMPLES // 2)) for i in indices]
    points = np.stack([axis[: min(map(len, axes))] for axis in axes])
    good = np.ones(points.shape[1], dtype=bool)
    for name, expression in expressions.items():
        place = law.names.index(name)
        lo, hi = (float(bound[place]) for bound in bounds)
        found = np.broadcast_to(_function(expression, used)(*points), good.shape)
        good &= within(found, lo, hi)
        if not good.any():
            raise _nowhere(law, name, ties[name], found, lo, hi)
    kept = points[:, good]
    spread = np.ptp(points, axis=1, keepdims=True)
    centre = np.median(kept, axis=1, keepdims=True)
    anchor[indices] = kept[:, int((np.abs(kept - centre) / spread).max(axis=0).argmin())]
    return anchor


def _function(expression: Any, used: Sequence[str]) -> Callable[..., Array]:
    import sympy

    made = sympy.lambdify([sympy.Symbol(name) for name in used], expression, modules=[corners()[1], "numpy"])

    def call(*values: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(made(*values), dtype=np.float64)

    return call


def _grid(lower: float, upper: float, count: int = _GRID) -> Array:
    """Values between two bounds, evenly and, where they are positive, by ratio too."""
    even = np.linspace(lower, upper, count)
    if lower < 0 or upper <= 0:
        return np.unique(np.concatenate([even, np.linspace(lower, upper, 2 * count)]))
    ratios = np.geomspace(max(lower, 1e-12 * upper), upper, count)
    return np.unique(np.concatenate([even, ratios[:-1]]))


def _edge(fits: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside


def _place(law: Law, name: str) -> int:
    return law.names.index(name if name in law.names else name.removeprefix(RAW))


def _where(law: Law, name: str) -> str:
    return f"law {law.name}: tie of {name}"


def _nowhere(law: Law, name: str, text: str, values: Array, lower: float, upper: float) -> ConfigError:
    real = values[np.isfinite(values)]
    if not len(real):
        got = "has no real value"
    elif real.min() == real.max():
        got = f"is {real.min():g}"
    else:
        got = f"runs from {real.min():g} to {real.max():g}"
    return ConfigError(
        f"{_where(law, name)}: {text!r} {got} over the bounds of the other parameters; wanted values inside "
        f"the bounds of {name}, {lower:g} to {upper:g}."
    )
