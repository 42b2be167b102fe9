"""``dcpt next``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcpt.cli import show
from dcpt.cli.curve_options import AskedBase, AskedSchedule, AskedValues, FromStart, Weight

if TYPE_CHECKING:
    from dcpt.plan.next_runs.prices import Prices


def next_runs(
    fits: Annotated[Path, typer.Argument(help="Folder of the fits.")],
    at: Annotated[str | None, typer.Option(help="Target: N=7B,D=20B.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="'general <= +2%', 'general <= +0.05' or 'general <= 2.95'; again for other sets."),
    ] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Sweep file: target, limit, and what its runs cost.")
    ] = None,
    objective: Annotated[Path | None, typer.Option(help="YAML file with the whole objective.")] = None,
    minimise: Annotated[
        str | None, typer.Option(help="'domain' (default), or a balance: '0.7*domain + 0.3*general'.")
    ] = None,
    general_now: Annotated[
        str | None, typer.Option(help="General loss of the target's base, measured.")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Probability of the interval (default: 0.9).")] = None,
    law: Annotated[
        str | None, typer.Option(help="Plan with this law (default: best on the held-out size).")
    ] = None,
    losses: Annotated[Path | None, typer.Option(help="Loss table (default: the fits').")] = None,
    candidates: Annotated[
        Path | None,
        typer.Option(help="Runs to choose from: a table of N, D, r (curves: N, r, schedule), repeats."),
    ] = None,
    max_flops: Annotated[str | None, typer.Option(help="Most training FLOPs of the batch: 1e18.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Most candidates to buy together.")] = 8,
    metric: Annotated[
        str, typer.Option(help="What runs are to make smaller: the width of r*'s interval, or regret.")
    ] = "width",
    write: Annotated[
        Path | None,
        typer.Option(help="Folder for sweep files of the advised runs, varied from --sweep's."),
    ] = None,
    base_tokens: Annotated[
        str | None, typer.Option(help="Pre-training tokens of a size that has no base yet (default: 0).")
    ] = None,
    decay_share: Annotated[
        float | None,
        typer.Option(help="Share of a budget that its decay takes (default: 0.2; 1: no shared trunks)."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Stop when acting now costs no more loss than this on average.")
    ] = None,
    least_shrink: Annotated[
        float | None, typer.Option(help="Stop when no candidate narrows the interval by this share (0.05).")
    ] = None,
    decision: Annotated[
        bool, typer.Option("--decision", help="Stop when r* surely beats 25 % and 5 % replay.")
    ] = False,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    schedule: AskedSchedule = None,
    base_schedule: AskedBase = None,
    ask: Annotated[
        str | None,
        typer.Option(help="Curves: replay (default), anneal-share, peak, rewarm or final-loss; or --keep."),
    ] = None,
    weight: Weight = None,
    from_start: FromStart = False,
    values: AskedValues = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say which proxy runs to buy next, what they would tell for their price, and when to stop.

    With --schedule fits of loss curves are asked: every run is worth what its own schedule tells.
    """
    from dcpt.cli.curve_options import refuse_beside, refuse_only_curves, refuse_without
    from dcpt.cli.fit_folder import open_table
    from dcpt.cli.mixture_plan import mixture_fit_of
    from dcpt.cli.next_sweep import write_sweeps
    from dcpt.cli.plan_question import read_question, require
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.fit.fit_file import load_fits
    from dcpt.plan.next_runs.advise import advise, check_affordable
    from dcpt.plan.next_runs.candidate_file import read_candidates
    from dcpt.plan.next_runs.candidates import Bought
    from dcpt.plan.next_runs.stopping import LEAST_SHRINK, StoppingRule
    from dcpt.plan.objective import Objective

    if mixture_fit_of(fits) is not None:
        raise ConfigError(
            f"{fits}: a fit of many corpora; dcpt next chooses runs of a domain share.",
            hint="dcpt plan FITS --propose 8 names the mixtures to train next",
        )
    rule = StoppingRule(tolerance, LEAST_SHRINK if least_shrink is None else least_shrink, decision)
    money = None if max_flops is None else parse_quantity(max_flops, "--max-flops")
    if schedule is not None:
        from dcpt.cli.next_curves import next_for_curves

        others = {"--objective": objective, "--minimise": minimise, "--general-now": general_now}
        others |= {"--write": write, "--decision": decision, "--metric": metric != "width"}
        others |= {"--base-tokens": base_tokens, "--decay-share": decay_share is not None}
        refuse_beside("fits of loss curves (--schedule)", others)
        prices = _prices(sweep, data_root, None, None)
        share = 0.9 if level is None else level
        next_for_curves(
            *(fits, schedule, base_schedule, ask, at, keep or [], weight, from_start, values, losses),
            *(candidates, prices, rule, batch, money, share, law, json),
        )
        return
    curves = {"--base-schedule": base_schedule, "--ask": ask, "--weight": weight is not None}
    refuse_without("--schedule", {**curves, "--from-start": from_start, "--values": values})
    refuse_only_curves(fits)
    question = read_question(
        at, sweep, keep, objective, data_root, {"minimise": minimise, "general_now": general_now}
    )
    question |= {} if level is None else {"level": level}
    require(question)
    asked = Objective.of(question)
    fitted = load_fits(fits)
    table = open_table(fits if fits.is_dir() else fits.parent, losses)
    offered = None if candidates is None else read_candidates(candidates, Bought.of(table))
    prices = _prices(sweep, data_root, base_tokens, decay_share)
    answer = advise(
        fitted, asked, table, offered, prices, rule, batch=batch, max_flops=money, law=law, metric=metric
    )
    check_affordable(answer, money)
    written = [] if write is None else write_sweeps(answer, table, sweep, data_root, write)
    if json:
        show.document("next", {**answer.to_dict(), "written": [str(path) for path in written]})
    else:
        show.result(answer.summary())
    for path in written:
        show.say(f"written: {path}")


def _prices(
    sweep: Path | None, data_root: Path | None, base_tokens: str | None, decay_share: float | None
) -> Prices:
    """Prices of the sweep file, where one is given, and of flags, which win."""
    from dcpt.core.quantity import parse_quantity
    from dcpt.plan.next_runs.prices import DECAY_SHARE, Prices

    tokens = 0.0 if base_tokens is None else parse_quantity(base_tokens, "--base-tokens")
    share, flops = DECAY_SHARE, {}
    if sweep is not None:
        from dcpt.sweep.prepare import prepare

        made = prepare(sweep, data_root)
        flops = {float(rung.N): rung.flops_per_token for rung in made.design.rungs.values()}
        schedule = made.spec.cpt.schedule
        share = schedule.decay_share if schedule is not None and schedule.has_plateau else 1.0
        if base_tokens is None and made.spec.base is not None:
            tokens = made.spec.base.tokens
    return Prices(tokens, share if decay_share is None else decay_share, flops)
