"""Loss against the domain share, one curve per model size."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from dcpt.core.quantity import format_quantity
from dcpt.plots import style
from dcpt.plots.curves import draw_curves
from dcpt.plots.frames import NATS, check_curves, loss_label


def loss_vs_ratio(
    frame: pd.DataFrame,
    *,
    side: str = "",
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw loss against r, one curve per size; each size is named at the right end of its curve.

    Parameters
    ----------
    frame : DataFrame
        Columns r (domain share), N (parameters), D (tokens), value (in `unit`) and kind
        (measured, mean, lo or hi). Give one D per size: curves of different D would overlap.
    side : str
        ``general`` or ``domain``, for the label of the axis.
    unit : str
        Unit of the losses in words, for the same label.
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
    frame = check_curves(frame, "loss_vs_ratio")
    ax = style.axes(ax, "domain share of tokens, r", loss_label(side, unit), title)
    draw_curves(ax, frame, "r", "N", format_quantity)
    return ax
