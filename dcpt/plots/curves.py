"""Bands, lines and dots per group of a curve frame, each named at its right end."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes

from dcpt.plots import style


def draw_curves(ax: Axes, frame: pd.DataFrame, x: str, by: str, spell: Callable[[float], str]) -> None:
    """Draw one curve per value of `by` over `x`.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    frame : DataFrame
        Columns `x`, `by`, value and kind (measured, mean, lo, hi).
    x, by : str
        Column along the axis, and column that tells the curves apart.
    spell : callable
        Name of a curve from its value of `by`.

    Notes
    -----
    A group without measurements is a prediction: its line is dashed.
    """
    groups = sorted(frame[by].unique())
    labels = []
    for group, colour in zip(groups, style.ramp(len(groups)), strict=True):
        rows = frame[frame[by] == group]
        parts = {kind: part.sort_values(x) for kind, part in rows.groupby("kind")}
        if "lo" in parts and "hi" in parts:
            ax.fill_between(
                parts["lo"][x],
                parts["lo"]["value"],
                parts["hi"]["value"],
                color=colour,
                alpha=0.16,
                linewidth=0,
            )
        if "mean" in parts:
            dashed = "measured" not in parts
            ax.plot(
                parts["mean"][x],
                parts["mean"]["value"],
                color=colour,
                linewidth=1.6,
                linestyle=(0, (5, 2)) if dashed else "-",
                solid_capstyle="round",
            )
        if "measured" in parts:
            ax.scatter(
                parts["measured"][x],
                parts["measured"]["value"],
                s=22,
                color=colour,
                edgecolor=style.current().paper,
                linewidth=0.8,
                zorder=3,
            )
        last = parts.get("mean", parts.get("measured"))
        if last is not None:
            end = last.iloc[-1]
            labels.append((float(end[x]), float(end["value"]), spell(float(group)), colour))
    style.label_ends(ax, labels)
