"""A law's curves beside the measured losses, as the frames the plots read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_POINTS = 97
"""Points of a drawn curve; more are not seen at the width of a page."""


def measured_rows(fit: LawFit, table: LossTable) -> pd.DataFrame:
    """Rows of the table that a fit rests on: ends of schedules at inner ratios."""
    frame = table.select(fit.eval_set, fit.metric, ("end",)).frame
    return frame[(frame["D"] > 0) & (frame["r"] > 0) & (frame["r"] < 1)].copy()


def ratio_curves(
    fit: LawFit, table: LossTable, target: tuple[float, float] | None = None, level: float = 0.9
) -> pd.DataFrame:
    """Loss along the domain share, one curve per size at that size's most tokens.

    Parameters
    ----------
    fit : LawFit
        The fit.
    table : LossTable
        The losses it rests on.
    target : (N, D), optional
        A further model to draw, unless its size is among the fitted ones.
    level : float
        Probability of the band.

    Returns
    -------
    pandas.DataFrame
        Columns r, N, D, value and kind (measured, mean, lo, hi).
    """
    rows = measured_rows(fit, table)
    rows = rows[rows["D"] == rows.groupby("N")["D"].transform("max")]
    grid = np.linspace(rows["r"].min(), rows["r"].max(), CURVE_POINTS)
    shapes = [(float(N), float(part["D"].max())) for N, part in rows.groupby("N")]
    if target is not None and all(abs(np.log(target[0] / N)) > 0.005 for N, _ in shapes):
        shapes.append(target)
    parts = [_measured(rows)]
    parts += [_curve(fit, np.full_like(grid, N), np.full_like(grid, D), grid, level) for N, D in shapes]
    return pd.concat(parts, ignore_index=True)


def token_curves(fit: LawFit, table: LossTable, level: float = 0.9) -> pd.DataFrame:
    """Mean loss of the largest size along its tokens, one curve per domain share.

    Returns
    -------
    pandas.DataFrame
        As `ratio_curves`, without bands: curves this close would hide each other's.
    """
    rows = measured_rows(fit, table)
    rows = rows[rows["N"] == rows["N"].max()]
    grid = np.geomspace(rows["D"].min(), rows["D"].max(), CURVE_POINTS)
    parts = [_measured(rows)]
    for r in sorted(rows["r"].unique()):
        curve = _curve(fit, np.full_like(grid, rows["N"].iloc[0]), grid, np.full_like(grid, r), level)
        parts.append(curve[curve["kind"] == "mean"])
    return pd.concat(parts, ignore_index=True)


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(kind="measured")[["r", "N", "D", "value", "kind"]]


def _curve(
    fit: LawFit,
    N: NDArray[np.float64],
    D: NDArray[np.float64],
    r: NDArray[np.float64],
    level: float,
) -> pd.DataFrame:
    frame = fit.predict(N, D, r, level)
    return pd.concat(
        [
            pd.DataFrame({"r": r, "N": N, "D": D, "value": frame[name], "kind": kind})
            for kind, name in (("mean", "mean"), ("lo", "mean_lo"), ("hi", "mean_hi"))
        ],
        ignore_index=True,
    )


def plot_fit(fit: LawFit, x: str, table: LossTable, ax: Axes | None = None) -> Axes:
    """Draw the law beside the losses; see `LawFit.plot`."""
    from dcpt.plots.loss_vs_ratio import loss_vs_ratio
    from dcpt.plots.loss_vs_tokens import loss_vs_tokens

    if x not in ("r", "D"):
        raise ConfigError(f"plot: x is {x!r}; wanted 'r' or 'D'.")
    unit = unit_words(fit.unit)
    if x == "r":
        return loss_vs_ratio(ratio_curves(fit, table), side=fit.role, unit=unit, ax=ax)
    return loss_vs_tokens(token_curves(fit, table), side=fit.role, unit=unit, ax=ax)
