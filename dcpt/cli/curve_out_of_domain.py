"""``dcpt fit --law out-of-domain``: losses on third data sets as a combination of the two sides' losses.

What is kept stands beside fits of the two losses, in the same folder; ``dcpt predict FOLDER --schedule`` then
gives the losses of the third sets along any run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import RateHistory
    from dcpt.fit.loss_curves.average import CurveAverage
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.fit.loss_curves.fit_sets import SetFits
    from dcpt.fit.loss_curves.out_of_domain_fit import OutOfDomainFit
    from dcpt.ingest.reading import Reading

OUT_OF_DOMAIN = "out-of-domain"
"""Name of --law for it."""

FORMULA = "intercept + a*L_general + b*L_domain"
REFERENCE = "Wang et al. 2025, arXiv:2505.07796, Eq. 6; the intercept is ours"


def fit_third_sets(
    path: Path,
    reading: Reading,
    eval_sets: Sequence[str],
    fix: Mapping[str, str],
    metric: str,
    output: Path | None,
    force: bool,
    strict: bool,
    json: bool,
) -> None:
    """Fit, print and keep the combination of every third set.

    Parameters
    ----------
    path : Path
        Table of losses along runs, or a folder of them.
    reading : Reading
        How to read it.
    eval_sets : sequence of str
        The third sets; by default all that are of neither side.
    fix : mapping
        ``intercept`` to 0, for the published form.
    metric : str
        Which rows to keep where there is a column of metrics.
    output : Path, optional
        Folder to write into.
    force, strict, json : bool
        As everywhere.
    """
    from dcpt.cli.curve_reading import provenance_of_curves
    from dcpt.cli.options import fresh_in
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.fit.loss_curves.curve_rows import read_curve_rows
    from dcpt.fit.loss_curves.out_of_domain_file import FILE_NAME, save_out_of_domain
    from dcpt.fit.loss_curves.out_of_domain_fit import fit_third_set, third_sets

    file = None if output is None else fresh_in(output, FILE_NAME, force)
    intercept = _intercept(fix)
    rows = read_curve_rows(path, reading, metric)
    names = tuple(dict.fromkeys(eval_sets)) or third_sets(rows)
    if not names:
        raise ConfigError(
            f"--law {OUT_OF_DOMAIN}: every set of {path} is of the general or the domain side.",
            hint="name a set to describe by the two: --eval-set SET",
        )
    fits = [fit_third_set(rows, name, intercept) for name in names]
    for note in rows.notes:
        show.say(f"note: {note}")
    doubts = [doubt for fit in fits for doubt in fit.doubts]
    if file is not None:
        save_out_of_domain(file, fits, provenance_of_curves(path, rows, reading, {}))
    if json:
        facts = [{**fit.to_json(), "promises": fit.law.promises, "doubts": list(fit.doubts)} for fit in fits]
        head = {"law": OUT_OF_DOMAIN, "formula": FORMULA, "reference": REFERENCE}
        show.document("out-of-domain-fit", {**head, "fits": facts, "path": output, "notes": list(rows.notes)})
    else:
        show.result(f"{OUT_OF_DOMAIN}: L = {FORMULA}\n{REFERENCE}\n")
        show.result(show.table([_row(fit) for fit in fits]))
        for doubt in doubts:
            show.say(f"note: {doubt}")
        show.say("nothing is written; -o FOLDER keeps it" if output is None else f"written: {output}")
    if strict and doubts:
        raise typer.Exit(EXIT_DOUBTFUL)


def _intercept(fix: Mapping[str, str]) -> bool:
    from dcpt.core.quantity import parse_quantity

    odd = [name for name in fix if name != "intercept"]
    if odd or ("intercept" in fix and parse_quantity(fix["intercept"], "--fix intercept") != 0):
        got = ", ".join(f"{name}={value}" for name, value in fix.items())
        raise ConfigError(f"--fix {got}: {OUT_OF_DOMAIN} takes --fix intercept=0, the published form, alone.")
    return "intercept" not in fix


def _row(fit: OutOfDomainFit) -> dict[str, Any]:
    law = fit.law
    return {
        "eval_set": fit.eval_set,
        fit.general_set: law.general,
        fit.domain_set: law.domain,
        "intercept": law.intercept,
        "r2": law.r2,
        "mae": law.mae,
        "rmse": fit.rmse,
        f"rmse without{f' ({fit.left_out})' if fit.left_out else ''}": fit.held_out,
        "worst": law.worst,
        "losses": law.points,
    }


def sides_behind(fits: CurveFits, third: OutOfDomainFit) -> tuple[dict[str, SetFits], tuple[str, ...]]:
    """Fits of the two losses that are combined, by side, and notes on those of another set.

    Raises
    ------
    ConfigError
        When a side has none.
    """
    from dcpt.core.symbols import DOMAIN, GENERAL

    found, notes = {}, []
    for side, name in ((GENERAL, third.general_set), (DOMAIN, third.domain_set)):
        try:
            found[side] = fits.of(name if name in fits.eval_sets else side)
        except ConfigError as error:
            raise ConfigError(
                f"{third.eval_set}: its loss follows from both sides'; {error.message}", hint=error.hint
            ) from None
        own = found[side].eval_set
        if own != name:
            notes.append(f"{third.eval_set}: combined from {name}, and predicted from the fit of {own}.")
    return found, tuple(notes)


def third_rows(
    third: OutOfDomainFit,
    predictors: Mapping[str, tuple[str, CurveFit | CurveAverage]],
    notes: Sequence[str],
    history: RateHistory,
    steps: Any,
    constants: Mapping[str, Mapping[str, float]],
    level: float,
) -> list[dict[str, Any]]:
    """Predictions on a third set as rows like those of the other sets.

    Parameters
    ----------
    third : OutOfDomainFit
        The combination.
    predictors : mapping
        Side to its evaluation set and what predicts it.
    notes : sequence of str
        What is to be said of every row.
    history, steps, constants, level
        As in `CurveFit.predict`; the constants by evaluation set.
    """
    from dcpt.core.symbols import DOMAIN, GENERAL

    frames = {
        side: predictor.predict(history, steps, constants[name], level)
        for side, (name, predictor) in predictors.items()
    }
    frame = third.predict(frames[GENERAL], frames[DOMAIN], level)
    rows = []
    for row in frame.to_dict("records"):
        step = int(row.pop("step")) - history.switch
        place = {"law": OUT_OF_DOMAIN, "eval_set": third.eval_set, "side": "third", "step": step}
        row["extrapolates"] = bool(row["extrapolates"])
        rows.append({**place, **row, "doubts": [*notes, *frame.attrs["warnings"]]})
    return rows
