"""``dcpt fit``: a table of losses and a law in, parameters with intervals and reasons for doubt out.

What becomes of data that are not as they should be:

==============================================  ====  ====================================================
in the file                                     exit  answer
==============================================  ====  ====================================================
no such file; a folder; binary; not UTF-8       3     named, with the line and byte, and what to do
empty; a header and no rows                     3     "no columns", "the table is empty"
rows longer than the header; a column twice     3     refused: columns would move to their neighbours
JSON lines with nested keys or a key twice      3     line and key; write one flat key per value
JSON lines whose last line is torn              0     left out, and said
an empty cell or NaN in a column that is read   3     first row, and the --where that leaves such rows out
a loss that is infinite, zero or negative       3     row and value
text among numbers, 7B, 1,000, dates, yes/no    3     row and cell
an integer beyond the range of a float          3     "not a finite number"
N or D above 1e18, a loss off 1e-6 to 1e6       3     row and value; "is it the right column?"
percent for a share (r > 1)                     3     "looks like a percentage; pass --scale r=0.01"
one key (run, step, set, metric), two losses    3     both rows are kept apart by --run, run_id or seed
a row that repeats another one entirely         0     left out, and counted
N or D in millions or billions                  0     fitted in those units, with a note; 5 with --strict
a column or law misspelt; --where unknown       2     the nearest name
a law that sees the mixture, and no ratios      2     "map your ratio column: --map r=..."
a law's own input missing                       2     "map your own name to it: --map U=..."
--where that leaves no row                      3     and what the column holds
ratios 0 and 1                                  0     left out of the fit unless --corners, errors reported
one size, one ratio, fewer rows than parameters 4     which term cannot be told apart, and what to measure
one run only, or few runs                       0     fitted, with a warning; 5 with --strict
more than --max-rows rows of one set            0     thinned evenly over N, r and D, and said
==============================================  ====  ====================================================
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.cli.given_table import GivenTable

MOST_ROWS = 10_000
"""Default of --max-rows."""


def fit(
    losses: Annotated[Path, typer.Argument(help="Table of losses (CSV, JSON lines, also .gz, or Parquet).")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write fit.json into.")
    ] = None,
    law: Annotated[
        list[str] | None,
        typer.Option(help="Law; several are ranked (default: a few that suit the side; auto: the best)."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Score laws by a published protocol instead of one fit: d-cpt.")
    ] = None,
    eval_set: Annotated[list[str] | None, typer.Option(help="Evaluation set, repeatable.")] = None,
    columns: Annotated[Path | None, typer.Option(help="Column map (YAML); flags win over it.")] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="SYMBOL=COLUMN,... repeatable; SYMBOL may be an input of the law."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="SYMBOL=VALUE,... the same in every row; repeatable.")
    ] = None,
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR, repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general or =domain, repeatable.")] = None,
    run: Annotated[
        str | None, typer.Option(help="Column of independent runs (default: by N, r, seed; else each row).")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep rows with COLUMN=A|B (or != < <= > >=); repeatable.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Each evaluation set is a column of losses.")] = False,
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
    profile: Annotated[
        bool, typer.Option("--profile", help="Profile intervals of the parameters too.")
    ] = False,
    max_rows: Annotated[
        int, typer.Option(min=1, help="Rows fitted of each evaluation set; more are thinned evenly.")
    ] = MOST_ROWS,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when a fit is doubtful.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace fits that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit laws to losses, with intervals, hold-outs beside baselines, and reasons for doubt."""
    from dcpt.cli.fit_document import describe_fit, describe_fits
    from dcpt.cli.fit_folder import note_table, provenance_of
    from dcpt.cli.fit_runs import (
        AUTO,
        best_laws,
        check_ratios,
        choose_laws,
        columns_to_keep,
        fit_each,
        rank_named,
        sets_to_fit,
        wanted_laws,
    )
    from dcpt.cli.given_table import read_given, reading_of
    from dcpt.cli.law_parameters import law_parameters
    from dcpt.cli.options import fresh_in, lists, pairs
    from dcpt.core.errors import EXIT_DOUBTFUL, ConfigError
    from dcpt.ingest.column_map import read_column_map

    path = None if output is None else fresh_in(output, "fit.json", force)
    laws = wanted_laws(law)
    auto = bool(law) and AUTO in (law or ())
    kept = columns_to_keep(laws, auto)
    changes = (pairs(fix, "--fix"), pairs(bound, "--bound"), pairs(tie, "--tie"))
    options: dict[str, Any] = {"metric": metric, "corners": corners, "delta": delta, "seed": seed}
    if any(changes):
        if len(law or ()) != 1 or len(laws) != 1 or protocol is not None:
            raise ConfigError("--fix, --bound and --tie speak of one law.", hint="name it: --law d-cpt")
        options["params"] = law_parameters(laws[0].name, *changes)
    if protocol is not None and (protocol != "d-cpt" or output is not None):
        wanted = "wanted d-cpt" if protocol != "d-cpt" else "it makes figures, no fit for -o"
        raise ConfigError(f"--protocol {protocol}: {wanted}.")
    reading = reading_of(
        None if columns is None else read_column_map(columns).reading(),
        lists(map_, "--map"),
        pairs(scale, "--scale"),
        pairs(role, "--role"),
        lists(set_, "--set"),
        run,
        where or (),
        kept,
        wide,
    )
    given = read_given(losses, reading, kept, eval_set or (), max_rows)
    for note in given.notes:
        show.say(f"note: {note}")
    if given.report.dropped:
        show.say(str(given.report))
    names = sets_to_fit(given.table, eval_set)
    if law and not auto:
        check_ratios(laws, given.table, losses)
    if protocol is not None:
        _judge(
            given,
            names,
            AUTO if auto else [item.name for item in laws] if law else "d-cpt",
            json,
            metric,
            delta,
        )
        return
    tournament, unranked = None, ""
    refused: dict[str, str] = {}
    if auto:
        tournament, chosen = best_laws(given.table, names, options)
    else:
        named = laws if law else None
        chosen, refused = choose_laws(given.table, names, named, eval_set is not None, metric)
        if law and len(laws) > 1 and holdouts:
            tournament, unranked = rank_named(given.table, chosen, options)
    if unranked:
        show.say(f"note: {unranked}")
    options |= {"bootstrap": bootstrap, "holdouts": holdouts, "profiles": profile}
    fits, seconds = fit_each(given.table, chosen, refused, options)
    if output is not None:
        replace(fits, provenance=provenance_of(losses, given)).save(output)
        note_table(output, losses, given.table, given.reading)
    if json:
        notes = [*given.notes, *filter(None, [unranked])]
        items = [describe_fit(item, took) for item, took in zip(fits, seconds, strict=True)]
        rest = {"refused": dict(fits.refused), "path": path, "table": given.to_dict(), "notes": notes}
        if tournament is not None:
            rest["tournament"] = tournament.to_dict()
        show.document("fit", describe_fits(items, **rest))
    else:
        if tournament is not None:
            show.result(tournament.summary() + "\n")
        show.result(fits.summary())
        show.say("nothing is written; -o FOLDER keeps the fits" if path is None else f"written: {path}")
    if strict and (given.notes or any(item.status != "converged" or item.warnings for item in fits)):
        raise typer.Exit(EXIT_DOUBTFUL)


def _judge(given: GivenTable, eval_sets: list[str], laws: Any, json: bool, metric: str, delta: float) -> None:
    """Score laws by a published protocol and print the figures."""
    from dcpt.fit.protocol import dcpt_protocol

    found = dcpt_protocol(given.table, eval_sets, laws, metric=metric, delta=delta)
    if json:
        show.document("protocol", {**found.to_dict(), "table": given.to_dict(), "notes": given.notes})
    else:
        show.result(found.summary())
