"""``dcpt launch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show
from dcpt.cli.options import Device
from dcpt.cli.progress import Progress
from dcpt.core.quantity import format_quantity

LAUNCHED = "launched.csv"


def launch(
    plan: Annotated[Path, typer.Argument(help="plan.json, or the folder that holds it.")],
    sweep: Annotated[Path, typer.Option(help="Sweep the plan was made from.")],
    ratio: Annotated[
        list[float] | None, typer.Option(help="Also train at this domain share, repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the data order.")] = 0,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    device: Device = "auto",
    max_hours: Annotated[float | None, typer.Option(min=0, help="Limit in device hours.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train the target at the planned ratio, from its own base. Safe to interrupt and to run again."""
    from dcpt.core.errors import BudgetError
    from dcpt.launch.launch import prepare_launch, run_launch
    from dcpt.plan.plan import Plan
    from dcpt.run import store
    from dcpt.sweep.prepare import prepare

    folder = plan if plan.is_dir() else plan.parent
    ready = prepare_launch(Plan.load(plan), prepare(sweep, data_root, show.say), tuple(ratio or ()), seed)
    spec = ready.spec
    low, likely, high = ready.hardware.hours(spec.flops)
    price = (
        f"launch: {spec.size} (N = {format_quantity(spec.N)}), {format_quantity(spec.D)} tokens at r = "
        + ", ".join(f"{run.r:g}" for run in spec.runs)
        + f"; {format_quantity(spec.flops)} FLOPs with its base, {show.hours(likely)} of one "
        f"{ready.hardware.name} ({show.hours(low)} to {show.hours(high)})"
    )
    as_json = spec.model_dump(mode="json")
    if dry_run and not json:
        show.result(price)
    else:
        show.say(price)
    limit = max_hours if max_hours is not None else ready.sweep.spec.limit.hours
    if limit is not None and high > limit and not yes:
        raise BudgetError(
            f"launch: up to {high:.3g} {ready.hardware.name} hours; the limit is {limit:g}.",
            hint="pass --yes or raise --max-hours",
        )
    if dry_run:
        if json:
            show.document("launch", {"dry_run": True, "launch": as_json})
        return
    places = {run.run_id: store.run_folder(ready.sweep.root, run.run_id) for run in ready.runs}
    done = {name for name, place in places.items() if place.exists() and store.status(place) == "finished"}
    work = {run.run_id: float(run.schedule.steps) for run in ready.runs}
    with Progress(work, {}, done) as progress:
        table = run_launch(ready, slots, device, progress)
    spec.save(folder / "launch.json")
    path = table.write(folder / LAUNCHED)
    if json:
        show.document("launch", {"dry_run": False, "losses": str(path), "launch": as_json})
    else:
        ends = table.select(phases=("end",)).frame
        rows = ends[ends["eval_set"].isin(["general", "domain"]) & (ends["D"] > 0)]
        columns = ["run_id", "r", "r_seen", "D", "eval_set", "value", "sem"]
        show.result(show.table(rows[columns].to_dict("records")))
        show.say(f"written: {path}")
