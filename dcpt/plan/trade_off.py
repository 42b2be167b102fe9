"""The trade-off solved: the ratio with the lowest loss among those that keep every limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from dcpt.core.errors import PlanError
from dcpt.core.symbols import GENERAL
from dcpt.plan.binding import Binding
from dcpt.plan.limit import Limit

Array = NDArray[np.float64]
Curve = Callable[[Array], Array]
"""Losses, shape (n,), at domain shares r, shape (n,); all curves of a trade-off in one unit."""

GRID = 401
"""Points of the search grid: 0.002 apart on a range of 0.8, finer than any sweep sets its ratios."""

_PRECISION = 1e-12


@dataclass(frozen=True)
class Bound:
    """A loss along the ratio and the highest value it may take.

    Parameters
    ----------
    label : str
        What the plan calls the loss.
    curve : callable
        The loss at domain shares.
    ceiling : float
        Highest loss allowed.
    limit : Limit, optional
        The limit behind the ceiling, and
    now : float, optional
        the base's loss it is measured from: to name the nearest limit that can be kept.
    """

    label: str
    curve: Curve
    ceiling: float
    limit: Limit | None = None
    now: float | None = None

    @property
    def name(self) -> str:
        """The loss as the limit names it."""
        return self.label if self.limit is None else self.limit.eval_set

    def nearest(self, loss: float) -> str:
        """The limit that a loss just keeps, as text."""
        if self.limit is None:
            return f"{self.label} <= {loss:.4f}"
        return str(self.limit.admitting(loss, self.now))


@dataclass(frozen=True)
class TradeOff:
    """The solution of one trade-off.

    Attributes
    ----------
    r : float
        Domain share with the lowest objective among the feasible ones.
    general, domain : float
        Loss of the first bound there (NaN without one), and the objective, in the unit of the curves.
    binding : {"ceiling", "range", "none"}
        What keeps the objective from falling further: a ceiling, an edge of the searched range, or
        nothing (the objective has its minimum at ``r``).
    bound : str or None
        Label of the bound whose ceiling binds.
    edges : tuple of float or None
        For each bound the largest share that keeps it alone; None where none does.
    feasible_share : float
        Share of the searched range that keeps every ceiling.
    """

    r: float
    general: float
    domain: float
    binding: Binding
    bound: str | None
    edges: tuple[float | None, ...]
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

    `solve_bounds` with one bound; see there.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.4, usage 1.
    """
    return solve_bounds([Bound(GENERAL, general, ceiling)], domain, r_min, r_max, points, unit)


def solve_bounds(
    bounds: Sequence[Bound],
    objective: Curve,
    r_min: float,
    r_max: float,
    points: int = GRID,
    unit: str = "",
) -> TradeOff:
    """Minimise one curve over the ratios at which others stay at or below their ceilings.

    No loss is assumed to be monotone in the ratio: the feasible set may come in several pieces.

    Parameters
    ----------
    bounds : sequence of Bound
        Losses that are kept; may be empty.
    objective : callable
        What is minimised, at an array of domain shares.
    r_min, r_max : float
        Range of domain shares to search.
    points : int
        Grid points; the pieces of the feasible set must be wider than the grid's spacing to be seen.
    unit : str
        Unit of the losses in words, for the message.

    Returns
    -------
    TradeOff
        Feasible by construction: every bound's loss at ``r`` is at or below its ceiling.

    Raises
    ------
    PlanError
        When no ratio of the range keeps every ceiling; the hint names the nearest that can be kept.
    """
    grid = ratio_grid(r_min, r_max, points)

    def excess(r: Array) -> Array:
        over = [np.full(len(r), -np.inf), *(b.curve(r) - b.ceiling for b in bounds)]
        return np.asarray(np.max(over, axis=0), dtype=np.float64)

    over = excess(grid)
    r_least, least = _lowest(excess, grid, over) if bounds else (float(grid[0]), -np.inf)
    if least > 0:
        raise _infeasible(bounds, r_min, r_max, r_least, unit)
    if (over > 0).all():  # the feasible piece lies between two grid points
        grid = np.sort(np.append(grid, r_least))
        over = excess(grid)
    segments = _feasible_segments(excess, grid, over)
    candidates = [_best_on(objective, grid, start, end) for start, end in segments]
    r = min(candidates, key=lambda share: (_at(objective, share), share))
    binding = _binding(objective, r, segments, r_min, r_max)
    slack = [b.ceiling - _at(b.curve, r) for b in bounds]
    return TradeOff(
        r=r,
        general=_at(bounds[0].curve, r) if bounds else float("nan"),
        domain=_at(objective, r),
        binding=binding,
        bound=bounds[int(np.argmin(slack))].label if binding == "ceiling" else None,
        edges=tuple(edge_of(b, grid) for b in bounds),
        feasible_share=sum(end - start for start, end in segments) / (r_max - r_min),
    )


def _infeasible(bounds: Sequence[Bound], r_min: float, r_max: float, r: float, unit: str) -> PlanError:
    losses = [_at(b.curve, r) for b in bounds]
    where = f"no domain share between {r_min:g} and {r_max:g} keeps"
    if len(bounds) == 1:
        limit = f"{bounds[0].ceiling:.4f} {unit}".rstrip()
        text = f"{where} the {bounds[0].name} loss at or below {limit}: the lowest predicted is "
        text += f"{losses[0]:.4f}, at r = {r:.3f}."
    else:
        text = f"{where} every limit; nearest to it, at r = {r:.3f}, "
        text += ", ".join(
            f"the {b.name} loss is {loss:.4f} against {b.ceiling:.4f}"
            for b, loss in zip(bounds, losses, strict=True)
        )
        text += f" {unit}".rstrip() + "."
    broken = [b.nearest(loss) for b, loss in zip(bounds, losses, strict=True) if loss > b.ceiling]
    nearest = " and ".join(f"'{item}'" for item in broken)
    hint = f"the nearest that can be kept: {nearest}; or plan for other tokens, or a wider range of ratios"
    return PlanError(text, hint=hint)


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


def _feasible_segments(excess: Curve, grid: Array, values: Array) -> list[tuple[float, float]]:
    """Pieces of the range where the curve stays at or below 0; both ends are feasible."""
    inside = values <= 0
    segments: list[tuple[float, float]] = []
    start: float | None = float(grid[0]) if inside[0] else None
    for index in np.flatnonzero(inside[1:] != inside[:-1]) + 1:
        left, right = float(grid[index - 1]), float(grid[index])
        if inside[index]:
            start = _crossing(excess, feasible=right, infeasible=left)
        elif start is not None:
            segments.append((start, _crossing(excess, feasible=left, infeasible=right)))
            start = None
    if start is not None:
        segments.append((start, float(grid[-1])))
    return segments


def _crossing(excess: Curve, feasible: float, infeasible: float) -> float:
    """Where the curve meets 0, approached from the feasible side and never beyond it."""
    if _at(excess, feasible) == 0:
        return feasible
    low, high = sorted((feasible, infeasible))
    root = float(brentq(lambda r: _at(excess, float(r)), low, high, xtol=_PRECISION))
    step = _PRECISION
    while _at(excess, root) > 0:
        back = root + np.copysign(step, feasible - root)
        root = feasible if abs(back - root) >= abs(feasible - root) else float(back)
        step *= 2
    return root


def edge_of(bound: Bound, grid: Array) -> float | None:
    """Largest share that keeps one bound, by linear interpolation between grid points."""
    over = bound.curve(grid) - bound.ceiling
    inside = np.flatnonzero(over <= 0)
    if not len(inside):
        return None
    last = int(inside[-1])
    if last == len(grid) - 1:
        return float(grid[-1])
    part = -over[last] / (over[last + 1] - over[last])
    return float(grid[last] + part * (grid[last + 1] - grid[last]))


def _best_on(objective: Curve, grid: Array, start: float, end: float) -> float:
    """Domain share with the lowest objective on one feasible piece."""
    inner = grid[(grid > start) & (grid < end)]
    points = np.unique(np.concatenate([[start], inner, [end]]))
    if len(points) == 1:
        return start
    return _lowest(objective, points, objective(points))[0]


def _binding(
    objective: Curve, r: float, segments: list[tuple[float, float]], r_min: float, r_max: float
) -> Binding:
    """What stops the objective from falling further at r."""
    reach = 1e-4 * (r_max - r_min)
    here = _at(objective, r)
    for start, end in segments:
        for edge, outward in ((start, -reach), (end, reach)):
            if abs(r - edge) > reach:
                continue
            if edge in (r_min, r_max):
                # Beyond the range nothing may be evaluated: ask whether the loss falls towards the edge.
                if _at(objective, edge - outward) > _at(objective, edge):
                    return "range"
            elif _at(objective, edge + outward) < here:
                return "ceiling"
    return "none"
