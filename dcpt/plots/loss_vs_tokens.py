"""Loss against training tokens, one curve per domain share."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from dcpt.core.quantity import format_quantity
from dcpt.plots import style
from dcpt.plots.curves import draw_curves
from dcpt.plots.frames import NATS, check_curves, loss_label


def loss_vs_tokens(
    frame: pd.DataFrame,
    *,
    side: str = "",
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw loss against D on a logarithmic axis, one curve per ratio.

    Parameters
    ----------
    frame : DataFrame
        Columns r (domain share), N (parameters), D (tokens, positive), value (in `unit`) and
        kind (measured, mean, lo or hi). Give one N: curves of different N would overlap.
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
    frame = check_curves(frame, "loss_vs_tokens")
    ax = style.axes(ax, "training tokens, D", loss_label(side, unit), title)
    ax.set_xscale("log")
    measured = frame.loc[frame["kind"] == "measured", "D"]
    ticks = sorted((measured if len(measured) else frame["D"]).unique())
    if len(ticks) > 6:
        ticks = ticks[:: -(-len(ticks) // 5)]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    draw_curves(ax, frame, "D", "r", lambda r: f"r {r:g}")
    return ax
