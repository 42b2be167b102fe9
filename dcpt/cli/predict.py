"""``dcpt predict``: what a fitted law says of models that were not measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcpt.cli import show
from dcpt.cli.curve_options import AskedBase, AskedSchedule, Figure, Steps

if TYPE_CHECKING:
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit


def predict(
    fits: Annotated[Path, typer.Argument(help="Fits: a folder, or the fit.json in it.")],
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Point, repeatable: N=7B,D=20B,r=0.3 and what else the law takes, such as L0=3.1. Of a fit "
            "of many corpora their shares: code=50%,wiki=0.5."
        ),
    ] = None,
    law: Annotated[
        str | None, typer.Option(help="Law (default: the one that errs least on the largest size held out).")
    ] = None,
    eval_set: Annotated[
        list[str] | None, typer.Option(help="Evaluation set, repeatable (default: all).")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability inside the intervals.")] = 0.9,
    schedule: AskedSchedule = None,
    base_schedule: AskedBase = None,
    steps: Steps = None,
    figure: Figure = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a figure that is there.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when a point extrapolates.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Predict losses, with intervals for the mean and for a measurement, and say where that extrapolates.

    With --schedule, predict along a run from fits of loss curves. Of a fit of many corpora (mixture.json),
    predict the losses of a mixture.
    """
    from dcpt.cli.curve_options import refuse_beside, refuse_only_curves, refuse_without
    from dcpt.cli.mixture_plan import mixture_fit_of
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.fit.chosen_law import why_chosen
    from dcpt.fit.fit_file import load_fits

    mixture = mixture_fit_of(fits)
    if mixture is not None:
        from dcpt.cli.mixture_predict import predict_mixtures

        other = {"--law": law, "--schedule": schedule, "--base-schedule": base_schedule, "--steps": steps}
        refuse_beside("a mixture of many corpora", other | {"--figure": figure})
        predict_mixtures(mixture, at or (), eval_set or (), level, strict, json)
        return
    if schedule is not None:
        from dcpt.cli.curve_figure import check_figure
        from dcpt.cli.curve_predict import predict_curves

        check_figure(figure, force)
        run = (schedule, base_schedule, at or (), steps)
        predict_curves(fits, *run, law, eval_set or (), level, figure, strict, json)
        return
    refuse_without("--schedule", {"--base-schedule": base_schedule, "--steps": steps, "--figure": figure})
    refuse_only_curves(fits)
    if not at:
        raise ConfigError("predict: no point is given.", hint="say where: --at N=7B,D=20B,r=0.3")
    points = [_point(text) for text in at]
    fitted, furthest = load_fits(fits), max(point["D"] for point in points)
    chosen = _chosen(fitted, law, eval_set, furthest)
    _check_given(chosen, at, points)
    rows: list[dict[str, Any]] = []
    how: dict[str, str] = {}
    for fit in chosen:
        for text, point in zip(at, points, strict=True):
            row, how[f"{fit.law.name} on {fit.eval_set}"] = _predict(fit, text, point, level)
            rows.append(row)
    asked = law is not None
    chosen_by = {fit.eval_set: "" if asked else why_chosen(fitted, fit.eval_set, furthest) for fit in chosen}
    if json:
        show.document("predict", {"level": level, "predictions": rows, "how": how, "chosen": chosen_by})
    else:
        show.result(show.table(_columns_in_use(rows)))
        for name, words in how.items():
            show.result(f"\n{name}: {words}")
        if any(row["extrapolates"] for row in rows):
            show.say("note: a point lies outside the fitted range where extrapolates is True")
        for why in filter(None, chosen_by.values()):
            show.say(f"note: {why}")
        for doubt in dict.fromkeys(doubt for row in rows for doubt in row["doubts"]):
            show.say(f"note: {doubt}")
    if strict and any(row["extrapolates"] for row in rows):
        raise typer.Exit(EXIT_DOUBTFUL)


def _point(text: str) -> dict[str, float]:
    """A point as numbers by name."""
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_assignments, parse_named

    point = {
        name: parse_named(name, value, f"--at {name}")
        for name, value in parse_assignments(text, "--at").items()
    }
    for name in ("N", "D"):
        if name not in point:
            raise ConfigError(f"--at {text}: {name} is not given.", hint="say where: --at N=7B,D=20B,r=0.3")
    return point


def _chosen(fits: FitSet, law: str | None, eval_sets: list[str] | None, D: float) -> list[LawFit]:
    """One fit of every evaluation set that was asked for."""
    names = list(dict.fromkeys(eval_sets or fits.eval_sets))
    if law is not None:
        from dcpt.laws.registry import get_law

        law = get_law(law).name
        if eval_sets is None:  # a law of one side only is on no set of the other
            names = [
                name for name in names if any((fit.law.name, fit.eval_set) == (law, name) for fit in fits)
            ]
            names = names or [fits.eval_sets[0]]
    return [fits.get(law, name) if law is not None else fits.best(name, None, D) for name in names]


_OWN = ("N", "D", "r")


def _check_given(chosen: list[LawFit], texts: list[str], points: list[dict[str, float]]) -> None:
    """Refuse an input that no law that was chosen has; one law may have what the other has not."""
    from dcpt.core.errors import ConfigError

    has = dict.fromkeys((*_OWN, *(name for fit in chosen for name in fit.law.inputs if name != "s")))
    for text, point in zip(texts, points, strict=True):
        unknown = [name for name in point if name not in has]
        if unknown:
            laws = " or ".join(dict.fromkeys(fit.law.name for fit in chosen))
            raise ConfigError(
                f"--at {text}: {unknown[0]!r} is not an input of law {laws}; it has {', '.join(has)}."
            )


def _predict(fit: LawFit, text: str, point: dict[str, float], level: float) -> tuple[dict[str, Any], str]:
    from dcpt.core.errors import ConfigError

    given = {name: value for name, value in point.items() if name in fit.law.inputs and name not in _OWN}
    if "r" not in point and {"r", "s"} & set(fit.law.inputs):
        raise ConfigError(f"--at {text}: law {fit.law.name} needs the domain share r.", hint="add it: r=0.3")
    share = point.get("r", float("nan"))
    frame = fit.predict(point["N"], point["D"], share, level, given or None)
    found = frame.to_dict("records")[0]
    row = {
        "law": fit.law.name,
        "eval_set": fit.eval_set,
        "unit": fit.unit,
        "N": point["N"],
        "D": point["D"],
        "r": point.get("r"),
        **given,
        **{name: found[name] for name in ("mean", "mean_lo", "mean_hi", "obs_lo", "obs_hi")},
        "extrapolates": bool(found["extrapolates"]),
        "doubts": list(frame.attrs["doubts"]),
    }
    return row, str(frame.attrs["how"])


def _columns_in_use(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows for people: without the unit, without columns that no row fills, sizes spelled out."""
    from dcpt.core.quantity import format_quantity

    hidden = ("unit", "doubts")
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in hidden]
    names = [name for name in names if any(row.get(name) is not None for row in rows)]
    return [
        {name: format_quantity(row[name]) if name in ("N", "D") else row.get(name) for name in names}
        for row in rows
    ]
