"""Reasons for doubt that come with a budget."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.quantity import format_quantity
from dcpt.plan.caveat import Caveat

Array = NDArray[np.float64]


def allocation_caveats(
    N: float,
    by_size: pd.DataFrame,
    wanted: Array,
    between: bool,
    at_budget: Mapping[str, tuple[float, float, float]],
    ends: tuple[float, float],
) -> tuple[Caveat, ...]:
    """What speaks against leaning on the best size.

    Parameters
    ----------
    N : float
        The best size.
    by_size : DataFrame
        Every size tried, see `AllocationAnswer`.
    wanted : ndarray
        Sizes asked for, ascending.
    between : bool
        Whether they stand for a range.
    at_budget : mapping
        Answers at the ends of an uncertain budget.
    ends : tuple of float
        Those ends, in FLOPs.
    """
    found = []
    edge = [end for end in (wanted[0], wanted[-1]) if abs(np.log(N / end)) < 1e-3]
    if edge and len(wanted) > 1:
        which = "smallest" if edge[0] == wanted[0] else "largest"
        found.append(
            Caveat(
                "size_at_edge",
                "doubt" if between else "note",
                f"The best size {format_quantity(N)} is the {which} {'searched' if between else 'there is'}; "
                "a better one may lie beyond it.",
            )
        )
    out = [size for size in wanted if not np.isclose(by_size["N"], size).any()]
    if out and not between:
        found.append(
            Caveat(
                "size_at_edge",
                "note",
                f"The budget is too small to train {format_quantity(float(min(out)))} and more parameters on "
                "enough tokens to predict; they were not considered.",
            )
        )
    tied = by_size[(by_size["difference_lo"] <= 0) & (by_size["N"] != N)]
    if not between and len(tied):
        names = ", ".join(format_quantity(float(size)) for size in tied["N"])
        found.append(
            Caveat(
                "sizes_tie",
                "doubt",
                f"The draws do not tell {format_quantity(N)} from {names}: the interval of the difference "
                "holds zero.",
            )
        )
    if at_budget:
        answers = " and ".join(
            f"{format_quantity(size)} parameters on {format_quantity(D)} tokens at r = {r:.3f} ({end} end)"
            for end, (size, D, r) in at_budget.items()
        )
        found.append(
            Caveat(
                "utilisation",
                "note",
                f"The budget buys {ends[0]:.2g} to {ends[1]:.2g} FLOPs, depending on how well the hardware "
                f"is used; the answer would be {answers}.",
            )
        )
    return tuple(found)
