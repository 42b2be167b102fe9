"""``dcpt compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show


def compare(
    plan: Annotated[Path, typer.Argument(help="plan.json, or the folder that holds it and fit.json.")],
    measured: Annotated[Path | None, typer.Argument(help="Loss table of the launched runs.")] = None,
    fits: Annotated[Path | None, typer.Option(help="Folder of the fits (default: the plan's).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Hold the launched run against the plan: errors, and whether they fall inside the intervals."""
    from dcpt.cli.launch import LAUNCHED
    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import load_fits
    from dcpt.launch.compare import compare as hold_against
    from dcpt.launch.live import load_checks
    from dcpt.plan.plan import Plan

    folder = plan if plan.is_dir() else plan.parent
    planned, fitted = Plan.load(plan), load_fits(fits or folder)
    table = LossTable.read(measured or folder / LAUNCHED)
    comparison = hold_against(planned, table, fitted, load_checks(folder) if measured is None else ())
    path = comparison.save(folder / "compare.json")
    if json:
        show.document("compare", {"path": str(path), "rows": comparison.table().to_dict("records")})
    else:
        show.result(comparison.summary())
        show.say(f"written: {path}")
