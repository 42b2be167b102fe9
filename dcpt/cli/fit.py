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
a base (D = 0) whose ratio is empty             0     it has seen no mixture: r = 0
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
several tables, and too few domains to leave    2     how many are wanted
out, or no law named
several tables that share no short run          3     what is wanted of it; --short-run names one
curves whose rates are not known                3     "map the column of rates: --map eta=lr"
a log that begins behind its warm-up            0     a linear one is assumed, and said; --warmup tells it
curves of several sizes or mixtures, and a law  2     "choose one of them, or a law that does"
that does not read them
==============================================  ====  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcpt.cli import show
from dcpt.cli.curve_options import BurnIn, Figure, FitBase, Side, Switch, Test, Train, Warmup

if TYPE_CHECKING:
    from dcpt.cli.given_table import GivenTable
    from dcpt.fit.fit_file import FitSet

MOST_ROWS = 10_000
"""Default of --max-rows."""

REFITS = 400
"""Default of --bootstrap."""


def fit(
    losses: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Table of losses (CSV, JSON lines, also .gz, or Parquet). Several are several domains, "
            "fitted together. Of loss curves also a folder of such tables. Of many corpora a table with "
            "columns share:NAME and loss:NAME, the folder of a sweep of mixtures, or RegMix's files."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder to write fit.json, or of curves curves.json, into."),
    ] = None,
    law: Annotated[
        list[str] | None,
        typer.Option(
            help="Law; several are ranked (default: a few that suit the side; auto: the best). A law of loss "
            "curves, or auto-curve, fits curves."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Score laws by a published protocol instead of one fit: d-cpt; of several domains "
            "leave-2-domains or leave-1-domain."
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Table of a domain: NAME=FILE, repeatable (default: named by the file)."),
    ] = None,
    short_run: Annotated[
        str | None,
        typer.Option(
            help="Run that tells domains apart: N=SIZE,r=SHARE,D=TOKENS:TOKENS:TOKENS (default: the "
            "cheapest that all tables have)."
        ),
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
    scale: Annotated[list[str] | None, typer.Option(help="SYMBOL=FACTOR,... repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="EVAL_SET=general|domain,... repeatable.")] = None,
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
    bootstrap: Annotated[
        int | None, typer.Option(min=0, help="Refits for the intervals (default: 400, of curves 100).")
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(min=0, help="Huber threshold of the log residual (default: the law's)."),
    ] = None,
    holdouts: Annotated[bool, typer.Option(help="Score held-out sizes, ratios and tokens.")] = True,
    profile: Annotated[
        bool, typer.Option("--profile", help="Profile intervals of the parameters too.")
    ] = False,
    max_rows: Annotated[
        int, typer.Option(min=1, help="Rows fitted of each evaluation set; more are thinned evenly.")
    ] = MOST_ROWS,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    side: Side = None,
    warmup: Warmup = None,
    switch: Switch = None,
    base_schedule: FitBase = None,
    burn_in: BurnIn = 0,
    train: Train = None,
    test: Test = None,
    figure: Figure = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell every fit in full.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when a fit is doubtful.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace fits that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fit laws to losses, with intervals, hold-outs beside baselines, and reasons for doubt."""
    from dcpt.cli.curve_fit import CurveFlags, on_curves
    from dcpt.cli.curve_options import refuse_beside, refuse_without
    from dcpt.cli.curve_reading import speaks_of_curves
    from dcpt.cli.fit_document import print_fits
    from dcpt.cli.fit_domains import PROTOCOLS, name_domains, on_domains
    from dcpt.cli.fit_folder import note_table, provenance_of
    from dcpt.cli.fit_runs import (
        AUTO,
        best_laws,
        check_ratios,
        choose_laws,
        columns_to_keep,
        fit_each,
        laws_not_first,
        rank_named,
        sets_to_fit,
        wanted_laws,
    )
    from dcpt.cli.given_table import read_given, reading_of
    from dcpt.cli.law_parameters import law_parameters, units_note
    from dcpt.cli.mixture_fit import fit_mixtures, holds_mixtures
    from dcpt.cli.options import fresh_in, lists, pairs
    from dcpt.core.errors import ConfigError
    from dcpt.ingest.column_map import read_column_map

    if holds_mixtures(losses or ()):
        told: dict[str, Any] = {"--law": law, "--protocol": protocol, "--domain": domain, "--map": map_}
        told |= {"--eval-set": eval_set, "--columns": columns, "--set": set_, "--scale": scale, "--run": run}
        told |= {"--fix": fix, "--bound": bound, "--tie": tie, "--short-run": short_run}
        refuse_beside("a table of mixtures", told | {"--bootstrap": bootstrap, "--figure": figure})
        fit_mixtures((losses or [])[0], output, seed, force, strict, json, where or ())
        return
    said = None if columns is None else read_column_map(columns).reading()
    maps = (lists(map_, "--map"), lists(scale, "--scale"), lists(role, "--role"), lists(set_, "--set"))
    curves = CurveFlags(side, warmup, switch, base_schedule, burn_in, train, test, figure)
    if speaks_of_curves(law):
        static = {"--protocol": protocol, "--domain": domain, "--short-run": short_run, "--bound": bound}
        refuse_beside("laws of curves", static | {"--tie": tie, "--corners": corners, "--profile": profile})
        own = {"metric": metric, "bootstrap": bootstrap, "delta": delta, "seed": seed, "holdout": holdouts}
        asked = (law or [], eval_set or [], lists(fix, "--fix"), curves, max_rows, own)
        on_curves(losses or [], (said, *maps, run, where or (), wide), *asked, output, force, strict, json)
        return
    refuse_without("a law of them (--law cpt-dynamics)", curves.given())
    path = None if output is None else fresh_in(output, "fit.json", force)
    files = name_domains(losses or (), pairs(domain, "--domain"))
    if not files:
        raise ConfigError("no table of losses is named.", hint="dcpt fit losses.csv")
    laws = wanted_laws(law)
    auto = bool(law) and AUTO in (law or ())
    kept = columns_to_keep(laws, auto)
    changes = (lists(fix, "--fix"), lists(bound, "--bound"), pairs(tie, "--tie"))
    options: dict[str, Any] = {"metric": metric, "corners": corners, "delta": delta, "seed": seed}
    if any(changes):
        if len(law or ()) != 1 or len(laws) != 1 or protocol is not None:
            raise ConfigError("--fix, --bound and --tie speak of one law.", hint="name it: --law d-cpt")
        options["params"] = law_parameters(laws[0], *changes)
        unit = units_note(laws[0])
        if unit:
            show.say(f"note: {unit}")
    known = ("d-cpt", *PROTOCOLS)
    if protocol is not None and (protocol not in known or output is not None):
        wanted = f"wanted {', '.join(known)}" if protocol not in known else "it makes figures, no fit for -o"
        raise ConfigError(f"--protocol {protocol}: {wanted}.")
    reading = reading_of(said, *maps, run, where or (), kept, wide)
    refits = REFITS if bootstrap is None else bootstrap
    keep = {"bootstrap": refits, "holdouts": holdouts, "profiles": profile}
    if len(files) > 1 or protocol in PROTOCOLS or short_run is not None:
        named = laws if law and not auto else None
        on_domains(
            files,
            reading,
            named,
            eval_set or (),
            max_rows,
            protocol,
            short_run,
            options,
            keep,
            path,
            json,
            strict,
        )
        return
    table = next(iter(files.values()))
    given = read_given(table, reading, kept, eval_set or (), max_rows)
    for note in given.notes:
        show.say(f"note: {note}")
    if given.report.dropped:
        show.say(str(given.report))
    names = sets_to_fit(given.table, eval_set)
    if law and not auto:
        check_ratios(laws, given.table, table)
    if protocol is not None:
        judged = AUTO if auto else [item.name for item in laws] if law else "d-cpt"
        _judge(given, names, judged, json, metric, delta)
        return
    tournament, unranked = None, ""
    refused: dict[str, str] = {}
    if auto:
        tournament, chosen = best_laws(given.table, names, options)
    else:
        chosen, refused = choose_laws(given.table, names, laws if law else None, eval_set is not None, metric)
        if law and len(laws) > 1 and holdouts:
            tournament, unranked = rank_named(given.table, chosen, options)
    if unranked:
        show.say(f"note: {unranked}")
    fits, seconds = fit_each(given.table, chosen, refused, options | keep)
    if output is not None:
        replace(fits, provenance=provenance_of(table, given)).save(output)
        note_table(output, table, given.table, given.reading)
    rest: dict[str, Any] = {"table": given.to_dict(), "notes": [*given.notes, *filter(None, [unranked])]}
    rest["not_first"] = laws_not_first(fits)
    if tournament is not None:
        rest["tournament"] = tournament.to_dict()
    ranked = "" if tournament is None else tournament.summary()
    print_fits(fits, seconds, path, rest, json, ranked, verbose)
    for why in () if json else rest["not_first"].values():
        show.say(f"note: {why}")
    if strict:
        check_doubts(fits, given.notes)


def check_doubts(fits: FitSet, notes: Sequence[str]) -> None:
    """End with the exit code of a doubtful answer where there is a reason to doubt it."""
    from dcpt.core.errors import EXIT_DOUBTFUL

    if notes or any(item.status != "converged" or item.warnings for item in fits):
        raise typer.Exit(EXIT_DOUBTFUL)


def _judge(
    given: GivenTable, eval_sets: list[str], laws: Any, json: bool, metric: str, delta: float | None
) -> None:
    """Score laws by a published protocol and print the figures."""
    from dcpt.fit.protocol import dcpt_protocol

    options = {} if delta is None else {"delta": delta}
    found = dcpt_protocol(given.table, eval_sets, laws, metric=metric, **options)
    if json:
        show.document("protocol", {**found.to_dict(), "table": given.to_dict(), "notes": given.notes})
    else:
        show.result(found.summary())
