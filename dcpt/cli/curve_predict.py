"""``dcpt predict --schedule``: losses along a schedule from fitted laws of loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from dcpt.cli import show


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
    from dcpt.cli.curve_question import asked_of, open_curves, steps_of
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.fit.loss_curves.average import CurveAverage
    from dcpt.fit.loss_curves.outside import outside
    from dcpt.laws.curves.registry import get_curve_law

    fits = open_curves(path)
    kind = None if law is None else get_curve_law(law)
    named = None if kind is None else kind.name
    sets = [fits.of(name) for name in dict.fromkeys(eval_sets or fits.eval_sets)]
    if kind is not None and not eval_sets:
        sets = [item for item in sets if item.side in kind.sides] or sets
    chosen = []
    for item in sets:
        predictor = item.predictor(named)
        members = predictor.fits if isinstance(predictor, CurveAverage) else (predictor,)
        chosen.append((item, predictor, members))
    used = [fit for _, _, members in chosen for fit in members]
    asked = asked_of(fits, used, schedule, base_schedule, list(at))
    history, wanted = asked.history, steps_of(steps, asked)
    rows: list[dict[str, Any]] = []
    drawn = []
    for item, predictor, members in chosen:
        given = asked.constants[item.eval_set]
        frame = predictor.predict(history, wanted, given, level)
        drawn.append((predictor, item.eval_set, given))
        beyond = outside(members[0].ranges, given, history)
        for row in frame.to_dict("records"):
            step = int(row.pop("step")) - history.switch
            place = {"law": predictor.name, "eval_set": item.eval_set, "side": item.side, "step": step}
            row["extrapolates"] = bool(row["extrapolates"] or beyond)
            rows.append({**place, **row, "doubts": [*beyond, *frame.attrs["warnings"]]})
    if figure is not None:
        from dcpt.cli.curve_figure import draw_prediction

        draw_prediction(drawn, history, level, figure)
    extrapolates = any(row["extrapolates"] for row in rows)
    if json:
        run = {
            "schedule": asked.cpt.text,
            "base_schedule": None if asked.pre is None else asked.pre.text,
            "at": asked.at,
        }
        rest = {"notes": list(asked.notes), "figure": figure}
        show.document("predict-curve", {"level": level, **run, "predictions": rows, **rest})
    else:
        hidden = ("doubts", "side")
        show.result(show.table([{k: v for k, v in row.items() if k not in hidden} for row in rows]))
        for note in (*asked.notes, *dict.fromkeys(doubt for row in rows for doubt in row["doubts"])):
            show.say(f"note: {note}")
    if strict and (extrapolates or any(row["doubts"] for row in rows)):
        raise typer.Exit(EXIT_DOUBTFUL)
