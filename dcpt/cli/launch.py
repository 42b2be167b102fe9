"""``dcpt launch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import mirror, show
from dcpt.cli.launch_plan import prepare_planned
from dcpt.cli.launch_talk import Talk, show_commands
from dcpt.cli.options import Device, Precision, share
from dcpt.cli.progress import Progress
from dcpt.cli.sweep_executor import Executor, ExecutorOption, cluster_of
from dcpt.core.quantity import format_quantity

LAUNCHED = "launched.csv"


def launch(
    plan: Annotated[Path, typer.Argument(help="plan.json or mixture-plan.json, or the folder of it.")],
    sweep: Annotated[Path, typer.Option(help="Sweep the plan was made from.")],
    ratio: Annotated[
        list[float] | None,
        typer.Option(parser=share, metavar="SHARE", help="Also train at this domain share, repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the data order.")] = 0,
    variant: Annotated[
        str | None, typer.Option(help="Which of the sweep's variants, where it has several.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    procs: Annotated[
        int, typer.Option(min=1, help="Processes per machine to spread each run over, by torchrun.")
    ] = 1,
    nodes: Annotated[
        int,
        typer.Option(min=1, help="Machines; above 1 one Slurm job, or without it the commands are printed."),
    ] = 1,
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="Sequences per pass and process (default: what fits).")
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute activations again going back: less memory.")
    ] = False,
    executor: Executor = "local",
    option: ExecutorOption = None,
    mirror_to: mirror.MirrorTo = None,
    compile_layers: Annotated[bool, typer.Option("--compile", help="Compile the decoder layers.")] = False,
    max_hours: Annotated[float | None, typer.Option(min=0, help="Limit in device hours.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train the target at the planned ratio, from its own base. Safe to interrupt and to run again."""
    from dcpt.cli.fit_folder import open_table
    from dcpt.core.errors import ConfigError
    from dcpt.launch.full_settings import FullSettings
    from dcpt.launch.launch import lay_out, run_launch
    from dcpt.launch.launched_file import add_launched, read_earlier
    from dcpt.launch.live import add_checks, live_sentences, read_checks
    from dcpt.launch.speed import speed_sentences
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import refuse_above_limit

    cluster = cluster_of(executor, option)
    folder = plan if plan.is_dir() else plan.parent
    try:
        fitted = open_table(folder, None)
    except ConfigError:
        fitted = None  # a plan that was moved away from its fits can still be launched
    swept = prepare(sweep, data_root, show.say)
    ready = prepare_planned(plan, swept, tuple(ratio or ()), seed, fitted, variant)
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
    read_earlier(folder / LAUNCHED)  # a damaged table is refused before anything is trained
    # Written first: a launch that is stopped says what it was.
    spec.save(folder / "launch.json")
    full = FullSettings(procs, nodes, device, precision, micro_batch, recompute, compile_layers)
    if nodes > 1 and cluster is None and len(finished) < len(ready.runs):
        folders = [place for place in lay_out(ready) if place.name not in finished]
        show_commands(full, folders, as_json if json else None)
        return
    spread = full if full.asked and (nodes == 1 or cluster is not None) else None
    with mirror.mirrored(ready.sweep, mirror_to), Progress(ready.work, {}, finished, executor) as progress:
        table = run_launch(ready, slots, device, Talk(progress), precision, spread, cluster)
    names = [run.run_id for run in spec.runs]
    path = add_launched(folder / LAUNCHED, table, ready.plan_hash, names)
    checks = read_checks(ready.sweep.root, names)
    if checks:
        add_checks(folder, checks)
    if json:
        live = {"checked": len(checks), "outside": sum(not check.inside for check in checks)}
        show.document("launch", {"dry_run": False, "losses": str(path), "launch": as_json, "live": live})
    else:
        ends = table.select(phases=("end",)).frame
        rows = ends[ends["eval_set"].isin(["general", "domain"]) & (ends["D"] > 0)]
        columns = ["run_id", "r", "r_seen", "D", "eval_set", "value", "sem"]
        show.result(show.table(rows[columns].to_dict("records")))
        for sentence in (*speed_sentences(ready.sweep.root, names), *live_sentences(checks)):
            show.say(sentence)
        show.say(f"written: {path}")
