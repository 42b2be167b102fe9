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
    path: Annotated[Path, typer.Argument(help="CSV, JSON lines (both also .gz) or Parquet file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Loss table to write (.csv, .jsonl, .csv.gz or .parquet).")
    ],
    columns: Annotated[
        Path | None, typer.Option(help="YAML file that maps columns, units and sides; flags win over it.")
    ] = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="SYMBOL=COLUMN,... repeatable.")] = None,
    extra: Annotated[
        list[str] | None, typer.Option(help="Keep an input of a law: NAME=COLUMN (U=unique), repeatable.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="SYMBOL=VALUE,... the same in every row; repeatable.")
    ] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR,... repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    run: Annotated[str | None, typer.Option(help="Column of independent runs.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep rows with COLUMN=A|B (or != < <= > >=); repeatable.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Each evaluation set is a column of losses.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Import a table of losses by a map of its columns; says which rows were dropped and why."""
    from dcpt.cli.given_table import reading_of
    from dcpt.cli.options import fresh, lists
    from dcpt.ingest.column_map import read_column_map
    from dcpt.ingest.csv_table import import_table

    fresh(output, force)
    kept = lists(extra, "--extra")
    reading = reading_of(
        None if columns is None else read_column_map(columns).reading(),
        {**lists(map_, "--map"), **kept},
        lists(scale, "--scale"),
        lists(role, "--role"),
        lists(set_, "--set"),
        run,
        where or (),
        tuple(kept),
        wide,
    )
    table, report = import_table(path, reading)
    table.write(output)
    for note in report.notes:
        show.say(f"note: {note}")
    if json:
        show.document(
            "ingest",
            {
                "losses": str(output),
                "read": report.read,
                "kept": report.kept,
                "dropped": dict(report.dropped),
                "ignored": list(report.ignored),
                "notes": list(report.notes),
            },
        )
    else:
        show.say(str(report))
        show.result(str(output))
