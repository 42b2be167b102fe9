"""``dcpt ingest``: other people's logs into the loss table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show

app = typer.Typer(help="Turn other people's logs into a loss table.", no_args_is_help=True)


@app.callback()
def _formats() -> None:
    pass


@app.command(epilog="Example: dcpt ingest csv runs.csv --map value=loss --map r=domain_pct --scale r=0.01 -o losses.csv")
def csv(
    path: Annotated[Path, typer.Argument(help="CSV or Parquet file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Loss table to write (.csv or .parquet).")],
    map_: Annotated[list[str] | None, typer.Option("--map", help="SYMBOL=COLUMN, repeatable.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR, repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Each evaluation set is a column of losses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Import a table of losses by a map of its columns; says which rows were dropped and why."""
    from dcpt.cli.options import fresh, pairs
    from dcpt.core.quantity import parse_quantity
    from dcpt.ingest.csv_table import read_csv

    fresh(output, force)
    table, report = read_csv(
        path,
        pairs(map_, "--map"),
        {name: parse_quantity(value, f"--scale {name}") for name, value in pairs(scale, "--scale").items()},
        pairs(role, "--role"),
        wide,
    )
    table.write(output)
    if json:
        show.document(
            "ingest",
            {
                "losses": str(output),
                "read": report.read,
                "kept": report.kept,
                "dropped": dict(report.dropped),
                "ignored": list(report.ignored),
            },
        )
    else:
        show.say(str(report))
        show.result(str(output))
