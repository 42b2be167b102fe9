"""What the domain gains against what the general side loses, along the ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dcpt.plots import style
from dcpt.plots.frames import NATS, check_columns, loss_label


def trade_off(
    frame: pd.DataFrame,
    *,
    r: float | None = None,
    ceiling: float | None = None,
    general_now: float | None = None,
    band: pd.DataFrame | None = None,
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw domain loss against general loss with the ratio as parameter.

    Parameters
    ----------
    frame : DataFrame
        Columns r (domain share), general and domain (in `unit`).
    r : float, optional
        The chosen ratio, marked on the curve.
    ceiling : float, optional
        Highest general loss allowed; the part of the curve beyond it is drawn faint.
    general_now : float, optional
        General loss before continual pre-training.
    band : DataFrame, optional
        Columns domain, general_lo and general_hi: the interval of the least general loss at a domain loss,
        drawn behind the curve; none where there are no rows.
    unit : str
        Unit of the losses in words, for the labels of the axes.
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
    frame = check_columns(frame, ("r", "general", "domain"), "trade_off").sort_values("r")
    ax = style.axes(ax, loss_label("general", unit), loss_label("domain", unit), title)
    colours = style.current()
    share, x, y = (frame[name].to_numpy(float) for name in ("r", "general", "domain"))
    kept = np.ones(len(x), bool) if ceiling is None else x <= ceiling
    if band is not None and len(band):
        names = ("domain", "general_lo", "general_hi")
        ends = check_columns(band, names, "trade_off").dropna(subset=list(names))
        height, low, high = (ends[name].to_numpy(float) for name in names)
        ax.fill_betweenx(height, low, high, color=colours.accent, alpha=0.13, linewidth=0, zorder=0)
    ax.plot(x, y, color=colours.line, linewidth=2.2, solid_capstyle="round")
    ax.plot(np.where(kept, x, np.nan), y, color=colours.accent, linewidth=2.2, solid_capstyle="round")
    _mark_ratios(ax, share, x, y, r)
    limits = [(general_now, "today", colours.neutral), (ceiling, "ceiling", colours.limit)]
    known = [(level, text, colour) for level, text, colour in limits if level is not None]
    for level, text, colour in known:
        ax.axvline(level, color=colour, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
        # Two limits may stand close together: the lower one is named on its left, the higher on its right.
        lower = level == min(limit[0] for limit in known)
        side = "center" if len(known) == 1 else "right" if lower else "left"
        ax.annotate(
            text,
            (level, 1),
            xycoords=("data", "axes fraction"),
            xytext=({"center": 0, "right": 3, "left": -3}[side], 4),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color=colour,
            fontsize=8.5,
        )
    if r is not None:
        at = float(np.interp(r, share, x)), float(np.interp(r, share, y))
        ax.scatter(*at, s=62, color=colours.accent, edgecolor=colours.paper, linewidth=1.6, zorder=5)
        ax.annotate(
            f"r* = {r:.3f}",
            at,
            xytext=(9, 9),
            textcoords="offset points",
            color=colours.accent,
            fontweight="bold",
            fontsize=10,
            zorder=6,
            bbox={
                "boxstyle": "round,pad=0.15",
                "facecolor": colours.paper,
                "edgecolor": "none",
                "alpha": 0.85,
            },
        )
    return ax


def _mark_ratios(ax: Axes, share: np.ndarray, x: np.ndarray, y: np.ndarray, chosen: float | None) -> None:
    """Small dots at round ratios, named below the curve; none beside the chosen one."""
    colours = style.current()
    spacing = 0.1 if share[-1] - share[0] > 0.35 else 0.05 if share[-1] - share[0] > 0.12 else 0.02
    first = np.ceil(round(share[0] / spacing, 9)) * spacing
    for ratio in np.arange(first, share[-1] + 1e-9, spacing):
        at = float(np.interp(ratio, share, x)), float(np.interp(ratio, share, y))
        ax.scatter(*at, s=14, color=colours.paper, edgecolor=colours.neutral, linewidth=1.0, zorder=4)
        if chosen is None or abs(ratio - chosen) > 0.45 * spacing:
            ax.annotate(
                f"{ratio:.2g}",
                at,
                xytext=(-4, -5),
                textcoords="offset points",
                ha="right",
                va="top",
                color=colours.muted,
                fontsize=8,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": colours.paper, "edgecolor": "none"},
            )
