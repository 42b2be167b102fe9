"""Flags about loss curves and schedules, which several commands have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.core.errors import ConfigError

ASK = (
    "final-loss, anneal-share, peak, rewarm, replay, potential, turning-length, critical-point, balance, "
    "best-schedule or upsampling"
)

Side = Annotated[str | None, typer.Option(help="Curves: general or domain (default: both).")]
Warmup = Annotated[int | None, typer.Option(help="Curves: steps of a warm-up that the log leaves out.")]
Switch = Annotated[
    int | None, typer.Option(help="Curves: steps of pre-training, where steps count from its start.")
]
FitBase = Annotated[
    str | None,
    typer.Option(help="Curves: schedule of pre-training, where steps count from its end (text or CSV file)."),
]
BurnIn = Annotated[int, typer.Option(help="Curves: first steps whose losses are not fitted.")]
Train = Annotated[str | None, typer.Option(help="Curves to fit: NAME|NAME, * for anything.")]
Test = Annotated[str | None, typer.Option(help="Curves to score the fit on instead: NAME|NAME.")]
Figure = Annotated[Path | None, typer.Option(help="Curves: draw them (.svg, .png or .pdf).")]

AskedSchedule = Annotated[
    str | None,
    typer.Option(
        "--schedule", help="Curves: the run, such as 'wsd(peak=1e-3, steps=2k, decay=20%)'; or a CSV."
    ),
]
AskedBase = Annotated[
    str | None,
    typer.Option(
        "--base-schedule", help="Curves: pre-training in front (default: that of the fitted curves)."
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(help="Curves: steps from the start of the schedule, 100,200 (default: the last)."),
]

Ask = Annotated[str, typer.Option(help=f"Curves: {ASK}.")]
Weight = Annotated[
    float | None, typer.Option(min=0, max=1, help="Curves: weight on the general loss (default: 0.5).")
]
FromStart = Annotated[
    bool, typer.Option("--from-start", help="Curves: weigh changes from the base's losses, not losses.")
]
AskedValues = Annotated[
    str | None, typer.Option("--values", help="Curves: what to compare, such as 0.1,0.2.")
]
Longest = Annotated[str | None, typer.Option(help="Curves: longest run, or pre-training, to look at.")]
Floor = Annotated[float, typer.Option(help="Curves: lowest rate of best-schedule, as a share of the peak.")]


def refuse_without(flag: str, given: Mapping[str, Any]) -> None:
    """Refuse flags that mean something only where another one is given.

    Raises
    ------
    ConfigError
        Naming the first that is there.
    """
    for name, value in given.items():
        if value not in (None, False, 0):
            raise ConfigError(f"{name} speaks of loss curves; it means nothing without {flag}.")


def refuse_beside(what: str, given: Mapping[str, Any]) -> None:
    """Refuse flags that mean nothing for what is asked.

    Raises
    ------
    ConfigError
        Naming the first that is there.
    """
    for name, value in given.items():
        if value:
            raise ConfigError(f"{name} means nothing for {what}; drop it.")


def refuse_only_curves(fits: Path) -> None:
    """Refuse a folder that holds fits of loss curves alone where other fits are asked for.

    Raises
    ------
    ConfigError
        Saying how such fits are asked.
    """
    folder = fits if fits.is_dir() else fits.parent
    if not (folder / "fit.json").exists() and (folder / "curves.json").exists():
        raise ConfigError(
            f"{folder}: holds fits of loss curves; they are asked about a schedule.",
            hint="pass --schedule 'wsd(peak=1e-3, steps=2k, warmup=50, decay=20%)'",
        )
