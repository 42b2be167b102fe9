"""``dcpt predict --schedule``: losses along a schedule from fitted laws of loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.out_of_domain_fit import OutOfDomainFit


def predict_curves(
    path: Path,
    schedule: str,
    base_schedule: str | None,
    at: Sequence[str],
    steps: str | None,
    law: str | None,
    eval_sets: Sequence[str],
    level: float,
    figure: Path | None,
    strict: bool,
    json: bool,
) -> None:
    """Print what fits predict along a schedule, with both intervals.

    Parameters
    ----------
    path : Path
        Fits of curves: their folder or file.
    schedule, base_schedule : str
        The run.
    at : sequence of str
        Constants of the run.
    steps : str, optional
        Steps from the start of the schedule; its last one by default.
    law : str, optional
        A law; what predicts best by default.
    eval_sets : sequence of str
        Evaluation sets or sides; all by default.
    level : float
        Probability of the intervals.
    figure : Path, optional
        Picture to draw.
    strict, json : bool
        As everywhere.
    """
    from dcpt.cli.curve_out_of_domain import OUT_OF_DOMAIN, sides_behind, third_rows
    from dcpt.cli.curve_question import asked_of, open_curves, steps_of
    from dcpt.core.errors import EXIT_DOUBTFUL, FitError
    from dcpt.fit.loss_curves.average import CurveAverage
    from dcpt.fit.loss_curves.outside import outside
    from dcpt.laws.curves.registry import get_curve_law

    fits = open_curves(path)
    kind = None if law in (None, OUT_OF_DOMAIN) else get_curve_law(law)
    named = None if kind is None else kind.name
    thirds, own, left = _third_sets(path, fits.eval_sets, eval_sets, law)
    sets = [fits.of(name) for name in own]
    if kind is not None and not eval_sets:
        sets = [item for item in sets if item.side in kind.sides] or sets
    chosen = []
    for item in sets:
        predictor = item.predictor(named)
        members = predictor.fits if isinstance(predictor, CurveAverage) else (predictor,)
        chosen.append((item, predictor, members))
    behind = []
    for third in thirds:
        try:
            behind.append((third, *sides_behind(fits, third)))
        except ConfigError as error:
            if law == OUT_OF_DOMAIN or third.eval_set in eval_sets:
                raise
            left.append(f"{error.message.rstrip('.')}; {third.eval_set} is left out.")
    combined = [item for _, found, _ in behind for item in found.values()]
    used = [fit for _, _, members in chosen for fit in members]
    used += [fit for item in combined for fit in item.fits if fit.law.name in item.best and fit not in used]
    asked = asked_of(fits, used, schedule, base_schedule, list(at))
    history, wanted = asked.history, steps_of(steps, asked)
    rows: list[dict[str, Any]] = []
    drawn = []
    for item, predictor, members in chosen:
        given = asked.constants[item.eval_set]
        frame = predictor.predict(history, wanted, given, level)
        if frame["mean"].min() <= 0:
            raise FitError(
                f"law {predictor.name} has no positive loss of {item.eval_set!r} there (got "
                f"{frame['mean'].min():.4g}).",
                hint="; ".join(outside(members[0].ranges, given, history)) or "ask nearer to the fitted runs",
            )
        drawn.append((predictor, item.eval_set, given))
        beyond = outside(members[0].ranges, given, history)
        for row in frame.to_dict("records"):
            step = int(row.pop("step")) - history.switch
            place = {"law": predictor.name, "eval_set": item.eval_set, "side": item.side, "step": step}
            row["extrapolates"] = bool(row["extrapolates"] or beyond)
            rows.append({**place, **row, "doubts": [*beyond, *frame.attrs["warnings"]]})
    for third, found, notes in behind:
        predictors = {side: (item.eval_set, item.predictor()) for side, item in found.items()}
        rows += third_rows(third, predictors, notes, history, wanted, asked.constants, level)
    if figure is not None:
        if not drawn:
            raise ConfigError("--figure draws the two losses; name one of them by --eval-set too.")
        from dcpt.cli.curve_figure import draw_prediction

        draw_prediction(drawn, history, level, figure)
    extrapolates = any(row["extrapolates"] for row in rows)
    if json:
        run = {
            "schedule": asked.cpt.text,
            "base_schedule": None if asked.pre is None else asked.pre.text,
            "at": asked.at,
        }
        rest = {"notes": [*asked.notes, *left], "figure": figure}
        show.document("predict-curve", {"level": level, **run, "predictions": rows, **rest})
    else:
        hidden = ("doubts", "side")
        show.result(show.table([{k: v for k, v in row.items() if k not in hidden} for row in rows]))
        for note in (*asked.notes, *left, *dict.fromkeys(doubt for row in rows for doubt in row["doubts"])):
            show.say(f"note: {note}")
    if strict and (extrapolates or any(row["doubts"] for row in rows)):
        raise typer.Exit(EXIT_DOUBTFUL)


def _third_sets(
    path: Path, fitted: Sequence[str], eval_sets: Sequence[str], law: str | None
) -> tuple[list[OutOfDomainFit], list[str], list[str]]:
    """Third sets to predict, sets with fits of their own, and notes on third sets that are left out."""
    from dcpt.cli.curve_out_of_domain import OUT_OF_DOMAIN
    from dcpt.fit.loss_curves.out_of_domain_file import load_out_of_domain

    kept = {item.eval_set: item for item in load_out_of_domain(path.parent if path.is_file() else path)}
    if law == OUT_OF_DOMAIN and not kept:
        raise ConfigError(
            f"{path}: holds no combination for a third set.",
            hint=f"make one: dcpt fit curves.csv --law {OUT_OF_DOMAIN} --eval-set SET -o {path}",
        )
    if eval_sets:
        names = list(dict.fromkeys(eval_sets))
        odd = [name for name in names if law == OUT_OF_DOMAIN and name not in kept]
        if odd:
            raise ConfigError(
                f"{path}: holds no combination for {odd[0]!r}; there are those for {', '.join(kept)}."
            )
        third = [name for name in names if name in kept and (law == OUT_OF_DOMAIN or name not in fitted)]
        return [kept[name] for name in third], [name for name in names if name not in third], []
    if law not in (None, OUT_OF_DOMAIN):
        return [], list(fitted), []
    dropped = [doubt for item in kept.values() if not item.law.promises for doubt in item.doubts[:1]]
    thirds = [item for item in kept.values() if item.law.promises]
    return thirds, [] if law == OUT_OF_DOMAIN else list(fitted), dropped
