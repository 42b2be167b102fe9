"""``dcpt fit`` on several domains, one table each: stacked fits, and laws judged on domains left out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.cli import show
from dcpt.core.errors import ConfigError, DataError, FitError

if TYPE_CHECKING:
    from dcpt.cli.given_table import GivenTable
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.left_domains import LeftDomains
    from dcpt.fit.short_run import ShortRun
    from dcpt.ingest.reading import Reading
    from dcpt.laws.law import Law

PROTOCOLS = {"leave-1-domain": 1, "leave-2-domains": 2}
"""Value of --protocol to the number of domains it leaves out together."""

_SEPARATOR = ":"


def name_domains(files: Sequence[Path], named: Mapping[str, str]) -> dict[str, Path]:
    """Domain to its table: those of --domain by their names, the others by their files.

    A file's name says the domain; where several files have one name, that of the folder they lie in does.

    Raises
    ------
    ConfigError
        When two tables would be of one domain.
    """
    stems = [Path(path.name.removesuffix(".gz")).stem for path in files]
    found: dict[str, Path] = {}
    for path, stem in zip(files, stems, strict=True):
        name = stem if stems.count(stem) == 1 else path.resolve().parent.name
        if name in found or name in named:
            raise ConfigError(
                f"two tables are named {name!r}: {found.get(name, named.get(name))} and {path}.",
                hint=f"name them yourself: --domain NAME={path}",
            )
        found[name] = path
    return {**found, **{name: Path(path) for name, path in named.items()}}


def on_domains(
    files: Mapping[str, Path],
    reading: Reading,
    laws: Sequence[Law] | None,
    eval_sets: Sequence[str],
    most: int,
    protocol: str | None,
    short_run: str | None,
    options: Mapping[str, Any],
    keep: Mapping[str, Any],
    path: Path | None,
    json: bool,
    strict: bool,
) -> None:
    """Read the tables, judge or fit the laws, and print and write what comes of it.

    Parameters
    ----------
    laws : sequence of Law or None
        Laws that were named.
    protocol, short_run : str or None
        The flags.
    options, keep : mapping
        What fits and hold-outs share, and what belongs to fits alone, as in `dcpt.fit.fit.fit_data`.
    path : Path or None
        The file to write.
    """
    from dcpt.cli.fit import check_doubts
    from dcpt.cli.fit_document import print_fits
    from dcpt.cli.fit_folder import forget_table, provenance_of_domains

    run = None if short_run is None else parse_short_run(short_run)
    if protocol is not None and protocol not in PROTOCOLS:
        raise ConfigError(
            f"--protocol {protocol} judges the laws of one domain; got the tables of {', '.join(files)}.",
            hint=f"of several domains: --protocol {' or '.join(PROTOCOLS)}",
        )
    if protocol is None and not laws:
        raise ConfigError(
            f"several tables are several domains ({', '.join(files)}); name the law to fit to them together.",
            hint="--law cross-d-cpt-k1, or rank laws on domains left out: --protocol leave-2-domains",
        )
    given = read_domains(files, reading, eval_sets, most)
    notes = notes_on(given, options["metric"])
    for note in notes:
        show.say(f"note: {note}")
    names = sets_of_all(given, eval_sets)
    about = {"tables": {name: item.to_dict() for name, item in given.items()}, "notes": notes}
    if protocol is not None:
        found = judge_domains(given, names, laws, PROTOCOLS[protocol], run, options)
        if json:
            judged = {"protocol": protocol, "sets": [item.to_dict() for item in found]}
            show.document("protocol", {**judged, **about})
        else:
            show.result("\n\n".join(item.summary() for item in found))
        return
    fits, seconds = fit_domains(given, names, laws or (), run, {**options, **keep})
    if path is not None:
        replace(fits, provenance=provenance_of_domains(files, given)).save(path.parent)
        forget_table(path.parent)
    print_fits(fits, seconds, path, about, json)
    if strict:
        check_doubts(fits, notes)


def parse_short_run(text: str) -> ShortRun:
    """Read ``N=54040,r=1,D=98304:196608:393216``.

    Raises
    ------
    ConfigError
        When a part is missing or is no such number.
    """
    from dcpt.core.quantity import parse_assignments, parse_quantity
    from dcpt.fit.short_run import ShortRun

    wanted = "wanted N=SIZE,r=SHARE,D=TOKENS:TOKENS:TOKENS"
    parts = parse_assignments(text, "--short-run")
    tokens = [parse_quantity(item, "--short-run D") for item in parts.get("D", "").split(_SEPARATOR) if item]
    if set(parts) != {"N", "r", "D"} or len(tokens) != 3:
        raise ConfigError(f"--short-run: got {text!r}; {wanted}.")
    if not 0 < tokens[0] < tokens[1] < tokens[2]:
        raise ConfigError(f"--short-run: got D = {parts['D']}; wanted three numbers of tokens that grow.")
    N, r = (parse_quantity(parts[name], f"--short-run {name}") for name in ("N", "r"))
    return ShortRun(N, r, (tokens[0], tokens[1], tokens[2]))


def read_domains(
    files: Mapping[str, Path], reading: Reading, eval_sets: Sequence[str], most: int
) -> dict[str, GivenTable]:
    """Every domain's table, all read the same way."""
    from dcpt.cli.given_table import read_given

    return {name: read_given(path, reading, (), eval_sets, most) for name, path in files.items()}


def notes_on(given: Mapping[str, GivenTable], metric: str) -> list[str]:
    """What the tables' reader has to say, each with its domain, and whether their losses compare."""
    notes = [f"{name}: {note}" for name, item in given.items() for note in item.notes]
    tokenizers = {text for item in given.values() for text in item.table.frame["tokenizer"] if text}
    if metric == "loss" and len(tokenizers) > 1:
        notes.append(
            f"The domains have {len(tokenizers)} tokenizers, whose losses per token do not compare; bits per "
            "byte do: --metric bpb."
        )
    return notes


def sets_of_all(given: Mapping[str, GivenTable], asked: Sequence[str]) -> list[str]:
    """Evaluation sets asked for, else those of the first table's that every table has.

    Raises
    ------
    DataError
        When the tables share none.
    """
    from dcpt.cli.fit_runs import sets_to_fit

    tables = [item.table for item in given.values()]
    shared = [
        name
        for name in sets_to_fit(tables[0], asked)
        if asked or all(name in table.eval_sets for table in tables)
    ]
    if not shared:
        sets = "; ".join(f"{name}: {', '.join(item.table.eval_sets)}" for name, item in given.items())
        raise DataError(
            f"the tables share no evaluation set ({sets}).",
            hint="give the losses of the domain one name in all tables: --map eval_set=COLUMN, or --set "
            "eval_set=domain",
        )
    return shared


def judge_domains(
    given: Mapping[str, GivenTable],
    eval_sets: Sequence[str],
    laws: Sequence[Law] | None,
    left_out: int,
    run: ShortRun | None,
    options: Mapping[str, Any],
) -> list[LeftDomains]:
    """Laws judged on domains left out, for every evaluation set."""
    from dcpt.fit.left_domains import LAWS, leave_domains_out

    tables = {name: item.table for name, item in given.items()}
    judging = {name: options[name] for name in ("metric", "corners", "delta", "seed")}
    chosen = list(laws) if laws else list(LAWS)
    return [
        leave_domains_out(tables, chosen, left_out=left_out, run=run, eval_set=name, **judging)
        for name in eval_sets
    ]


def fit_domains(
    given: Mapping[str, GivenTable],
    eval_sets: Sequence[str],
    laws: Sequence[Law],
    run: ShortRun | None,
    options: Mapping[str, Any],
) -> tuple[FitSet, list[float]]:
    """Fit every law to the stacked rows of all domains, and time each fit.

    Raises
    ------
    FitError
        When no law can be fitted.
    """
    from dcpt.fit.domains import stack_domains
    from dcpt.fit.fit import fit_data
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.left_domains import COEFFICIENTS
    from dcpt.fit.short_run import common_short_run

    tables = {name: item.table for name, item in given.items()}
    rest = {name: value for name, value in options.items() if name not in ("metric", "corners")}
    metric, corners = options["metric"], options["corners"]
    needed = any(set(COEFFICIENTS) & set(law.inputs) for law in laws)
    run = (run or common_short_run(tables, metric=metric)) if needed else None
    fits, seconds, refused = [], [], {}
    for eval_set in eval_sets:
        data = stack_domains(tables, run, eval_set, corners, metric)
        for law in laws:
            start = time.perf_counter()
            try:
                fits.append(fit_data(law, data, **rest))
            except FitError as error:
                refused[f"{law.name} on {eval_set}"] = str(error)
            else:
                seconds.append(time.perf_counter() - start)
    if not fits:
        raise FitError("; ".join(f"{which}: {why}" for which, why in refused.items()))
    return FitSet(tuple(fits), refused), seconds
