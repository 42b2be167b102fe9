"""The trade-off solved: the ratio with the lowest domain loss among those that keep the general loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from dcpt.core.errors import PlanError

Array = NDArray[np.float64]
Curve = Callable[[Array], Array]
"""Losses, shape (n,), at domain shares r, shape (n,); both curves of a trade-off in one unit."""
Binding = Literal["ceiling", "range", "none"]

GRID = 401
"""Points of the search grid: 0.002 apart on a range of 0.8, finer than any sweep sets its ratios."""

_PRECISION = 1e-12


@dataclass(frozen=True)
class TradeOff:
    """The solution of one trade-off.

    Attributes
    ----------
    r : float
        Domain share with the lowest domain loss among the feasible ones.
    general, domain : float
        Losses there, in the unit of the curves.
    ceiling : float
        Highest general loss allowed.
    binding : {"ceiling", "range", "none"}
        What keeps the domain loss from falling further: the ceiling, an edge of the searched range,
        or nothing (the domain loss has its minimum at ``r``).
    least_general, r_least : float
        The lowest general loss of the range, and where it is reached.
    feasible_share : float
        Share of the searched range that keeps the ceiling.
    """

    r: float
    general: float
    domain: float
    ceiling: float
    binding: Binding
    least_general: float
    r_least: float
    feasible_share: float


def ratio_grid(r_min: float, r_max: float, points: int = GRID) -> Array:
    """Equally spaced domain shares from `r_min` to `r_max`, shape (points,)."""
    return np.linspace(r_min, r_max, points)


def solve(
    general: Curve,
    domain: Curve,
    ceiling: float,
    r_min: float,
    r_max: float,
    points: int = GRID,
    unit: str = "",
) -> TradeOff:
    """Minimise the domain loss over the ratios that keep the general loss at or below a ceiling.

    Neither loss is assumed to be monotone in the ratio: the feasible set may come in several pieces.

    Parameters
    ----------
    general, domain : callable
        Losses of the two sides, in one unit, at an array of domain shares.
    ceiling : float
        Highest general loss allowed, in the same unit.
    r_min, r_max : float
        Range of domain shares to search.
    points : int
        Grid points; the pieces of the feasible set must be wider than the grid's spacing to be seen.
    unit : str
        That unit in words, for the message.

    Returns
    -------
    TradeOff
        Feasible by construction: ``general(r) <= ceiling``.

    Raises
    ------
    PlanError
        When no ratio of the range keeps the ceiling.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.4, usage 1.
    """
    grid = ratio_grid(r_min, r_max, points)
    general_loss = general(grid)
    r_least, least_general = _lowest(general, grid, general_loss)
    if least_general > ceiling:
        limit = f"{ceiling:.4f} {unit}".rstrip()
        raise PlanError(
            f"no domain share between {r_min:g} and {r_max:g} keeps the general loss at or below "
            f"{limit}: the lowest predicted is {least_general:.4f}, at r = {r_least:.3f}.",
            hint="allow a larger loss, plan for other tokens, or search a wider range of ratios",
        )
    if (general_loss > ceiling).all():  # the feasible piece lies between two grid points
        grid = np.sort(np.append(grid, r_least))
        general_loss = general(grid)
    segments = _feasible_segments(general, grid, general_loss, ceiling)
    candidates = [_best_on(domain, grid, start, end) for start, end in segments]
    r = min(candidates, key=lambda share: (_at(domain, share), share))
    return TradeOff(
        r=r,
        general=_at(general, r),
        domain=_at(domain, r),
        ceiling=ceiling,
        binding=_binding(domain, r, segments, r_min, r_max),
        least_general=least_general,
        r_least=r_least,
        feasible_share=sum(end - start for start, end in segments) / (r_max - r_min),
    )


def _at(curve: Curve, r: float) -> float:
    return float(curve(np.array([r]))[0])


def _lowest(curve: Curve, grid: Array, values: Array) -> tuple[float, float]:
    """Place and height of a curve's minimum, refined between the grid points around the lowest one."""
    index = int(np.argmin(values))
    start, end = grid[max(index - 1, 0)], grid[min(index + 1, len(grid) - 1)]
    found = minimize_scalar(lambda r: _at(curve, float(r)), bounds=(start, end), method="bounded")
    if found.fun < values[index]:
        return float(found.x), float(found.fun)
    return float(grid[index]), float(values[index])


def _feasible_segments(curve: Curve, grid: Array, values: Array, ceiling: float) -> list[tuple[float, float]]:
    """Pieces of the range where the curve stays at or below the ceiling; both ends are feasible."""
    inside = values <= ceiling
    segments: list[tuple[float, float]] = []
    start: float | None = float(grid[0]) if inside[0] else None
    for index in range(1, len(grid)):
        if inside[index] == inside[index - 1]:
            continue
        left, right = float(grid[index - 1]), float(grid[index])
        if inside[index]:
            start = _crossing(curve, ceiling, feasible=right, infeasible=left)
        elif start is not None:
            segments.append((start, _crossing(curve, ceiling, feasible=left, infeasible=right)))
            start = None
    if start is not None:
        segments.append((start, float(grid[-1])))
    return segments


def _crossing(curve: Curve, ceiling: float, feasible: float, infeasible: float) -> float:
    """Where the curve meets the ceiling, approached from the feasible side and never beyond it."""
    if _at(curve, feasible) == ceiling:
        return feasible
    low, high = sorted((feasible, infeasible))
    root = float(brentq(lambda r: _at(curve, float(r)) - ceiling, low, high, xtol=_PRECISION))
    step = _PRECISION
    while _at(curve, root) > ceiling:
        back = root + np.copysign(step, feasible - root)
        root = feasible if abs(back - root) >= abs(feasible - root) else float(back)
        step *= 2
    return root


def _best_on(domain: Curve, grid: Array, start: float, end: float) -> float:
    """Domain share with the lowest domain loss on one feasible piece."""
    inner = grid[(grid > start) & (grid < end)]
    points = np.unique(np.concatenate([[start], inner, [end]]))
    if len(points) == 1:
        return start
    return _lowest(domain, points, domain(points))[0]


def _binding(
    domain: Curve, r: float, segments: list[tuple[float, float]], r_min: float, r_max: float
) -> Binding:
    """What stops the domain loss from falling further at r."""
    reach = 1e-4 * (r_max - r_min)
    here = _at(domain, r)
    for start, end in segments:
        for edge, outward in ((start, -reach), (end, reach)):
            if abs(r - edge) > reach:
                continue
            if edge in (r_min, r_max):
                # Beyond the range nothing may be evaluated: ask whether the loss falls towards the edge.
                if _at(domain, edge - outward) > _at(domain, edge):
                    return "range"
            elif _at(domain, edge + outward) < here:
                return "ceiling"
    return "none"
