"""``dcpt launch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show
from dcpt.cli.options import Device, Precision
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
    precision: Precision = "fp32",
    max_hours: Annotated[float | None, typer.Option(min=0, help="Limit in device hours.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train the target at the planned ratio, from its own base. Safe to interrupt and to run again."""
    from dcpt.cli.fit_folder import open_table
    from dcpt.core.errors import ConfigError
    from dcpt.launch.launch import prepare_launch, run_launch
    from dcpt.plan.plan import Plan
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import refuse_above_limit

    folder = plan if plan.is_dir() else plan.parent
    try:
        fitted = open_table(folder, None)
    except ConfigError:
        fitted = None  # a plan that was moved away from its fits can still be launched
    ready = prepare_launch(
        Plan.load(plan), prepare(sweep, data_root, show.say), tuple(ratio or ()), seed, fitted
    )
    spec = ready.spec
    to_do, finished = ready.flops_to_do, ready.finished
    low, likely, high = ready.hardware.hours(to_do)
    counted = "with its base" if ready.runs[0].run_id not in finished else "(its base is finished)"
    price = (
        f"launch: {spec.size} (N = {format_quantity(spec.N)}), {format_quantity(spec.D)} tokens at r = "
        + ", ".join(f"{run.r:g}" for run in spec.runs)
        + f"; {format_quantity(to_do)} FLOPs to do {counted}, {show.hours(likely)} of one "
        f"{ready.hardware.name} ({show.hours(low)} to {show.hours(high)})"
    )
    as_json = {**spec.model_dump(mode="json"), "flops_to_do": to_do, "device_hours": [low, likely, high]}
    if dry_run and not json:
        show.result(price)
    else:
        show.say(price)
    refuse_above_limit("launch", ready.sweep.spec, to_do, max_hours, yes)
    if dry_run:
        if json:
            show.document("launch", {"dry_run": True, "launch": as_json})
        return
    # Written first: a launch that is stopped says what it was.
    spec.save(folder / "launch.json")
    with Progress(ready.work, {}, finished) as progress:
        table = run_launch(ready, slots, device, progress, precision)
    path = table.write(folder / LAUNCHED)
    if json:
        show.document("launch", {"dry_run": False, "losses": str(path), "launch": as_json})
    else:
        ends = table.select(phases=("end",)).frame
        rows = ends[ends["eval_set"].isin(["general", "domain"]) & (ends["D"] > 0)]
        columns = ["run_id", "r", "r_seen", "D", "eval_set", "value", "sem"]
        show.result(show.table(rows[columns].to_dict("records")))
        show.say(f"written: {path}")
