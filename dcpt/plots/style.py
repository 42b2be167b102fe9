"""One look for every figure: two hues, clean spines, labels beside the lines instead of legends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from dcpt.core.errors import ConfigError


@dataclass(frozen=True)
class Theme:
    """Colours of one theme. Blue, grey and orange stay apart under the common colour deficiencies."""

    ink: str
    muted: str
    line: str
    paper: str
    accent: str
    neutral: str
    limit: str
    ramp: tuple[str, str]


THEMES: dict[str, Theme] = {
    "light": Theme(
        "#17202e", "#5b6677", "#d9dee7", "#ffffff", "#2f55d4", "#6b7789", "#c2410c", ("#a9bcf7", "#172f86")
    ),
    "dark": Theme(
        "#e8ecf4", "#98a3b5", "#343d4d", "#171c25", "#8aa4ff", "#a3aec0", "#fb923c", ("#4660c4", "#dfe6ff")
    ),
}

_current: ContextVar[Theme] = ContextVar("theme", default=THEMES["light"])


def current() -> Theme:
    """The theme in force."""
    return _current.get()


@contextmanager
def theme(name: str = "light") -> Iterator[Theme]:
    """Draw in a theme: ``light`` or ``dark``.

    Raises
    ------
    ConfigError
        When there is no such theme.
    """
    if name not in THEMES:
        raise ConfigError(f"theme: {name!r} is unknown; known are {', '.join(THEMES)}.")
    chosen = THEMES[name]
    token = _current.set(chosen)
    try:
        with mpl.rc_context(_settings(chosen)):
            yield chosen
    finally:
        _current.reset(token)


def _settings(chosen: Theme) -> dict[str, Any]:
    return {
        "figure.facecolor": chosen.paper,
        "savefig.facecolor": chosen.paper,
        "axes.facecolor": chosen.paper,
        "text.color": chosen.ink,
        "axes.labelcolor": chosen.muted,
        "axes.edgecolor": chosen.line,
        "xtick.color": chosen.muted,
        "ytick.color": chosen.muted,
        "font.family": "sans-serif",
        "font.size": 9.0,
        "axes.labelsize": 9.0,
        "axes.titlesize": 10.0,
        "figure.dpi": 110,
        "savefig.dpi": 200,
        "svg.fonttype": "path",
        "svg.hashsalt": "dcpt",  # element ids do not change from one drawing to the next
    }


def figure(width: float = 6.0, height: float = 3.6) -> Figure:
    """A new figure of `width` x `height` inches in the theme in force, which needs no display."""
    with mpl.rc_context(_settings(current())):
        return Figure(figsize=(width, height), layout="constrained")


def axes(
    ax: Axes | None,
    x: str,
    y: str,
    title: str | None = None,
    *,
    width: float = 6.0,
    height: float = 3.6,
) -> Axes:
    """Axes with what carries information alone: one spine, a faint grid along y, quiet ticks, labels.

    Parameters
    ----------
    ax : Axes, optional
        The axes to take; those of a new figure of `width` x `height` inches by default.
    x, y : str
        Labels of the axes.
    title : str, optional
        Title, set to the left.
    """
    colours = current()
    if ax is None:
        with mpl.rc_context(_settings(colours)):
            ax = figure(width, height).add_subplot()
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(colours.line)
    ax.grid(axis="y", color=colours.line, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=colours.muted, pad=5)
    ax.set_xlabel(x, color=colours.muted, labelpad=6)
    ax.set_ylabel(y, color=colours.muted, labelpad=8)
    if title:
        ax.set_title(title, loc="left", color=colours.ink, fontweight="bold", pad=10)
    return ax


def ramp(count: int) -> list[str]:
    """`count` shades of the accent in order of weight, for an ordered quantity such as model size."""
    shades = LinearSegmentedColormap.from_list("ramp", current().ramp)
    return [to_hex(shades(index / max(count - 1, 1))) for index in range(count)]


def label_ends(ax: Axes, labels: Sequence[tuple[float, float, str, str]], gap: float = 11.0) -> None:
    """Write each line's name beside its right end, at least `gap` points apart.

    Parameters
    ----------
    ax : Axes
        Axes whose limits are final.
    labels : sequence of (x, y, text, colour)
        End points in data units.
    gap : float
        Least distance between two labels, in points.
    """
    if not labels:
        return
    scale = ax.figure.dpi / 72
    pixels = [ax.transData.transform((x, y))[1] for x, y, _, _ in labels]
    order = sorted(range(len(labels)), key=lambda index: pixels[index])
    placed = spread_out([pixels[index] for index in order], gap * scale)
    for index, height in zip(order, placed, strict=True):
        x, y, text, colour = labels[index]
        ax.annotate(
            text,
            (x, y),
            xytext=(7, (height - pixels[index]) / scale),
            textcoords="offset points",
            va="center",
            ha="left",
            color=colour,
            fontsize=8.5,
            annotation_clip=False,
        )


def spread_out(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights apart until neighbours differ by `gap`, around their own centres."""
    groups: list[tuple[list[int], float]] = []  # members and the height of the lowest
    for index, height in enumerate(heights):
        groups.append(([index], height))
        while len(groups) > 1:
            (below, low), (above, high) = groups[-2], groups[-1]
            if high - (low + gap * (len(below) - 1)) >= gap:
                break
            members = below + above
            centre = sum(heights[member] for member in members) / len(members)
            groups[-2:] = [(members, centre - gap * (len(members) - 1) / 2)]
    return [low + gap * place for members, low in groups for place in range(len(members))]
