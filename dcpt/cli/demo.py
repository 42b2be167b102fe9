"""``dcpt demo``: the whole way on the embedded corpora, a line a stage."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import show
from dcpt.cli.corpus_line import held_out
from dcpt.cli.options import Device
from dcpt.cli.progress import Progress
from dcpt.core.quantity import format_quantity


def demo(
    root: Annotated[Path, typer.Option(help="Folder that experiments/ and fits/ are made in.")] = Path("."),
    slots: Annotated[int | None, typer.Option(min=1, help="Runs at a time (default: one per core).")] = None,
    device: Device = "auto",
    yes: Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build the corpora, show the cost and stop.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Sweep, fit, plan, launch, compare and report on text that ships with Python. Safe to run again."""
    from dcpt.cli.fit_folder import note_table
    from dcpt.cli.launch import LAUNCHED
    from dcpt.cli.report import write_report
    from dcpt.core.errors import PlanError
    from dcpt.fit.fit import fit_table
    from dcpt.launch.compare import compare
    from dcpt.launch.launch import prepare_launch, run_launch
    from dcpt.plan.make_plan import make_plan
    from dcpt.plan.objective import Objective
    from dcpt.sweep.price import refuse_above_limit

    began = time.monotonic()
    stage = _Stages(quiet=json)
    folder, fits_folder = root / "experiments" / "demo", root / "fits" / "demo"
    sweep = _prepare(folder / "sweep.yaml", stage, slots, yes)
    facts: dict[str, Any] = {
        "sweep": str(folder / "sweep.yaml"),
        "runs": len(sweep.design.runs),
        "dry_run": dry_run,
    }
    if dry_run:
        if json:
            show.document("demo", facts)
        return
    result = _train(sweep, slots, device)
    spec = sweep.spec
    stage(
        "sweep",
        f"{len(sweep.design.runs)} runs, {len(result.table.select('domain'))} end points over "
        f"{len(spec.model.sizes)} sizes x {len(spec.cpt.ratios)} ratios x {len(spec.cpt.budgets)} budgets "
        f"-> {result.path}",
    )
    fits = fit_table(result.table)
    # What lies here was made from other fits.
    for stale in ("plan.json", "launch.json", LAUNCHED, "compare.json"):
        (fits_folder / stale).unlink(missing_ok=True)
    fits.save(fits_folder)
    note_table(fits_folder, result.path, result.table)
    for item in fits:
        heldout = next((score for score in item.holdouts if score.model == item.law.name), None)
        beyond = f", {100 * heldout.mape:.1f} % on the largest size held out" if heldout else ""
        error = f"error {100 * item.mape:.2f} % in sample{beyond}"
        stage("fit", f"{item.law.name} on {item.eval_set}: {item.status}, {error}")
    target = spec.target
    objective = Objective.of(
        {"N": sweep.design.rungs[target.size.name].N, "D": target.tokens, "keep": target.keep}, "demo"
    )
    try:
        answer = make_plan(fits, objective, result.table)
    except PlanError as error:
        stage("plan", f"none: {error.message}")
        stage("report", str(write_report(fits_folder, folder / "sweep.yaml")))
        raise
    answer.save(fits_folder / "plan.json")
    interval = "" if answer.r_lo is None else f" ({answer.r_lo:.3f} to {answer.r_hi:.3f})"
    stage(
        "plan",
        f"for {target.size.name}, {objective.keep_text}: r* = {answer.r:.3f}{interval}, "
        f"replay {answer.replay:.3f}; {answer.verdict}",
    )
    launch = prepare_launch(answer, sweep)
    show.say(f"  launching {launch.spec.size}: {format_quantity(launch.flops_to_do)} FLOPs to do")
    refuse_above_limit("launch", spec, launch.flops_to_do, None, yes)
    launch.spec.save(fits_folder / "launch.json")
    with Progress(launch.work, {}, launch.finished) as progress:
        launched = run_launch(launch, slots, device, progress)
    launched.write(fits_folder / LAUNCHED)
    tokens, ratio = format_quantity(launch.spec.D), launch.spec.runs[0].r
    stage("launch", f"{launch.spec.size} trained on {tokens} tokens at r = {ratio:g}")
    comparison = compare(answer, launched, fits)
    comparison.save(fits_folder / "compare.json")
    for row in comparison.rows:
        inside = "inside" if row.in_obs else "outside"
        stage(
            "compare",
            f"{row.side}: predicted {row.predicted:.4f}, measured {row.measured:.4f} "
            f"({row.error_percent:+.2f} %), {inside} its interval {row.obs_lo:.4f} to {row.obs_hi:.4f}",
        )
    page = write_report(fits_folder, folder / "sweep.yaml")
    stage("report", f"{page} ({show.hours((time.monotonic() - began) / 3600)} in all)")
    if json:
        facts |= {"losses": str(result.path), "fits": str(fits_folder), "report": str(page), "r": answer.r}
        facts |= {"verdict": answer.verdict, "compared": comparison.table().to_dict("records")}
        show.document("demo", facts)


class _Stages:
    """Prints a line per stage: a result, or talk when the result is a JSON document."""

    def __init__(self, quiet: bool) -> None:
        self.put = show.say if quiet else show.result

    def __call__(self, name: str, text: str) -> None:
        self.put(f"{name:<8} {text}")


def _prepare(path: Path, stage: _Stages, slots: int | None, yes: bool) -> Any:
    """The sweep, written from the embedded default unless it is there, and what it will cost."""
    from importlib.resources import files as resources

    from dcpt.core.errors import ConfigError
    from dcpt.core.files import write_text
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import check_limit, price, wall_hours

    if not path.exists():
        write_text(path, (resources("dcpt.sweep") / "demo.yaml").read_text(encoding="utf-8"))
    sweep = prepare(path)
    if sweep.spec.target is None:
        raise ConfigError(f"{path}: the demo needs a target.", hint="delete the file to get the default back")
    for name, corpus in sweep.design.corpora.items():
        stage(
            "corpus",
            f"{corpus.role} = {name}: {format_quantity(corpus.train.tokens)} tokens of "
            f"{corpus.train.documents} documents, {held_out(corpus)}",
        )
    cost = price(sweep)
    low, likely, high = wall_hours(cost, slots)
    show.say(
        f"  {len(sweep.design.runs)} runs, {format_quantity(cost.flops)} FLOPs to do: about "
        f"{show.hours(likely)} ({show.hours(low)} to {show.hours(high)})"
    )
    check_limit(sweep, cost, None, yes)
    return sweep


def _train(sweep: Any, slots: int | None, device: str) -> Any:
    """Every run of the sweep brought to its end."""
    from dcpt.core.errors import RunError
    from dcpt.sweep.run_sweep import run_sweep
    from dcpt.sweep.status import status_frame

    frame = status_frame(sweep)
    done = set(frame.loc[frame["status"] == "finished", "run_id"])
    first = {run.run_id: run.first_step for run in sweep.design.runs}
    with Progress(sweep.design.work, first, done) as progress:
        result = run_sweep(sweep, slots, device, progress)
    lost = {**result.outcome.failed, **result.outcome.abandoned}
    if lost:
        name, reason = next(iter(lost.items()))
        raise RunError(f"demo: {len(lost)} runs did not finish; the first: {name}: {reason.rstrip('.')}.")
    return result
