"""``dcpt fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import show


def fit(
    losses: Annotated[Path, typer.Argument(help="Loss table (CSV or Parquet).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write fit.json into.")],
    law: Annotated[
        list[str] | None, typer.Option(help="Law, repeatable (default: d-cpt and chinchilla).")
    ] = None,
    eval_set: Annotated[list[str] | None, typer.Option(help="Evaluation set, repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR, repeatable.")] = None,
    metric: Annotated[str, typer.Option(help="loss (nats per token) or bpb.")] = "loss",
    fix: Annotated[list[str] | None, typer.Option(help="Hold a parameter: NAME=VALUE, repeatable.")] = None,
    bound: Annotated[
        list[str] | None, typer.Option(help="Bound a parameter: NAME=LOW:HIGH, repeatable.")
    ] = None,
    tie: Annotated[
        list[str] | None, typer.Option(help="Tie a parameter: NAME=EXPRESSION, repeatable.")
    ] = None,
    corners: Annotated[bool, typer.Option("--corners", help="Fit ratios 0 and 1 too.")] = False,
    bootstrap: Annotated[int, typer.Option(min=0, help="Refits for the intervals.")] = 400,
    delta: Annotated[float, typer.Option(min=0, help="Huber threshold of the log residual.")] = 1e-3,
    holdouts: Annotated[bool, typer.Option(help="Score held-out sizes, ratios and tokens.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when a fit is doubtful.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace fits that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit laws to both losses, with intervals, hold-outs beside baselines, and reasons for doubt."""
    from dcpt.cli.fit_folder import note_table
    from dcpt.cli.options import factors, fresh_in, pairs
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit import LAWS, fit_table

    path = fresh_in(output, "fit.json", force)
    laws = tuple(law or LAWS)
    table = LossTable.read(losses, roles=pairs(role, "--role"), scale=factors(scale))
    options: dict[str, Any] = {}
    changes = (pairs(fix, "--fix"), pairs(bound, "--bound"), pairs(tie, "--tie"))
    if any(changes):
        if len(laws) != 1:
            raise ConfigError("--fix, --bound and --tie speak of one law.", hint="name it: --law d-cpt")
        options["params"] = _parameters(laws[0], *changes)
    fits = fit_table(
        table,
        laws,
        eval_set or None,
        metric=metric,
        corners=corners,
        bootstrap=bootstrap,
        delta=delta,
        holdouts=holdouts,
        seed=seed,
        **options,
    )
    fits.save(output)
    note_table(output, losses, table)
    if json:
        found = {"fits": [_brief(item) for item in fits], "refused": dict(fits.refused)}
        show.document("fit", {"path": str(path), **found})
    else:
        show.result(fits.summary())
        show.say(f"written: {path}")
    if strict and any(item.status != "converged" or item.warnings for item in fits):
        raise typer.Exit(EXIT_DOUBTFUL)


def _parameters(law: str, fixed: dict[str, str], bounds: dict[str, str], ties: dict[str, str]) -> Any:
    """`lmfit.Parameters` of the law as the flags want them; lmfit itself would clip and swap in silence."""
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.laws.formula import read_formula
    from dcpt.laws.registry import get_law

    declared = {item.name: item for item in get_law(law).parameters}
    params = get_law(law).lmfit_parameters()
    names = [*fixed, *bounds, *ties]
    for name in names:
        if name not in declared:
            raise ConfigError(f"law {law!r} has no parameter {name!r}; it has {', '.join(declared)}.")
        if names.count(name) > 1:
            raise ConfigError(f"parameter {name!r}: wanted only one of --fix, --bound and --tie.")
    for name, text in fixed.items():
        value = parse_quantity(text, f"--fix {name}")
        if not declared[name].lo <= value <= declared[name].hi:
            raise ConfigError(
                f"--fix {name}: got {text}; wanted a value inside the law's bounds, "
                f"{declared[name].lo:g} to {declared[name].hi:g}."
            )
        params[name].set(value=value, vary=False)
    for name, text in bounds.items():
        low, colon, high = text.partition(":")
        if not colon:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW:HIGH.")
        least, most = parse_quantity(low, f"--bound {name}"), parse_quantity(high, f"--bound {name}")
        if least >= most:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW below HIGH.")
        params[name].set(min=least, max=most)
    for name, text in ties.items():
        read_formula(text, f"--tie {name}")
        params[name].set(expr=text)
    return params


def _brief(item: Any) -> dict[str, Any]:
    return {
        "law": item.law.name,
        "eval_set": item.eval_set,
        "status": item.status,
        "values": item.values,
        "units": {"N": item.units.N, "D": item.units.D},
        "mae": item.mae,
        "mape": item.mape,
        "rows": item.rows,
        "runs": item.runs,
        "warnings": [vars(warning) for warning in item.warnings],
        "holdouts": [vars(score) for score in item.holdouts],
    }
