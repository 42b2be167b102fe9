"""Predictions made before a run, with their intervals, and what the run then measured."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from dcpt.plots import style
from dcpt.plots.frames import NATS, check_columns


def predicted_vs_measured(
    frame: pd.DataFrame, *, unit: str = NATS, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one line per prediction: interval of a run, interval of the mean, mean, and measurement.

    Parameters
    ----------
    frame : DataFrame
        Columns label, predicted, mean_lo, mean_hi, obs_lo, obs_hi and measured (in `unit`),
        drawn from top to bottom as errors relative to the prediction.
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
    columns = ("label", "predicted", "mean_lo", "mean_hi", "obs_lo", "obs_hi", "measured")
    frame = check_columns(frame, columns, "predicted_vs_measured").reset_index(drop=True)
    colours = style.current()
    label = f"difference from the prediction, {unit}"
    ax = style.axes(ax, label, "", title, height=0.9 + 0.34 * len(frame))
    ax.grid(visible=False)
    ax.axvline(0, color=colours.neutral, linewidth=1.0, zorder=1)
    for place, row in frame.iterrows():
        centre = row["predicted"]
        for low, high, width, alpha in (("obs_lo", "obs_hi", 9, 0.18), ("mean_lo", "mean_hi", 9, 0.42)):
            ax.plot(
                [row[low] - centre, row[high] - centre],
                [place, place],
                color=colours.accent,
                linewidth=width,
                alpha=alpha,
                solid_capstyle="butt",
                zorder=2,
            )
        inside = row["obs_lo"] <= row["measured"] <= row["obs_hi"]
        ax.scatter(
            row["measured"] - centre,
            place,
            s=36,
            zorder=4,
            linewidth=1.2,
            edgecolor=colours.paper,
            color=colours.ink if inside else colours.limit,
        )
    ax.set_yticks(range(len(frame)), frame["label"])
    ax.tick_params(axis="y", labelcolor=colours.ink)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    return ax
