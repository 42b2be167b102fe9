"""Measured against fitted losses: points on the diagonal are predicted exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dcpt.core.quantity import format_quantity
from dcpt.plots import style
from dcpt.plots.frames import NATS, check_columns, loss_label


def measured_vs_fitted(
    frame: pd.DataFrame,
    *,
    side: str = "",
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw measured against fitted losses, one shade per model size.

    Parameters
    ----------
    frame : DataFrame
        Columns N (parameters), measured and fitted (in `unit`).
    side : str
        ``general`` or ``domain``, for the labels of the axes.
    unit : str
        Unit of the losses in words, for the same labels.
    title : str, optional
        Title of the axes.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        When the frame lacks a column.
    """
    frame = check_columns(frame, ("N", "measured", "fitted"), "measured_vs_fitted")
    colours = style.current()
    fitted, measured = (f"{kind} {loss_label(side, unit)}" for kind in ("fitted", "measured"))
    ax = style.axes(ax, fitted, measured, title, width=4.6, height=4.2)
    ax.grid(axis="x", color=colours.line, linewidth=0.7)
    both = frame[["measured", "fitted"]].to_numpy(float)
    margin = 0.04 * float(np.ptp(both)) or 0.01
    span = (both.min() - margin, both.max() + margin)
    ax.plot(span, span, color=colours.neutral, linewidth=1.0, zorder=1)
    sizes = sorted(frame["N"].unique())
    for place, (size, colour) in enumerate(zip(sizes, style.ramp(len(sizes)), strict=True)):
        rows = frame[frame["N"] == size]
        ax.scatter(
            rows["fitted"], rows["measured"], s=20, color=colour, edgecolor=colours.paper, linewidth=0.6
        )
        ax.annotate(
            format_quantity(size),
            (0.03, 0.97),
            xycoords="axes fraction",
            xytext=(0, -12 * place),
            textcoords="offset points",
            ha="left",
            va="top",
            color=colour,
            fontsize=8.5,
        )
    error = float(np.abs(both[:, 0] - both[:, 1]).mean())
    ax.annotate(
        f"mean absolute error {error:.4f} {unit}",
        (0.97, 0.04),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        color=colours.muted,
        fontsize=8.5,
    )
    ax.set(xlim=span, ylim=span, aspect="equal")
    return ax
