"""The best size of every draw: one of those tried, or one between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.plan.allocation.spending import FlopsPerToken
from dcpt.plan.supply.answer import Draws

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


def best_of_sizes(tried: Sequence[Draws], between: bool) -> Draws:
    """The best size of every draw, and its run.

    Parameters
    ----------
    tried : sequence of Draws
        The answer at every size, ascending in N.
    between : bool
        Whether sizes between the tried ones may be had. The value is then taken for a parabola in log N
        through the best size and its neighbours, and so are share, log tokens and log losses.

    Returns
    -------
    Draws
    """
    value = np.where(
        np.stack([item.feasible for item in tried]), np.stack([item.value for item in tried]), np.inf
    )
    at = value.argmin(axis=0)
    pick = _Picked(np.log([item.N[0] for item in tried]), value, at, between)
    return Draws(
        N=np.where(pick.inner, np.exp(pick.log_N), np.array([item.N[0] for item in tried])[at]),
        r=pick([item.r for item in tried]),
        D=np.exp(pick([np.log(item.D) for item in tried])),
        value=pick([item.value for item in tried], bound=False),
        losses={
            name: np.exp(pick([np.log(item.losses[name]) for item in tried])) for name in tried[0].losses
        },
        feasible=np.asarray(np.isfinite(value).any(axis=0), dtype=np.bool_),
        lies_on={
            name: np.stack([item.lies_on[name] for item in tried])[at, np.arange(len(at))]
            for name in tried[0].lies_on
        },
    )


class _Picked:
    """Quantities of every draw, at its best size."""

    def __init__(self, log_N: Array, value: Array, at: Integers, between: bool) -> None:
        self.at, self.rows = at, np.arange(len(at))
        self.log_N = log_N[at]
        self.inner: Booleans = np.zeros(len(at), dtype=bool)
        if not between or len(log_N) < 3:
            return
        self.middle = np.clip(at, 1, len(log_N) - 2)
        self.x = np.stack([log_N[self.middle + side] for side in (-1, 0, 1)])
        three = np.stack([value[self.middle + side, self.rows] for side in (-1, 0, 1)])
        finite = np.isfinite(three).all(axis=0)
        slope, bend = _newton(self.x, np.where(finite, three, 0.0))
        self.inner = finite & (bend > 0)
        bottom = 0.5 * (self.x[0] + self.x[1] - slope / np.where(self.inner, bend, 1.0))
        self.log_N = np.where(self.inner, np.clip(bottom, self.x[0], self.x[2]), self.log_N)

    def __call__(self, tables: Sequence[Array], bound: bool = True) -> Array:
        """Each draw's value of one quantity, of which there is an array per size."""
        table = np.stack(tables)
        here = np.asarray(table[self.at, self.rows])
        if not self.inner.any():
            return here
        near = np.stack([table[self.middle + side, self.rows] for side in (-1, 0, 1)])
        slope, bend = _newton(self.x, near)
        step = self.log_N - self.x[0]
        curve = near[0] + step * (slope + bend * (self.log_N - self.x[1]))
        if bound:  # where a constraint takes over, a parabola may overshoot
            curve = np.clip(curve, near.min(axis=0), near.max(axis=0))
        return np.where(self.inner, curve, here)


def _newton(x: Array, y: Array) -> tuple[Array, Array]:
    """Divided differences of parabolas through three points each, shape (3, draws)."""
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return slope, ((y[2] - y[1]) / (x[2] - x[1]) - slope) / (x[2] - x[0])


def size_table(
    rows: Sequence[Mapping[str, float]],
    tried: Sequence[Draws | None],
    best: Draws | None,
    flops_per_token: FlopsPerToken,
    level: float,
) -> pd.DataFrame:
    """Every size beside the answer, with paired differences; columns as in `AllocationAnswer.by_size`.

    Parameters
    ----------
    rows : sequence of mapping
        N, D, r, value, every loss and feasible under the point fits, per size; value of the answer as
        ``best``.
    tried : sequence of Draws or None
        The answer of the draws at those sizes.
    best : Draws or None
        What their values are compared with.
    flops_per_token : callable
        FLOPs per training token of a size.
    level : float
        Probability of the intervals.
    """
    frame = pd.DataFrame([dict(row) for row in rows])
    frame["feasible"] = frame["feasible"].astype(bool)
    frame.insert(3, "replay", 1.0 - frame["r"])
    frame["flops_per_domain_token"] = [
        flops_per_token(N) / r if r > 0 else float("inf") for N, r in zip(frame["N"], frame["r"], strict=True)
    ]
    frame["difference"] = frame["value"] - frame.pop("best")
    known = [draws for draws in tried if draws is not None]
    if best is None or len(known) < len(tried):
        return frame.assign(best_share=np.nan, difference_lo=np.nan, difference_hi=np.nan)
    value = np.stack([np.where(draws.feasible, draws.value, np.inf) for draws in known])
    winner = np.where(np.isfinite(value).any(axis=0), value.argmin(axis=0), -1)
    frame["best_share"] = [float((winner == place).mean()) for place in range(len(known))]
    tail = (1 - level) / 2
    ends = []
    for draws in known:
        both = draws.feasible & best.feasible
        apart = (draws.value - best.value)[both]
        ends.append(np.quantile(apart, [tail, 1 - tail]) if len(apart) else (np.nan, np.nan))
    frame["difference_lo"], frame["difference_hi"] = (
        np.minimum(np.array(ends)[:, 0], frame["difference"]),
        np.maximum(np.array(ends)[:, 1], frame["difference"]),
    )
    frame.loc[~frame["feasible"], ["difference", "difference_lo", "difference_hi"]] = np.nan
    return frame
