"""Files of mixtures and their losses: a folder of two CSV files as RegMix publishes them, or one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture_table import SIZES, MixtureTable
from dcpt.core.table_file import read_frame
from dcpt.fit.mixtures.mixture_frame import mixtures_from_frame, run_name
from dcpt.fit.mixtures.one_variant import VARIANT, rows_of_one_variant
from dcpt.ingest.drop_report import DropReport

SHARE, LOSS = "share:", "loss:"
"""Prefixes of the columns of one table by default."""

INDEX, RUN_ID = "index", "run_id"


def read_mixtures(
    path: Path | str,
    part: str = "train",
    shares: str | Mapping[str, str] = SHARE,
    losses: str | Mapping[str, str] = LOSS,
    index: str | None = None,
    columns: Mapping[str, str] | None = None,
    conditions: Sequence[str] = (),
) -> tuple[MixtureTable, DropReport]:
    """Read mixtures and losses; everything is matched by name, never by order.

    Parameters
    ----------
    path : path
        A folder with one ``{part}_mixture*.csv`` and one ``{part}_*loss*.csv`` that share a column of
        run names; or one CSV, JSON lines or Parquet file with a row per run.
    part : str
        Which pair of a folder: ``train`` or ``test``.
    shares, losses : str or mapping
        For one file: prefix of the columns, or the columns themselves with the names they stand for.
    index : str, optional
        Column of run names: ``index`` by default, else ``run_id``, where one is there (a folder must have
        the first).
    columns : mapping, optional
        For one file: column to ``N``, ``D`` or ``seed``; by default columns of these names.
    conditions : sequence of str
        For one file: which rows are meant, as in ``variant=mer``.

    Returns
    -------
    MixtureTable, DropReport
        Shares are divided by their sums. The report counts runs that are in one file of the pair only,
        runs without a loss, and those left out by the conditions.

    Raises
    ------
    ConfigError
        When a condition cannot be read, or runs of several variants are left.
    DataError
        When a file is absent, ambiguous or unreadable, or its rows do not pass; missing and negative
        shares, percentages, rows that do not sum to about 1 and runs named twice are refused.
    """
    path = Path(path)
    if path.is_dir():
        if conditions:
            raise ConfigError(f"{path}: a pair of files has no columns to choose rows by.")
        return _read_folder(path, part, index or INDEX)
    frame = read_frame(path, "a table of mixtures", (VARIANT,))
    meant, dropped = rows_of_one_variant(frame, conditions, str(path))
    table, report = mixtures_of_frame(meant, shares, losses, index, columns, str(path))
    return table, replace(report, read=len(frame), dropped={**dropped, **report.dropped})


def mixtures_of_frame(
    frame: pd.DataFrame,
    shares: str | Mapping[str, str] = SHARE,
    losses: str | Mapping[str, str] = LOSS,
    index: str | None = None,
    columns: Mapping[str, str] | None = None,
    where: str = "table of mixtures",
) -> tuple[MixtureTable, DropReport]:
    """As `read_mixtures`, of a frame with a row per run."""
    found_shares = _columns(frame, shares, "share", where)
    found_losses = _columns(frame, losses, "loss", where)
    if index is None:
        index = next((name for name in (INDEX, RUN_ID) if name in frame), None)
    if columns is None:
        columns = {name: name for name in SIZES if name in frame and frame[name].notna().all()}
    unknown = [name for name in columns.values() if name not in SIZES]
    if unknown:
        raise ConfigError(
            f"columns: {unknown[0]!r} is none of a table of mixtures; wanted {', '.join(SIZES)}."
        )
    return mixtures_from_frame(frame, found_shares, found_losses, index, columns, where)


def align(table: MixtureTable, like: MixtureTable) -> MixtureTable:
    """The same runs with corpora and targets in the order of another table.

    Raises
    ------
    DataError
        When a corpus or target of one table is not in the other.
    """
    for what in ("corpora", "targets"):
        mine, theirs = getattr(table, what), getattr(like, what)
        odd = sorted(set(mine) ^ set(theirs))
        if odd:
            there = table.where if odd[0] in mine else like.where
            raise DataError(f"{there}: {what} {odd[0]!r} is not in the other table; wanted the same {what}.")
    columns = [table.corpora.index(name) for name in like.corpora]
    sides = None if table.sides is None else tuple(table.sides[column] for column in columns)
    moved = replace(table, corpora=like.corpora, shares=table.shares[:, columns], sides=sides)
    return moved.only(like.targets)


def _read_folder(folder: Path, part: str, index: str) -> tuple[MixtureTable, DropReport]:
    mixtures = _one(folder, f"{part}_mixture*.csv")
    measured = _one(folder, f"{part}_*loss*.csv")
    frames = []
    for path in (mixtures, measured):
        frame = read_frame(path, "a table of mixtures", ())
        if index not in frame:
            raise DataError(
                f"{path}: column {index!r} is missing; found {', '.join(map(str, frame.columns))}.",
                hint="the two files are joined by the names of their runs",
            )
        if frame[index].isna().any():
            raise DataError(f"{path}: a row has no {index}; wanted the name of a run.")
        frame[index] = [run_name(value) for value in frame[index]]
        twice = frame[index][frame[index].duplicated()]
        if len(twice):
            raise DataError(f"{path}: run {twice.iloc[0]!r} stands twice; wanted each once.")
        frames.append(frame)
    corpora = [str(name) for name in frames[0] if name != index]
    targets = [str(name) for name in frames[1] if name != index]
    both = sorted(set(corpora) & set(targets))
    # A corpus and a loss may carry the same name; the frames are joined, so they need different ones.
    renamed = frames[1].rename(columns={name: LOSS + name for name in both})
    joined = frames[0].merge(renamed, on=index, how="inner", validate="one_to_one")
    if joined.empty:
        raise DataError(
            f"{measured}: has no run in common with {mixtures.name}; wanted the same names in {index!r}."
        )
    table, report = mixtures_from_frame(
        joined,
        {name: name for name in corpora},
        {LOSS + name if name in both else name: name for name in targets},
        index,
        where=str(folder),
    )
    alone = {
        path.name: len(frame) - len(joined) for path, frame in zip((mixtures, measured), frames, strict=True)
    }
    dropped = {f"only in {name}": count for name, count in alone.items() if count}
    everything = len(set(frames[0][index]) | set(frames[1][index]))
    return table, DropReport(everything, len(table), {**dropped, **report.dropped}, report.ignored)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(f"{folder}: {pattern} matches {names}; wanted one file.")
    return found[0]


def _columns(frame: pd.DataFrame, given: str | Mapping[str, str], what: str, where: str) -> dict[str, str]:
    """Column to name, from a prefix or as given."""
    if not isinstance(given, str):
        return dict(given)
    names = np.array([str(name) for name in frame.columns])
    found = {str(name): str(name)[len(given) :] for name in names if str(name).startswith(given)}
    if not found:
        raise DataError(
            f"{where}: no column begins with {given!r}; found {', '.join(names)}.",
            hint=f"name the {what} columns by a prefix of theirs, or each with the name it stands for",
        )
    return found
