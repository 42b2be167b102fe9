"""One side's predicted loss along the ratio, with the chosen ratio, its interval and the limit."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from dcpt.plots import style
from dcpt.plots.frames import NATS, check_columns, loss_label


def ratio_decision(
    frame: pd.DataFrame,
    *,
    side: str,
    r: float,
    r_lo: float | None = None,
    r_hi: float | None = None,
    limit: float | None = None,
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a predicted loss against r and the decision that rests on it.

    Parameters
    ----------
    frame : DataFrame
        Columns r, mean, lo and hi (interval of the mean), obs_lo and obs_hi (interval of a run), in
        `unit`.
    side : str
        ``general`` or ``domain``.
    r : float
        The chosen ratio.
    r_lo, r_hi : float, optional
        Its interval, shaded.
    limit : float, optional
        Highest loss allowed.
    unit : str
        Unit of the losses in words, for the label of the axis.
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
    columns = ("r", "mean", "lo", "hi", "obs_lo", "obs_hi")
    frame = check_columns(frame, columns, "ratio_decision").sort_values("r")
    ax = style.axes(ax, "domain share of tokens, r", loss_label(side, unit), title)
    colours = style.current()
    colour = colours.accent if side == "domain" else colours.neutral
    if r_lo is not None and r_hi is not None:
        ax.axvspan(r_lo, r_hi, color=colours.accent, alpha=0.09, linewidth=0)
    ax.fill_between(frame["r"], frame["obs_lo"], frame["obs_hi"], color=colour, alpha=0.14, linewidth=0)
    ax.fill_between(frame["r"], frame["lo"], frame["hi"], color=colour, alpha=0.26, linewidth=0)
    ax.plot(frame["r"], frame["mean"], color=colour, linewidth=1.9)
    ax.axvline(r, color=colours.accent, linewidth=1.1)
    ax.annotate(
        f"r* = {r:.3f}",
        (r, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=colours.accent,
        fontweight="bold",
    )
    if limit is not None:
        ax.axhline(limit, color=colours.limit, linewidth=1.1, linestyle=(0, (4, 3)))
        ax.annotate(
            "ceiling",
            (1, limit),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            color=colours.limit,
            fontsize=8.5,
            annotation_clip=False,
        )
    ax.set_xlim(frame["r"].min(), frame["r"].max())
    return ax
