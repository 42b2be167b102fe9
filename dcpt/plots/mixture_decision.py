"""A planned mixture: the shares of its corpora as bars, and what is expected of it beside other mixtures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dcpt.plots import style
from dcpt.plots.frames import check_columns


def mixture_shares(frame: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw each corpus's share as a bar with its interval, the greatest on top.

    Parameters
    ----------
    frame : DataFrame
        Columns corpus, share, lo and hi (interval of the best share); and beside, the share in another
        mixture, which is marked where it is a number.
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
    frame = check_columns(frame, ("corpus", "share", "lo", "hi", "beside"), "mixture_shares")
    frame = frame.sort_values("share", kind="stable")
    ax = style.axes(ax, "share of tokens", "", title, height=max(2.0, 0.28 * len(frame) + 1.0))
    colours = style.current()
    height = np.arange(len(frame))
    share = frame["share"].to_numpy(float)
    ax.barh(height, share, color=colours.accent, alpha=0.35, height=0.62, linewidth=0)
    ax.hlines(height, frame["lo"], frame["hi"], color=colours.accent, linewidth=1.6)
    ax.plot(share, height, "o", color=colours.accent, markersize=4.5)
    beside = frame["beside"].to_numpy(float)
    known = np.isfinite(beside)
    ax.plot(beside[known], height[known], "|", color=colours.ink, markersize=10, markeredgewidth=1.4)
    _rows(ax, list(frame["corpus"]))
    ax.set_xlim(0, None)
    return ax


def mixture_losses(
    frame: pd.DataFrame, *, goal: str, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what is expected of the answer and of other mixtures, each with its interval.

    Parameters
    ----------
    frame : DataFrame
        Columns name, value, lo and hi, the answer in the first row; and measured, marked by a cross
        where it is a number.
    goal : str
        What is minimised, for the label of the axis.
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
    frame = check_columns(frame, ("name", "value", "lo", "hi", "measured"), "mixture_losses").iloc[::-1]
    ax = style.axes(ax, f"predicted loss, {goal}", "", title, height=max(2.0, 0.3 * len(frame) + 1.0))
    colours = style.current()
    height = np.arange(len(frame))
    shades = [colours.neutral] * (len(frame) - 1) + [colours.accent]
    value = frame["value"].to_numpy(float)
    ax.hlines(height, frame["lo"], frame["hi"], color=shades, linewidth=1.6)
    ax.scatter(value, height, color=shades, s=26, zorder=3)
    measured = frame["measured"].to_numpy(float)
    known = np.isfinite(measured)
    ax.plot(
        measured[known], height[known], "x", color=colours.ink, markersize=6, markeredgewidth=1.4, zorder=4
    )
    if len(frame):
        ax.axvline(value[-1], color=colours.accent, linewidth=0.8, alpha=0.6)
    _rows(ax, list(frame["name"]))
    return ax


def _rows(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(np.arange(len(names)), names)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", color=style.current().line, linewidth=0.7)
    ax.set_ylim(-0.6, max(len(names) - 0.4, 0.6))
