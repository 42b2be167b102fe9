"""``dcpt ingest``: other people's logs into the loss table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcpt.cli import show
from dcpt.cli.options import example

EXAMPLE = "dcpt ingest csv runs.csv --map r=pct --scale r=0.01 -o losses.csv"

app = typer.Typer(
    help="Turn other people's logs into a loss table.", no_args_is_help=True, epilog=example(EXAMPLE)
)


@app.callback()
def _formats() -> None:
    pass


@app.command(epilog=example(EXAMPLE))
def csv(
    path: Annotated[Path, typer.Argument(help="CSV or Parquet file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Loss table to write (.csv or .parquet).")],
    columns: Annotated[
        Path | None, typer.Option(help="YAML file that maps columns, units and sides; flags win over it.")
    ] = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="SYMBOL=COLUMN, repeatable.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR, repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Each evaluation set is a column of losses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Import a table of losses by a map of its columns; says which rows were dropped and why."""
    from dcpt.cli.options import factors, fresh, pairs
    from dcpt.ingest.column_map import ColumnMap, read_column_map
    from dcpt.ingest.csv_table import read_csv

    fresh(output, force)
    said = ColumnMap(schema_version=1) if columns is None else read_column_map(columns)
    table, report = read_csv(
        path,
        {**said.columns, **pairs(map_, "--map")},
        {**said.scale, **factors(scale)},
        {**said.roles, **pairs(role, "--role")},
        wide or said.wide,
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
