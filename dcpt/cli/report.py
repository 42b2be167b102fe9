"""``dcpt report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import show


def report(
    fits: Annotated[Path, typer.Argument(help="Folder of the fits; plan and comparison are taken if there.")],
    sweep: Annotated[Path | None, typer.Option(help="Sweep, for what is known of its corpora.")] = None,
    losses: Annotated[Path | None, typer.Option(help="Loss table (default: the fits').")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write report.html, one self-contained page, and its figures."""
    path = write_report(fits, sweep, losses, data_root)
    if json:
        show.document("report", {"path": str(path)})
    else:
        show.result(str(path))


def write_report(
    fits: Path, sweep: Path | None = None, losses: Path | None = None, data_root: Path | None = None
) -> Path:
    """Gather what lies in a fits folder and write its page."""
    from dcpt.cli.fit_folder import open_table
    from dcpt.fit.fit_file import load_fits
    from dcpt.launch.compare import Comparison
    from dcpt.plan.plan import Plan
    from dcpt.report.html import make_report

    extra: dict[str, Any] = {}
    if sweep is not None:
        from dcpt.core.run_spec import to_dict
        from dcpt.sweep.prepare import prepare

        made = prepare(sweep, data_root, show.say)
        extra["corpora"] = {name: to_dict(corpus) for name, corpus in made.design.corpora.items()}
        extra["sweep"] = made.spec.name
    return make_report(
        fits,
        open_table(fits, losses),
        load_fits(fits),
        Plan.load(fits) if (fits / "plan.json").exists() else None,
        Comparison.load(fits / "compare.json") if (fits / "compare.json").exists() else None,
        extra,
    )
