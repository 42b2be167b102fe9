"""``dcpt plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import show
from dcpt.cli.curve_options import (
    Ask,
    AskedBase,
    AskedSchedule,
    AskedValues,
    Figure,
    Floor,
    FromStart,
    Longest,
    Weight,
)

LEVEL = 0.9
"""Probability of the intervals of an answer about schedules."""


def plan(
    fits: Annotated[Path, typer.Argument(help="Folder of the fits.")],
    at: Annotated[
        str | None, typer.Option(help="Target: N=7B,D=20B; of a schedule: r=0.3 and what its law reads.")
    ] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Take target and tolerance from this sweep file.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="'general <= +2%', 'general <= +0.05' or 'general <= 2.95'.")
    ] = None,
    objective: Annotated[Path | None, typer.Option(help="YAML file with the whole objective.")] = None,
    general_now: Annotated[
        float | None, typer.Option(help="General loss of the target's base, measured.")
    ] = None,
    r_min: Annotated[float | None, typer.Option(help="Least domain share to consider.")] = None,
    r_max: Annotated[float | None, typer.Option(help="Greatest domain share to consider.")] = None,
    level: Annotated[float | None, typer.Option(help="Probability of the intervals (default: 0.9).")] = None,
    law: Annotated[
        str | None, typer.Option(help="Plan with this law (default: best on the held-out size).")
    ] = None,
    losses: Annotated[
        Path | None, typer.Option(help="Loss table with the base's losses (default: the fits').")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File (default: FITS/plan.json, of curves plan-QUESTION.json)."),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    schedule: AskedSchedule = None,
    ask: Ask = "final-loss",
    base_schedule: AskedBase = None,
    weight: Weight = None,
    from_start: FromStart = False,
    values: AskedValues = None,
    longest: Longest = None,
    floor: Floor = 0.0,
    figure: Figure = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 5 unless the data support the answer.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find the domain share with the lowest domain loss that keeps the general loss in bounds.

    With --schedule, answer one question (--ask) about the schedule of continual pre-training instead.
    """
    from dcpt.cli.curve_options import refuse_beside, refuse_only_curves, refuse_without
    from dcpt.cli.fit_folder import open_table
    from dcpt.cli.options import fresh
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.fit.fit_file import load_fits
    from dcpt.plan.make_plan import make_plan
    from dcpt.plan.objective import Objective

    if schedule is not None:
        from dcpt.cli.curve_figure import check_figure
        from dcpt.cli.curve_plan import plan_schedule

        static = {"--sweep": sweep, "--keep": keep, "--objective": objective, "--general-now": general_now}
        static |= {"--r-min": r_min, "--r-max": r_max, "--losses": losses, "--data-root": data_root}
        refuse_beside("a schedule", static)
        check_figure(figure, force)
        plan_schedule(
            fits,
            schedule,
            ask,
            base_schedule,
            at,
            weight,
            from_start,
            values,
            longest,
            floor,
            LEVEL if level is None else level,
            law,
            output,
            figure,
            force,
            strict,
            json,
        )
        return
    curves = {"--base-schedule": base_schedule, "--weight": weight, "--from-start": from_start}
    curves |= {"--values": values, "--longest": longest, "--floor": floor, "--figure": figure}
    refuse_without("--schedule", {**curves, "--ask": ask if ask != "final-loss" else None})
    refuse_only_curves(fits)
    path = output or (fits if fits.is_dir() else fits.parent) / "plan.json"
    if path.suffix != ".json":
        raise ConfigError(f"-o: got {str(path)!r}; wanted a file that ends in .json.")
    fresh(path, force)
    question = _objective(at, sweep, keep, objective, data_root)
    flags = {"general_now": general_now, "r_min": r_min, "r_max": r_max, "level": level}
    asked = Objective.of({**question, **{name: value for name, value in flags.items() if value is not None}})
    fitted = load_fits(fits)
    try:
        table = open_table(fits if fits.is_dir() else fits.parent, losses)
    except ConfigError:
        if losses is not None or (asked.keep.needs_base and asked.general_now is None):
            raise
        table = None
    answer = make_plan(fitted, asked, table, law)
    answer.save(path)
    if json:
        show.document("plan", {"path": str(path), **answer.to_dict()})
    else:
        show.result(answer.summary())
        show.say(f"written: {path}")
    if strict and answer.verdict != "supported":
        raise typer.Exit(EXIT_DOUBTFUL)


def _objective(
    at: str | None, sweep: Path | None, keep: str | None, objective: Path | None, data_root: Path | None
) -> dict[str, Any]:
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_assignments

    question: dict[str, Any] = {}
    if objective is not None and sweep is not None:
        raise ConfigError("--objective and --sweep both state a target; wanted one of them.")
    if objective is not None:
        from dcpt.plan.objective import Objective

        question = Objective.read(objective).model_dump(mode="json", exclude_none=True)
    if sweep is not None:
        from dcpt.sweep.prepare import prepare

        made = prepare(sweep, data_root, show.say)
        if made.spec.target is None:
            raise ConfigError(f"{sweep}: the sweep file has no target.", hint="say it with --at N=7B,D=20B")
        target = made.spec.target
        question = {"N": made.design.rungs[target.size.name].N, "D": target.tokens, "keep": target.keep}
    if at is not None:
        found = parse_assignments(at, "--at")
        odd = sorted(set(found) - {"N", "D"})
        if odd:
            raise ConfigError(f"--at: {odd[0]!r} is unknown; wanted N and D, as in N=7B,D=20B.")
        question.update(found)
    if keep is not None:
        question["keep"] = keep
    flags = {"N": "--at N=7B,D=20B", "D": "--at N=7B,D=20B", "keep": "--keep 'general <= +2%'"}
    for name, flag in flags.items():
        if name not in question:
            raise ConfigError(f"plan: {name} is not given.", hint=f"pass {flag}, or --sweep, or --objective")
    return question
