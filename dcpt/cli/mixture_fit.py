"""``dcpt fit`` on a table of mixtures: the predictor of losses by mixture, chosen and calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.core.mixture_table import MixtureTable
    from dcpt.fit.mixtures.mixture_fit import MixtureFit

FILE = "mixture.json"
OF_SWEEP = "mixtures.csv"
"""What a sweep of mixtures writes into its folder."""

LEAST_LARGE = 4
"""Runs of the largest size from which a fit to a smaller one can be carried over to it."""

_SAME = 1.01
"""Sizes or tokens within this factor count as one."""


def holds_mixtures(paths: Sequence[Path]) -> bool:
    """Whether the one path named is a table of mixtures: RegMix's pair of files, a sweep's folder, a file."""
    if len(paths) != 1:
        return False
    path = paths[0]
    if path.is_dir():
        return (path / OF_SWEEP).exists() or any(path.glob("train_mixture*.csv"))
    return path.is_file() and _has_columns(path)


def _has_columns(path: Path) -> bool:
    """Whether a file's first line or schema names shares; the reader says what else is wrong with it."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            names = list(pyarrow.parquet.read_schema(path).names)
        except (OSError, ValueError):
            return False
        return any(str(name).startswith("share:") for name in names)
    import gzip
    import zlib

    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            return b"share:" in file.readline(1 << 16)
    except (OSError, EOFError, zlib.error):
        return False


def fit_mixtures(
    path: Path,
    output: Path | None = None,
    seed: int = 0,
    force: bool = False,
    strict: bool = False,
    json: bool = False,
    where: Sequence[str] = (),
) -> MixtureFit:
    """Read a table of mixtures, choose the predictor, write ``mixture.json`` and print what was tried.

    Runs of several sizes are fitted at the size with most of them and carried over to the largest one.

    Parameters
    ----------
    path : path
        The table, or a folder; see `holds_mixtures`.
    output : path, optional
        Folder to write into.
    seed : int
        Of folds and subsamples.
    force : bool
        Replace a fit that is there.
    strict : bool
        Exit with the code of a doubtful answer when the fit warns.
    json : bool
        Print one JSON document.
    where : sequence of str
        Which rows are meant, as in ``variant=mer``.
    """
    from dataclasses import replace

    from dcpt.cli.options import fresh_in
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.fit.mixtures import choose, fit_transfer, read_mixtures

    file = None if output is None else fresh_in(output, FILE, force)
    source = path / OF_SWEEP if path.is_dir() and (path / OF_SWEEP).exists() else path
    table, dropped = read_mixtures(source, conditions=where)
    notes = [str(dropped)] if dropped.dropped else []
    cheap, large, more = split_sizes(table)
    notes += more
    for note in notes:
        show.say(f"note: {note}")
    fit = choose(cheap, seed)
    if large is not None:
        show.say(f"{cheap}: {fit.name}; carried over to {large}")
        fit = fit_transfer(fit, large, seed)
    fit = replace(fit, keep=_kept_by_the_sweep(source, fit))
    if file is not None:
        fit.write(file)
    if json:
        show.document("mixture-fit", _document(fit, cheap, large, file, notes))
    else:
        show.result(f"{fit.name}, from {large if large is not None else cheap}\n{fit.choice}")
        for warning in fit.warnings:
            show.say(f"warning: {warning}")
        if file is not None:
            show.say(f"written: {file}")
    if strict and (fit.warnings or notes):
        raise typer.Exit(EXIT_DOUBTFUL)
    return fit


def _kept_by_the_sweep(table: Path, fit: MixtureFit) -> tuple[str, ...]:
    """Limits of the sweep's target, of a table that lies beside its sweep file."""
    from dcpt.core.errors import ConfigError

    file = table.parent / "sweep.yaml"
    if fit.sides is None or table.name != OF_SWEEP or not file.exists():
        return ()
    from dcpt.sweep.spec import read_sweep

    try:
        target = read_sweep(file).target
    except ConfigError as error:
        show.say(f"note: {error.message} A plan keeps the limits it is given.")
        return ()
    return (target.keep,) if target is not None else ()


def split_sizes(table: MixtureTable) -> tuple[MixtureTable, MixtureTable | None, list[str]]:
    """The runs to fit, those of the largest size where it is another one, and what is left out.

    Of several budgets the largest is taken, for each size.
    """
    import numpy as np

    notes: list[str] = []

    def at_most_tokens(part: MixtureTable) -> MixtureTable:
        if part.D is None or part.D.max() <= _SAME * part.D.min():
            return part
        kept = part.D.max() <= part.D * _SAME
        notes.append(
            f"{part.where}: {int((~kept).sum())} runs with fewer tokens than the longest are left out"
        )
        return part.rows(kept)

    if table.N is None or table.N.max() <= _SAME * table.N.min():
        return at_most_tokens(table), None, notes
    # Sizes nearer to their neighbour than the tolerance are one.
    group = np.concatenate([[0], np.cumsum(np.diff(np.log(np.sort(table.N))) > np.log(_SAME))])
    steps = np.empty(len(table), dtype=np.int64)
    steps[np.argsort(table.N, kind="stable")] = group
    sizes, counts = np.unique(steps, return_counts=True)
    most = sizes[len(sizes) - 1 - int(np.argmax(counts[::-1]))]
    parts = {size: at_most_tokens(table.rows(steps == size)) for size in (most, sizes[-1])}
    if sizes[-1] == most:
        notes.append(f"{table.where}: runs of smaller sizes are left out; the largest size has most runs")
        return parts[most], None, notes
    if len(np.unique(parts[sizes[-1]].mixtures)) < LEAST_LARGE:
        notes.append(
            f"{table.where}: the largest size has fewer than {LEAST_LARGE} mixtures; the answer is for the "
            "size with most runs"
        )
        return parts[most], None, notes
    return parts[most], parts[sizes[-1]], notes


def _document(
    fit: MixtureFit, cheap: MixtureTable, large: MixtureTable | None, file: Path | None, notes: list[str]
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "path": None if file is None else str(file),
        "predictor": fit.name,
        "corpora": list(fit.corpora),
        "targets": list(fit.targets),
        "runs": len(cheap),
        "larger_runs": 0 if large is None else len(large),
        "choice": asdict(fit.choice),
        "warnings": list(fit.warnings),
        "notes": notes,
        "fingerprint": fit.fingerprint,
    }
