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
    Figure,
    Floor,
    FromStart,
    Longest,
)
from dcpt.cli.mixture_options import Against, Discount, Propose, Shares
from dcpt.cli.options import share

LEVEL = 0.9
"""Probability of the intervals of an answer about schedules."""


def plan(
    fits: Annotated[Path, typer.Argument(help="Folder of the fits.")],
    at: Annotated[
        str | None, typer.Option(help="Target: N=7B,D=20B; of a schedule: r=0.3 and what its law reads.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            help="Take target and tolerance from this sweep file; or r, D, N, keep, budget, price or pool: "
            "what if that were another (--values)."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="'general <= +2%', 'general <= +0.05' or 'general <= 2.95'; again for other general sets."
        ),
    ] = None,
    objective: Annotated[Path | None, typer.Option(help="YAML file with the whole objective.")] = None,
    minimise: Annotated[
        str | None, typer.Option(help="'domain' (default), or a balance: '0.7*domain + 0.3*general'.")
    ] = None,
    now: Annotated[str | None, typer.Option(help="Domain share of the mix in use: r=0.2.")] = None,
    pool: Annotated[str | None, typer.Option(help="Unique tokens there are: domain=5B,general=100B.")] = None,
    epochs: Annotated[str | None, typer.Option(help="Most passes over them: domain=4.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Choose N and D within flops=1e21, gpu_hours=500,hardware=h100 or "
            "money=1000,price=2.5,hardware=h100."
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sizes to choose N from: 1B,3B,7B, or any between: 1B..7B.")
    ] = None,
    max_tokens: Annotated[str | None, typer.Option(help="Most tokens where D is chosen.")] = None,
    general_now: Annotated[
        str | None,
        typer.Option(help="General loss of the target's base, measured; of several sets wiki=2.9,news=3.1."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to plan in, where several are fitted.")] = None,
    r_min: Annotated[
        float | None, typer.Option(parser=share, metavar="SHARE", help="Least domain share to consider.")
    ] = None,
    r_max: Annotated[
        float | None, typer.Option(parser=share, metavar="SHARE", help="Greatest domain share to consider.")
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Probability of the intervals (default: 0.9)."),
    ] = None,
    law: Annotated[
        str | None, typer.Option(help="Plan with this law (default: best on the held-out size).")
    ] = None,
    losses: Annotated[
        Path | None, typer.Option(help="Loss table with the base's losses (default: the fits').")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File (default: FITS/plan.json, of curves plan-QUESTION.json); of --sweep r ... its table, "
            ".json or .csv.",
        ),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Corpus root of the sweep.")] = None,
    schedule: AskedSchedule = None,
    ask: Ask = "final-loss",
    base_schedule: AskedBase = None,
    weight: Annotated[
        str | None,
        typer.Option(help="The balance as domain=0.7,general=0.3; of curves the weight on the general loss."),
    ] = None,
    from_start: FromStart = False,
    values: Annotated[
        str | None, typer.Option("--values", help="What to compare under --sweep or --ask: 0.1,0.2.")
    ] = None,
    longest: Longest = None,
    floor: Floor = 0.0,
    figure: Figure = None,
    shares: Shares = None,
    against: Against = None,
    discount: Discount = False,
    propose: Propose = None,
    front: Annotated[
        bool, typer.Option("--front", help="Print the Pareto front of both losses, with its band, too.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 5 unless the data support the answer.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find the domain share with the lowest domain loss that keeps the general loss in bounds.

    With --schedule, answer one question (--ask) about the schedule of continual pre-training instead. With
    --ask replay-or-size, compare shares of replay (--values) at equal FLOPs per new token: --at gives the
    size that is paid for without replay, and the new tokens. Of a fit of many corpora (mixture.json), find
    their shares.
    """
    from dcpt.cli.curve_options import refuse_beside, refuse_only_curves, refuse_without
    from dcpt.cli.fit_folder import open_table
    from dcpt.cli.mixture_options import refuse_without_corpora
    from dcpt.cli.mixture_plan import mixture_fit_of, plan_mixture, read_mixture_question
    from dcpt.cli.options import fresh
    from dcpt.cli.plan_question import AXES, fill_swept, read_question, require
    from dcpt.cli.replay_or_size import QUESTION, answer_replay_or_size
    from dcpt.cli.what_if_file import check_ending
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.fit.fit_file import load_fits
    from dcpt.plan.make_plan import make_plan
    from dcpt.plan.objective import Objective

    corpora = {"--shares": shares, "--against": against, "--discount": discount, "--propose": propose}
    mixture = mixture_fit_of(fits)
    if mixture is not None:
        other: dict[str, Any] = {"--schedule": schedule, "--sweep": sweep, "--budget": budget, "--law": law}
        other |= {"--sizes": sizes, "--max-tokens": max_tokens, "--general-now": general_now}
        other |= {"--r-min": r_min, "--r-max": r_max, "--metric": metric, "--losses": losses}
        other |= {
            "--front": front,
            "--weight": weight,
            "--values": values,
            "--data-root": data_root,
        }
        refuse_beside("a mixture of many corpora", other)
        texts = {"minimise": minimise, "now": now, "pool": pool, "epochs": epochs}
        fields = {"shares": shares, "against": against, "discount": discount, "level": level}
        asked_mixture = read_mixture_question(objective, at, keep, texts, fields)
        plan_mixture(mixture, asked_mixture, output, propose, force, strict, json, figure)
        return
    refuse_without_corpora(corpora)
    means = {"minimise": minimise, "now": now, "pool": pool, "epochs": epochs, "budget": budget}
    means |= {"sizes": sizes, "max_tokens": max_tokens, "general_now": general_now, "metric": metric}
    if schedule is not None:
        from dcpt.cli.curve_figure import check_figure
        from dcpt.cli.curve_plan import plan_schedule

        static: dict[str, Any] = {f"--{name.replace('_', '-')}": value for name, value in means.items()}
        static |= {"--sweep": sweep, "--keep": keep, "--objective": objective}
        static |= {
            "--front": front,
            "--r-min": r_min,
            "--r-max": r_max,
            "--losses": losses,
            "--data-root": data_root,
        }
        refuse_beside("a schedule", static)
        check_figure(figure, force)
        plan_schedule(
            fits,
            schedule,
            ask,
            base_schedule,
            at,
            general_weight(weight),
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
    curves: dict[str, Any] = {"--base-schedule": base_schedule, "--from-start": from_start}
    curves |= {"--longest": longest, "--floor": floor, "--figure": figure}
    of_curves = ask not in ("final-loss", QUESTION)
    refuse_without("--schedule", {**curves, "--ask": ask if of_curves else None})
    refuse_only_curves(fits)
    axis = sweep if sweep in AXES else None
    compared = ask == QUESTION
    if axis is None and values is not None and not compared:
        raise ConfigError(
            "--values means nothing without --sweep r, D, N, keep, budget, price or pool (or --schedule)."
        )
    path = output or (fits if fits.is_dir() else fits.parent) / "plan.json"
    if axis is not None and output is not None:
        check_ending(output)
        fresh(output, force)
    elif path.suffix != ".json":
        raise ConfigError(f"-o: got {str(path)!r}; wanted a file that ends in .json.")
    if compared:
        refuse_beside(QUESTION, {"--budget": budget, "-o": output, "--front": front, "--sweep": axis})
    elif axis is None:
        fresh(path, force)
    elif front:
        raise ConfigError(f"--front: --sweep {axis} has a front for every value; ask for one plan.")
    file = None if sweep is None or axis is not None else Path(sweep)
    question = read_question(at, file, keep, objective, data_root, {**means, "weight": weight})
    flags = {"r_min": r_min, "r_max": r_max, "level": level}
    question |= {name: value for name, value in flags.items() if value is not None}
    filled = fill_swept(question, axis, values)
    require(question)
    asked = Objective.of(question)
    fitted = load_fits(fits)
    try:
        table = open_table(fits if fits.is_dir() else fits.parent, losses)
    except ConfigError:
        if losses is not None or (any(limit.needs_base for limit in asked.keep) and not asked.losses_now):
            raise
        table = None
    if compared:
        whole = answer_replay_or_size(fitted, asked, values, table, law, file, data_root, json)
        if strict and not whole:
            raise typer.Exit(EXIT_DOUBTFUL)
        return
    if axis is not None:
        from dcpt.cli.plan_what_if import answer_what_if

        whole = answer_what_if(fits, fitted, asked, axis, values, table, law, json, filled, output)
        if strict and not whole:
            raise typer.Exit(EXIT_DOUBTFUL)
        return
    answer = make_plan(fitted, asked, table, law)
    answer.save(path)
    if json:
        show.document("plan", {"path": str(path), **answer.to_dict()})
    else:
        show.result(answer.summary())
        if front:
            from dcpt.plan.plan_tables import front_lines

            show.result("\n" + "\n".join(front_lines(answer)))
        if law is None:
            from dcpt.fit.chosen_law import why_not_first

            for used in answer.laws.values():
                for why in filter(None, [why_not_first(fitted, used.eval_set, asked.D, used.name)]):
                    show.say(f"note: {why}")
        show.say(f"written: {path}")
    if strict and (answer.verdict != "supported" or answer.outside):
        why = f"the verdict is {answer.verdict!r}"
        if answer.verdict == "supported":
            why = "the run lies outside what the laws were fitted on"
        show.say(f"--strict: {why}.")
        raise typer.Exit(EXIT_DOUBTFUL)


def general_weight(text: str | None) -> float | None:
    """The weight on the general loss in a question about schedules."""
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity

    if text is None:
        return None
    weight = parse_quantity(text, "--weight")
    if not 0 <= weight <= 1:
        raise ConfigError(f"--weight {weight:g}: wanted a share between 0 and 1.")
    return weight
