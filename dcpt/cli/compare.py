"""``dcpt compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcpt.cli import show
from dcpt.cli.launch_plan import mixture_plan_of

if TYPE_CHECKING:
    from dcpt.core.loss_table import LossTable
    from dcpt.launch.live import LiveCheck


def compare(
    plan: Annotated[
        Path, typer.Argument(help="plan.json or mixture-plan.json, or the folder that holds it and its fit.")
    ],
    measured: Annotated[Path | None, typer.Argument(help="Loss table of the launched runs.")] = None,
    fits: Annotated[Path | None, typer.Option(help="Folder of the fits (default: the plan's).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Hold the launched run against the plan: errors, and whether they fall inside the intervals."""
    from dcpt.cli.launch import LAUNCHED
    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import load_fits
    from dcpt.launch.compare import compare as hold_against
    from dcpt.plan.plan import Plan

    mixture = mixture_plan_of(plan)
    if mixture is not None:
        _compare_mixture(mixture, measured, fits, json)
        return
    folder = plan if plan.is_dir() else plan.parent
    planned, fitted = Plan.load(plan), load_fits(fits or folder)
    table = LossTable.read(measured or folder / LAUNCHED)
    table, live = _own(table, folder, planned.fingerprint) if measured is None else (table, ())
    comparison = hold_against(planned, table, fitted, live)
    path = comparison.save(folder / "compare.json")
    if json:
        show.document("compare", {"path": str(path), "rows": comparison.table().to_dict("records")})
    else:
        show.result(comparison.summary())
        show.say(f"written: {path}")


def _own(table: LossTable, folder: Path, plan: str) -> tuple[LossTable, tuple[LiveCheck, ...]]:
    """The launched runs of a plan, and what their live check saw."""
    from dcpt.launch.launched_file import launched_for
    from dcpt.launch.live import load_checks

    own, note = launched_for(table, folder, plan)
    if note:
        show.say(f"note: {note}")
    names = set(own.frame["run_id"])
    return own, tuple(check for check in load_checks(folder) if check.run_id in names)


def _compare_mixture(plan: Path, measured: Path | None, fits: Path | None, json: bool) -> None:
    from dcpt.cli.launch import LAUNCHED
    from dcpt.cli.mixture_fit import FILE
    from dcpt.fit.mixtures import load_mixtures
    from dcpt.launch.mixture_compare import FILE_NAME, compare_mixture, read_launched
    from dcpt.launch.mixture_fitted import plan_fingerprint
    from dcpt.plan.mixtures.mixture_plan_file import read_mixture_plan

    folder = plan.parent
    fit = fits or folder
    planned, fitted = read_mixture_plan(plan), load_mixtures(fit / FILE if fit.is_dir() else fit)
    table = read_launched(measured or folder / LAUNCHED)
    table, live = _own(table, folder, plan_fingerprint(planned)) if measured is None else (table, ())
    comparison = compare_mixture(planned, table, fitted, live)
    path = comparison.save(folder / FILE_NAME)
    if json:
        rows, shares = comparison.table(), comparison.shares
        show.document(
            "mixture-compare",
            {
                "path": str(path),
                "rows": rows.to_dict("records"),
                "shares": [vars(item) for item in shares],
                "goals": [vars(item) for item in comparison.goals],
            },
        )
    else:
        show.result(comparison.summary())
        show.say(f"written: {path}")
