"""``dcpt demo``: the whole way on the embedded corpora, a line a stage."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show
from dcpt.cli.progress import Progress
from dcpt.core.quantity import format_quantity


def demo(
    root: Annotated[Path, typer.Option(help="Folder that experiments/ and fits/ are made in.")] = Path("."),
    slots: Annotated[int | None, typer.Option(min=1, help="Runs at a time (default: one per core).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Sweep, fit, plan, launch, compare and report on text that ships with Python. Safe to run again."""
    from importlib.resources import files as resources

    from dcpt.cli.fit_folder import note_table
    from dcpt.cli.launch import LAUNCHED
    from dcpt.cli.report import write_report
    from dcpt.core.errors import RunError
    from dcpt.core.files import write_text
    from dcpt.fit.fit import fit_table
    from dcpt.launch.compare import compare
    from dcpt.launch.launch import prepare_launch, run_launch
    from dcpt.plan.make_plan import make_plan
    from dcpt.plan.objective import Objective
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import price, wall_hours
    from dcpt.sweep.run_sweep import run_sweep
    from dcpt.sweep.status import status_frame

    began = time.monotonic()
    folder, fits_folder = root / "experiments" / "demo", root / "fits" / "demo"
    path = folder / "sweep.yaml"
    if not path.exists():
        write_text(path, (resources("dcpt.sweep") / "demo.yaml").read_text(encoding="utf-8"))
    sweep = prepare(path)
    for name, corpus in sweep.design.corpora.items():
        _stage(
            "corpus",
            f"{corpus.role} = {name}: {format_quantity(corpus.train.tokens)} tokens of "
            f"{corpus.train.documents} documents, {format_quantity(corpus.heldout.tokens)} held out, "
            f"{100 * corpus.leakage.overlap:.1f} % of held-out {corpus.leakage.words}-grams also in train",
        )
    cost = price(sweep)
    low, likely, high = wall_hours(cost, slots)
    show.say(
        f"  {len(sweep.design.runs)} runs, {format_quantity(cost.flops)} FLOPs to do: about {show.hours(likely)} "
        f"({show.hours(low)} to {show.hours(high)})"
    )
    frame = status_frame(sweep)
    done = set(frame.loc[frame["status"] == "finished", "run_id"])
    try:
        with Progress(
            sweep.design.work, {run.run_id: run.first_step for run in sweep.design.runs}, done
        ) as progress:
            result = run_sweep(sweep, slots, device, progress)
    except KeyboardInterrupt:
        show.say("stopped; nothing is lost, the same command goes on from here")
        raise typer.Exit(130) from None
    lost = {**result.outcome.failed, **result.outcome.abandoned}
    if lost:
        name, reason = next(iter(lost.items()))
        raise RunError(f"demo: {len(lost)} runs did not finish; the first: {name}: {reason}.")
    table = result.table
    _stage(
        "sweep",
        f"{len(sweep.design.runs)} runs, {len(table.select('domain'))} end points over "
        f"{len(sweep.spec.model.sizes)} sizes x {len(sweep.spec.cpt.ratios)} ratios x "
        f"{len(sweep.spec.cpt.budgets)} budgets -> {result.path}",
    )
    fits = fit_table(table)
    fits.save(fits_folder)
    note_table(fits_folder, result.path, table)
    for item in fits:
        heldout = next((score for score in item.holdouts if score.model == item.law.name), None)
        beyond = f", {100 * heldout.mape:.1f} % on the largest size held out" if heldout else ""
        _stage("fit", f"{item.law.name} on {item.eval_set}: {item.status}, error {100 * item.mape:.2f} % in sample{beyond}")
    assert sweep.spec.target is not None
    target = sweep.design.rungs[sweep.spec.target.size.name]
    objective = Objective.of(
        {"N": target.N, "D": sweep.spec.target.tokens, "keep": sweep.spec.target.keep}, "demo"
    )
    answer = make_plan(fits, objective, table)
    answer.save(fits_folder / "plan.json")
    interval = "" if answer.r_lo is None else f" ({answer.r_lo:.3f} to {answer.r_hi:.3f})"
    _stage(
        "plan",
        f"for {target.name}, {objective.keep}: r* = {answer.r:.3f}{interval}, replay {answer.replay:.3f}; "
        f"{answer.verdict}",
    )
    launch = prepare_launch(answer, sweep)
    show.say(f"  launching {launch.spec.size}: {format_quantity(launch.spec.flops)} FLOPs with its base")
    launched = run_launch(launch, slots, device)
    launch.spec.save(fits_folder / "launch.json")
    launched.write(fits_folder / LAUNCHED)
    _stage("launch", f"{launch.spec.size} trained on {format_quantity(launch.spec.D)} tokens at r = {launch.spec.runs[0].r:g}")
    comparison = compare(answer, launched, fits)
    comparison.save(fits_folder / "compare.json")
    for row in comparison.rows:
        inside = "inside" if row.in_obs else "outside"
        _stage(
            "compare",
            f"{row.side}: predicted {row.mean:.4f}, measured {row.measured:.4f} "
            f"({row.error_percent:+.2f} %), {inside} its interval {row.obs_lo:.4f} to {row.obs_hi:.4f}",
        )
    page = write_report(fits_folder, path)
    _stage("report", f"{page} ({show.hours((time.monotonic() - began) / 3600)} in all)")


def _stage(name: str, text: str) -> None:
    show.result(f"{name:<8} {text}")
