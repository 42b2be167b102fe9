"""The answer of every bootstrap draw: what launch and report need to never solve again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def draw_frame(
    N: Array | float,
    D: Array | float,
    r: Array,
    feasible: NDArray[np.bool_],
    losses: Mapping[str, Array],
    value: Array,
) -> pd.DataFrame:
    """One row a draw.

    Parameters
    ----------
    N, D, r : ndarray, shape (draws,)
        Best size, tokens and ratio of each draw; a number where it was given.
    feasible : ndarray of bool, shape (draws,)
        Whether any choice keeps every limit in that draw.
    losses : mapping of str to ndarray, shape (draws,)
        Label to the draw's loss at its own answer.
    value : ndarray, shape (draws,)
        The objective there.

    Returns
    -------
    pandas.DataFrame
        Columns N, D, r, feasible (1 or 0), value, and ``loss LABEL`` for every label.
    """
    columns: dict[str, Array | float] = {"N": N, "D": D, "r": r, "feasible": feasible.astype(np.float64)}
    columns |= {"value": value, **{f"loss {label}": loss for label, loss in losses.items()}}
    return pd.DataFrame(
        {name: np.broadcast_to(np.asarray(x, dtype=float), r.shape) for name, x in columns.items()}
    )
