"""``dcpt fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dcpt.cli import show


def fit(
    losses: Annotated[Path, typer.Argument(help="Loss table (CSV or Parquet).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write fit.json into.")],
    law: Annotated[list[str] | None, typer.Option(help="Law, repeatable (default: d-cpt and chinchilla).")] = None,
    eval_set: Annotated[list[str] | None, typer.Option(help="Evaluation set, repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR, repeatable.")] = None,
    metric: Annotated[str, typer.Option(help="loss (nats per token) or bpb.")] = "loss",
    fix: Annotated[list[str] | None, typer.Option(help="Hold a parameter: NAME=VALUE, repeatable.")] = None,
    bound: Annotated[list[str] | None, typer.Option(help="Bound a parameter: NAME=LOW:HIGH, repeatable.")] = None,
    tie: Annotated[list[str] | None, typer.Option(help="Tie a parameter: NAME=EXPRESSION, repeatable.")] = None,
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
    from dcpt.cli.options import fresh, pairs
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.core.loss_table import LossTable
    from dcpt.core.quantity import parse_quantity
    from dcpt.fit.fit import LAWS, fit_table

    fresh(output / "fit.json", force)
    laws = tuple(law or LAWS)
    scales = {name: parse_quantity(value, f"--scale {name}") for name, value in pairs(scale, "--scale").items()}
    table = LossTable.read(losses, roles=pairs(role, "--role"), scale=scales)
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
        show.document("fit", {"path": str(output / "fit.json"), "fits": [_brief(item) for item in fits], "refused": dict(fits.refused)})
    else:
        show.result(fits.summary())
        show.say(f"written: {output / 'fit.json'}")
    if strict and any(item.status != "converged" or item.warnings for item in fits):
        raise typer.Exit(EXIT_DOUBTFUL)


def _parameters(law: str, fixed: dict[str, str], bounds: dict[str, str], ties: dict[str, str]) -> Any:
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.laws.registry import get_law

    params = get_law(law).lmfit_parameters()
    for name in (*fixed, *bounds, *ties):
        if name not in params:
            raise ConfigError(f"law {law!r} has no parameter {name!r}; it has {', '.join(params)}.")
    for name, value in fixed.items():
        params[name].set(value=parse_quantity(value, f"--fix {name}"), vary=False)
    for name, value in bounds.items():
        low, colon, high = value.partition(":")
        if not colon:
            raise ConfigError(f"--bound {name}: got {value!r}; wanted LOW:HIGH.")
        params[name].set(min=parse_quantity(low, f"--bound {name}"), max=parse_quantity(high, f"--bound {name}"))
    for name, expression in ties.items():
        params[name].set(expr=expression)
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
        "warnings": [vars(warning) if hasattr(warning, "__dict__") else str(warning) for warning in item.warnings],
        "holdouts": [vars(score) for score in item.holdouts],
    }
