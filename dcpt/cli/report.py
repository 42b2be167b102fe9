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
    from dcpt.cli.mixture_plan import mixture_fit_of
    from dcpt.fit.fit_file import load_fits
    from dcpt.report.html import make_report

    mixture = mixture_fit_of(fits)
    if mixture is not None:
        from dcpt.cli.curve_options import refuse_beside

        given = {"--sweep": sweep, "--losses": losses, "--data-root": data_root}
        refuse_beside("a fit of many corpora", given)
        return _mixture_report(mixture)
    folder = fits if fits.is_dir() or not fits.exists() else fits.parent
    fitted = load_fits(fits)
    table = open_table(folder, losses)
    plan = _plan_of(folder, fitted)
    comparison = _comparison_with(folder, plan)
    extra: dict[str, Any] = {}
    if sweep is not None:
        from dcpt.sweep.prepare import prepare

        made = prepare(sweep, data_root, show.say)
        extra["leakage"] = [
            {
                "corpus": name,
                "side": corpus.role,
                "documents": corpus.train.documents,
                "tokens": corpus.train.tokens,
                "held-out tokens": corpus.heldout.tokens,
                "duplicates removed": corpus.leakage.duplicates_removed,
                f"held-out {corpus.leakage.words}-grams in train": "-"
                if corpus.leakage.overlap is None
                else f"{100 * corpus.leakage.overlap:.2f} %",
            }
            for name, corpus in made.design.corpora.items()
        ]
        extra["sweep"] = made.spec.name
    return make_report(folder, table, fitted, plan, comparison, extra)


def _mixture_report(file: Path) -> Path:
    """The page of a fit of many corpora, with the plan beside it if that was made from it."""
    from dcpt.fit.mixtures import load_mixtures
    from dcpt.plan.mixtures.mixture_plan import FILE
    from dcpt.plan.mixtures.mixture_plan_file import read_mixture_plan
    from dcpt.report.mixture import make_mixture_report

    fit = load_mixtures(file)
    path = file.parent / FILE
    plan = read_mixture_plan(path) if path.exists() else None
    if plan is not None and plan.fingerprint != fit.fingerprint:
        show.say(f"note: {path} was made from another fit and is left out; make it again: dcpt plan --force")
        plan = None
    return make_mixture_report(file.parent, fit, plan)


def _plan_of(folder: Path, fitted: Any) -> Any:
    """The plan in the folder, unless there is none or it was made from other fits."""
    from dcpt.core.errors import ConfigError
    from dcpt.plan.evidence import fit_used
    from dcpt.plan.plan import Plan

    path = folder / "plan.json"
    if not path.exists():
        return None
    plan = Plan.load(path)
    try:
        for side, used in plan.laws.items():
            fit_used(fitted, side, used)
    except ConfigError:
        show.say(f"note: {path} was made from other fits and is left out; make it again: dcpt plan --force")
        return None
    return plan


def _comparison_with(folder: Path, plan: Any) -> Any:
    """The comparison in the folder, unless there is none or it is one with another plan."""
    from dcpt.launch.compare import Comparison

    path = folder / "compare.json"
    if plan is None or not path.exists():
        return None
    comparison = Comparison.load(path)
    if comparison.plan_fingerprint != plan.fingerprint:
        show.say(f"note: {path} was made with another plan and is left out; make it again: dcpt compare")
        return None
    return comparison
