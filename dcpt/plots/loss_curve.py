"""Loss along training: what was measured, what a law says with its interval, and the rates below them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dcpt.core.quantity import format_quantity
from dcpt.plots import style
from dcpt.plots.frames import KINDS, NATS, check_columns, loss_label

MOST_CURVES = 9
"""Curves in one picture."""

COLUMNS = 3
"""Of them beside each other."""

STEEP = 0.96
"""Share of the losses, the lowest ones, that decides how far up an axis goes."""


def loss_curve(
    frame: pd.DataFrame,
    *,
    side: str = "",
    unit: str = NATS,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the losses of one curve against optimizer steps: dots, and a law's line with its interval.

    Parameters
    ----------
    frame : DataFrame
        Columns step, value (in `unit`) and kind (measured, mean, lo or hi).
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
    frame = check_columns(frame, ("step", "value", "kind"), "loss_curve")
    ax = _step_axis(style.axes(ax, "optimizer steps", loss_label(side, unit), title))
    colours = style.current()
    parts = {kind: frame[frame["kind"] == kind].sort_values("step") for kind in KINDS}
    low, high, mean, seen = (parts[kind] for kind in ("lo", "hi", "mean", "measured"))
    if len(low) and len(high):
        ax.fill_between(
            low["step"], low["value"], high["value"], color=colours.accent, alpha=0.2, linewidth=0
        )
    if len(seen):
        ax.scatter(seen["step"], seen["value"], s=9, color=colours.limit, linewidth=0, zorder=3)
    if len(mean):
        dashed = (0, (5, 2)) if not len(seen) else "-"
        ax.plot(mean["step"], mean["value"], color=colours.accent, linewidth=1.5, linestyle=dashed, zorder=4)
    ax.set_ylim(*shown_losses(frame))
    return ax


def shown_losses(frame: pd.DataFrame) -> tuple[float, float]:
    """Limits of an axis of losses: without the first steep fall, which would press the rest together."""
    values = frame.loc[frame["kind"].isin(("measured", "mean")), "value"]
    low, high = float(values.min()), float(values.quantile(STEEP))
    margin = 0.08 * (high - low) or 0.01
    return low - margin, high + margin


def rate_curve(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the learning rate of one curve against optimizer steps.

    Parameters
    ----------
    frame : DataFrame
        Columns step and rate.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    DataError
        When the frame lacks a column.
    """
    frame = check_columns(frame, ("step", "rate"), "rate_curve").sort_values("step")
    ax = _step_axis(style.axes(ax, "optimizer steps", "rate", height=1.4))
    ax.yaxis.set_major_locator(MaxNLocator(2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    ax.plot(frame["step"], frame["rate"], color=style.current().neutral, linewidth=1.3)
    ax.set_ylim(0, 1.1 * float(frame["rate"].max()) or 1.0)
    return ax


def loss_curves(
    losses: pd.DataFrame,
    rates: pd.DataFrame,
    *,
    side: str = "",
    unit: str = NATS,
    title: str | None = None,
) -> Figure:
    """Draw several curves side by side, every one with its rates below on the same steps.

    Parameters
    ----------
    losses, rates : DataFrame
        As `loss_curve` and `rate_curve` take them, with a column curve (name). All have one scale.
    side, unit
        As in `loss_curve`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When a frame lacks a column.
    """
    check_columns(losses, ("curve", "step", "value", "kind"), "loss_curves")
    check_columns(rates, ("curve", "step", "rate"), "loss_curves")
    names = list(dict.fromkeys(losses["curve"]))
    columns = min(len(names), COLUMNS)
    lines = -(-len(names) // columns)
    width = 6.4 if columns == 1 else 3.4 * columns
    figure = style.figure(width, (4.6 if columns == 1 else 3.5) * lines)
    if title:
        figure.suptitle(title, x=0.01, ha="left", color=style.current().ink, fontweight="bold", fontsize=10)
    limits = shown_losses(losses)
    cells = figure.subfigures(lines, columns, squeeze=False).ravel()
    for place, (name, cell) in enumerate(zip(names, cells, strict=False)):
        above, below = cell.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        rate_curve(rates[rates["curve"] == name], ax=below)
        own = losses[losses["curve"] == name]
        loss_curve(own, side=side, unit=unit, title=name if len(names) > 1 else None, ax=above)
        above.set_ylim(*limits)
        above.yaxis.set_major_locator(MaxNLocator(6))
        above.set_xlabel("")
        if place % columns:
            above.set_ylabel("")
            below.set_ylabel("")
        if place < len(names) - columns:
            below.set_xlabel("")
    return figure


def _step_axis(ax: Axes) -> Axes:
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value)))
    return ax
