"""Where replays of buying runs stand, and from where on they know the planned ratio well enough."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

SLACKS = (0.0, 0.02, 0.05, 0.1)
"""How much wider than the grid's an interval may be to count as as narrow."""

PARTS = (0.2, 0.3, 0.4)
"""Shares of the FLOPs at which the width is looked at."""


@dataclass(frozen=True)
class State:
    """Where a replay stands after a refit."""

    flops: float
    runs: int
    r: float
    lo: float
    hi: float
    own: tuple[float, float]

    @property
    def width(self) -> float:
        return self.hi - self.lo

    @property
    def own_width(self) -> float:
        return self.own[1] - self.own[0]


def reached(path: list[State], width: float, ratio: float, own: bool = False) -> State | None:
    """The first state whose interval is no wider than that and contains the grid's ratio."""
    for one in path:
        lo, hi = one.own if own else (one.lo, one.hi)
        if hi - lo <= width and lo <= ratio <= hi:
            return one
    return None


def lasting(path: list[State], width: float) -> State:
    """The first state from which on no interval is wider; the last one, where none is that narrow."""
    wide = [place for place, one in enumerate(path) if one.width > width]
    return path[min(wide[-1] + 1, len(path) - 1)] if wide else path[0]


def summary(
    paths: list[list[State]],
    whole: float,
    fitted: float,
    goal: tuple[float, float],
    grid_r: float,
    target: float | None,
) -> dict[str, Any]:
    """Shares over the starting designs; one that never got there counts with what it had bought.

    The goal is the grid's width, and how far that is known, relative to it.
    """
    width, noise = goal
    shares = {}
    for slack in (*SLACKS, noise):
        found = [reached(path, (1 + slack) * width, grid_r) or path[-1] for path in paths]
        shares[slack] = [one.flops / whole for one in found]
    wanted = (1 + noise) * width
    own = [reached(path, wanted, grid_r, own=True) or path[-1] for path in paths]
    ends = [reached(path, wanted, grid_r) for path in paths]
    last = [path[-1] if end is None else end for path, end in zip(paths, ends, strict=True)]
    return {
        "share_of_flops": mean(shares[noise]),
        "share_sd": stdev(shares[noise]) if len(paths) > 1 else None,
        "share_exact": mean(shares[0.0]),
        "share_10_percent_wider": mean(shares[0.1]),
        "shares": {f"{slack:g}": found for slack, found in shares.items()},
        "share_of_fitted": mean(one.flops / fitted for one in last),
        "share_own": mean(one.flops / whole for one in own),
        "share_for_good": mean(lasting(path, 1.1 * width).flops / whole for path in paths),
        "reached": mean(end is not None for end in ends),
        "width_at": {
            f"{part:g}": mean(_width_at(path, part * whole) / width for path in paths) for part in PARTS
        },
        "runs": mean(one.runs for one in last),
        "r_star": mean(one.r for one in last),
        "interval": [mean(one.lo for one in last), mean(one.hi for one in last)],
        "holds_grid_r": mean(one.lo <= grid_r <= one.hi for one in last),
        "holds_measured_r": None if target is None else mean(one.lo <= target <= one.hi for one in last),
        "paths": [
            [[round(x, 4) for x in (one.flops / whole, one.r, one.lo, one.hi, *one.own)] for one in path]
            for path in paths
        ],
    }


def _width_at(path: list[State], flops: float) -> float:
    """Width of the last interval that so many FLOPs had bought; of the first, where they bought none."""
    return [path[0].width, *(one.width for one in path if one.flops <= flops)][-1]
