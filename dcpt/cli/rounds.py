"""``dcpt sweep rounds``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dcpt.cli import mirror, show
from dcpt.cli.options import Device, Precision
from dcpt.cli.sweep_executor import CompileOption, Executor, ExecutorOption, PackOption, ways


def rounds(
    path: Annotated[Path, typer.Argument(help="The sweep file, or its folder.")],
    counts: Annotated[
        str | None,
        typer.Option("--rounds", help="Mixtures of each round: 64,32,16 (default: the sweep file's)."),
    ] = None,
    minimise: Annotated[
        str, typer.Option(help="Loss to minimise: domain, a corpus, or 0.7*law + 0.3*wiki.")
    ] = "domain",
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Limit on a loss: 'general <= +2%' (default: the target's; may be repeated)."),
    ] = None,
    way: Annotated[
        Literal["thompson", "top"],
        typer.Option(help="thompson: as often as a mixture may be the best; top: at random among the best."),
    ] = "thompson",
    top: Annotated[
        int | None, typer.Option(min=1, help="top: how many of the best (default: 4 per mixture).")
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Which of the sweep's variants chooses the next mixtures, where it has several."),
    ] = None,
    stop: Annotated[
        float | None,
        typer.Option(min=0, help="End when a round is expected to gain less than this share (0.001)."),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder that relative corpus paths start from (default: the sweep's)."),
    ] = None,
    slots: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time (default: one per GPU, else per core).")
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    executor: Executor = "local",
    option: ExecutorOption = None,
    pack: PackOption = "auto",
    compiled: CompileOption = "auto",
    mirror_to: mirror.MirrorTo = None,
    max_hours: Annotated[float | None, typer.Option(min=0, help="Limit in device hours.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start whatever it costs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run and stop.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train mixtures in rounds, each chosen by a fit to those before it.

    Safe to interrupt and to run again; rounds.json holds what was chosen and why.
    """
    from dcpt.cli.progress import Progress, stopping_with
    from dcpt.sweep.prepare import prepare
    from dcpt.sweep.price import check_limit, price, price_rounds, refuse_above_limit
    from dcpt.sweep.rounds import STOP, RoundSettings, aim_of, check_variant, next_rounds, run_rounds
    from dcpt.sweep.run_sweep import SweepResult, run_sweep
    from dcpt.sweep.status import status_frame

    placed = ways(executor, option, pack, compiled, device, slots)
    sweep = prepare(path, data_root, show.say)
    target = sweep.spec.target
    settings = RoundSettings(
        _counts(counts, sweep.spec.cpt.mixtures),
        minimise,
        tuple(keep or ([target.keep] if target is not None else [])),
        way,
        top,
        STOP if stop is None else stop,
        variant,
    )
    check_variant(sweep, variant)
    there = next_rounds(sweep, settings)
    aim = aim_of(sweep, settings)
    flops, hours = price_rounds(sweep, there.mixtures, sum(settings.counts))
    show.say(
        f"{sweep.spec.name}: {sum(settings.counts)} mixtures in {len(settings.counts)} rounds, "
        f"{len(there.rounds)} laid out; about {show.hours(hours)} of {sweep.spec.hardware} to do"
    )
    for note in sweep.notes:
        show.say(f"  note: {note}")
    refuse_above_limit(f"{sweep.spec.name}: all rounds", sweep.spec, flops, max_hours, yes)
    if dry_run:
        content = {
            "dry_run": True,
            "flops": flops,
            "counts": list(settings.counts),
            "minimise": aim.minimise,
            "keep": [str(limit) for limit in aim.limits],
        }
        mixtures = [dict(mixture.shares) for mixture in there.mixtures]
        if json:
            show.document("sweep-rounds", {**content, "mixtures": mixtures})
        else:
            show.result(show.table(mixtures))
            kept = "".join(f", keeping {limit}" for limit in aim.limits)
            show.say(f"looks for the lowest {aim.minimise}{kept}")
        return

    def train(now: Any) -> SweepResult:
        check_limit(now, price(now), max_hours, yes)
        frame = status_frame(now)
        done = set(frame.loc[frame["status"] == "finished", "run_id"])
        first = {run.run_id: run.first_step for run in now.design.runs}
        with Progress(now.design.work, first, done, executor) as progress:
            result = run_sweep(now, slots, device, progress, precision, **placed)
        lost = {**result.outcome.failed, **result.outcome.abandoned}
        if lost:
            name, reason = next(iter(lost.items()))
            show.say(f"{len(lost)} runs did not finish and are left out; the first: {name}: {reason}")
        return result

    words = "stopped between two rounds; rounds.json has those so far, the same command goes on from there"
    with mirror.mirrored(sweep, mirror_to), stopping_with(words):
        found = run_rounds(sweep, settings, train, say=show.say)
    if json:
        show.document(
            "sweep-rounds",
            {
                "rounds": [len(part.mixtures) for part in found.rounds],
                "ended": found.ended,
                "answer": dict(found.answer),
            },
        )
        return
    show.result(_table(found.answer))
    show.say(f"{found.ended}; written: {sweep.root / 'rounds.json'}, mixtures.csv and losses.csv beside it")


def _counts(text: str | None, design: Any) -> tuple[int, ...]:
    from dcpt.core.errors import ConfigError

    if text is None:
        counts = tuple(getattr(design, "rounds", ()))
        if not counts:
            raise ConfigError("rounds: their sizes are not given.", "pass --rounds 64,32,16")
        return counts
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--rounds: got {text!r}; wanted whole numbers, as in 64,32,16.") from None


def _table(answer: Any) -> str:
    rows = []
    for name in ("best", "best_trained", "proportional", "uniform"):
        item = answer[name]
        shares = {corpus: f"{share:.3f}" for corpus, share in item["shares"].items()}
        told = {"mixture": name.replace("_", " "), **shares}
        rows.append({**told, "score": f"{item['score']:.4f}", "sd": f"{item['score_sd']:.4f}"})
    return show.table(rows)
