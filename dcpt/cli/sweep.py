"""``dcpt sweep``: new, check, run, status."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import mirror, rounds, show
from dcpt.cli.corpus_line import held_out, leakage_of
from dcpt.cli.options import Device, Precision, example, fresh
from dcpt.cli.progress import Progress
from dcpt.cli.sweep_executor import CompileOption, Executor, ExecutorOption, PackOption, time_line, ways
from dcpt.core.quantity import format_quantity

app = typer.Typer(
    help="Train proxy models over ratios, sizes and budgets.",
    no_args_is_help=True,
    epilog=example("dcpt sweep new experiments/mine"),
)

SweepPath = Annotated[Path, typer.Argument(help="The sweep file, or its folder.")]
DataRoot = Annotated[
    Path | None, typer.Option(help="Folder that relative corpus paths start from (default: the sweep's).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Slots = Annotated[
    int | None, typer.Option(min=1, help="Runs at a time (default: one per GPU, else per core).")
]
MaxHours = Annotated[float | None, typer.Option(min=0, help="Limit in device hours.")]
app.command("rounds", epilog=example("dcpt sweep rounds experiments/mine --rounds 8,4"))(rounds.rounds)
app.command("mirror", epilog=example("dcpt sweep mirror experiments/mine --to tensorboard"))(mirror.mirror)

Yes = Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")]


@app.command(epilog=example("dcpt sweep new experiments/mine"))
def new(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a sweep file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a sweep file to start from: the embedded corpora, four sizes, five ratios."""
    from importlib.resources import files as resources

    from dcpt.core.files import write_text

    path = folder / "sweep.yaml"
    fresh(path, force)
    text = (resources("dcpt.sweep") / "demo.yaml").read_text(encoding="utf-8")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name)
    write_text(path, text.replace("\nname: demo\n", f"\nname: {name}\n"))
    if json:
        show.document("sweep-new", {"path": str(path)})
    else:
        show.result(str(path))


@app.command(epilog=example("dcpt sweep check experiments/mine"))
def check(path: SweepPath, data_root: DataRoot = None, json: Json = False) -> None:
    """Check a sweep file, tokenise its corpora, count runs and price them. Trains nothing."""
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import price

    sweep = prepare(path, data_root, show.say)
    cost = price(sweep)
    if json:
        show.document("sweep-check", describe(sweep, cost))
    else:
        show.result(summary(sweep, cost))


@app.command(epilog=example("dcpt sweep run experiments/mine --max-hours 2"))
def run(
    path: SweepPath,
    data_root: DataRoot = None,
    slots: Slots = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    executor: Executor = "local",
    option: ExecutorOption = None,
    pack: PackOption = "auto",
    compiled: CompileOption = "auto",
    max_hours: MaxHours = None,
    yes: Yes = False,
    mirror_to: mirror.MirrorTo = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and stop.")] = False,
    json: Json = False,
) -> None:
    """Run what is not finished and write losses.csv. Safe to interrupt and to run again."""
    from dcpt.core.errors import RunError
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import check_limit, price
    from dcpt.sweep.run_sweep import run_sweep
    from dcpt.sweep.stability_gap import gap_lines
    from dcpt.sweep.status import status_frame

    way = ways(executor, option, pack, compiled, device, slots)
    sweep = prepare(path, data_root, show.say)
    cost = price(sweep)
    if dry_run and not json:
        show.result(summary(sweep, cost, slots, executor))
    else:
        show.say(summary(sweep, cost, slots, executor))
    check_limit(sweep, cost, max_hours, yes)
    if dry_run:
        if json:
            show.document("sweep-run", {"dry_run": True, **describe(sweep, cost)})
        return
    frame = status_frame(sweep)
    done = set(frame.loc[frame["status"] == "finished", "run_id"])
    first = {run.run_id: run.first_step for run in sweep.design.runs}
    with mirror.mirrored(sweep, mirror_to), Progress(sweep.design.work, first, done, executor) as progress:
        outcome = run_sweep(sweep, slots, device, progress, precision, **way)
    lost = {**outcome.outcome.failed, **outcome.outcome.abandoned}
    if json:
        show.document(
            "sweep-run",
            {
                "losses": str(outcome.path),
                "finished": len(outcome.outcome.finished),
                "failed": outcome.outcome.failed,
                "abandoned": outcome.outcome.abandoned,
            },
        )
    else:
        show.result(f"{outcome.path}: {len(outcome.table)} rows of {len(outcome.outcome.finished)} runs")
        for line in gap_lines(outcome.table):
            show.say(f"note: {line}")
    if lost:
        name, reason = next(iter(lost.items()))
        raise RunError(
            f"{len(lost)} of {len(sweep.design.runs)} runs did not finish; "
            f"the first: {name}: {reason.rstrip('.')}.",
            hint="the others are in the loss table; dcpt sweep status names them all",
        )


@app.command(epilog=example("dcpt sweep status experiments/mine"))
def status(
    path: SweepPath,
    data_root: DataRoot = None,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat every 5 seconds.")] = False,
    json: Json = False,
) -> None:
    """Show which runs are finished, started, waiting or lost."""
    from dcpt.core.errors import ConfigError
    from dcpt.sweep.gap_status import gap_sentence, gap_status
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.status import status_frame

    if watch and json:
        raise ConfigError("--watch repeats and --json prints one document; wanted one of them.")
    sweep = prepare(path, data_root, show.say)
    while True:
        frame, gaps = status_frame(sweep), gap_status(sweep)
        if json:
            show.document("sweep-status", {"runs": frame.to_dict("records"), "stability_gap": gaps})
        else:
            counts = frame.groupby(["size", "status"], sort=False).size().unstack(fill_value=0)
            show.result(show.table([{"size": size, **row} for size, row in counts.to_dict("index").items()]))
            for row in frame[frame["reason"] != ""].itertuples():
                show.result(f"{row.status}: {row.run_id}: {row.reason}")
            if sentence := gap_sentence(gaps):
                show.result(sentence)
        if not watch or not set(frame["status"]) & {"waiting", "started"}:
            return
        time.sleep(5)


def summary(sweep: Any, cost: Any, slots: int | None = None, executor: str = "local") -> str:
    """What a sweep will do and cost, as text."""
    finished = int(cost.frame["finished"].sum())
    total = len(sweep.design.runs)
    spec = sweep.spec
    mixed = spec.cpt.mixtures is not None
    fed = f"{len(sweep.design.mixtures)} mixtures" if mixed else f"{len(spec.cpt.ratios)} ratios"
    lines = [
        f"{spec.name}: {total} runs, {len(spec.model.sizes)} sizes x {fed} x "
        f"{len(spec.cpt.budgets)} budgets"
        + (f" x {len(spec.cpt.variants)} variants" if len(spec.cpt.variants) > 1 else "")
        + f"; {finished} finished, {total - finished} to do"
    ]
    for name, corpus in sweep.design.corpora.items():
        lines.append(
            f"  {corpus.role:<8}{name}: {format_quantity(corpus.train.tokens)} tokens to train on, "
            + held_out(corpus)
        )
    rows = [
        {
            "size": row["size"],
            "N": format_quantity(row["N"]),
            "runs to do": row["runs"] - row["finished"],
            "tokens": format_quantity(row["tokens"]),
            "FLOPs": format_quantity(row["flops"]),
            f"{cost.hardware.name} hours": f"{row['hours']:.2g} ({row['hours_low']:.2g} - "
            f"{row['hours_high']:.2g})",
        }
        for row in cost.frame.to_dict("records")
    ]
    lines += ["  " + line for line in show.table(rows).splitlines()]
    lines.append(f"  {time_line(cost, slots, executor)}")
    lines += [f"  note: {note}" for note in sweep.notes]
    return "\n".join(lines)


def describe(sweep: Any, cost: Any) -> dict[str, Any]:
    """What a sweep will do and cost, as JSON values."""
    return {
        "name": sweep.spec.name,
        "runs": len(sweep.design.runs),
        "sizes": cost.frame.to_dict("records"),
        "hardware": cost.hardware.name,
        "flops": cost.flops,
        "device_hours": list(cost.hours),
        "notes": list(sweep.notes),
        **(
            {"mixtures": [dict(mixture.shares) for mixture in sweep.design.mixtures]}
            if sweep.spec.cpt.mixtures is not None
            else {}
        ),
        "corpora": {
            name: {
                "role": corpus.role,
                "tokens": corpus.train.tokens,
                "heldout_tokens": corpus.heldout.tokens,
                "hash": corpus.hash,
                "leakage": leakage_of(corpus),
            }
            for name, corpus in sweep.design.corpora.items()
        },
    }
