"""Any file of losses, by a map of its columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from dcpt.core.errors import DataError, DoubtWarning
from dcpt.core.loss_table import COLUMNS, REQUIRED, RUN, SCHEDULES, LossTable
from dcpt.core.table_file import read_frame
from dcpt.ingest.base_rows import fill_bases, hint_of_ratio
from dcpt.ingest.drop_report import DropReport
from dcpt.ingest.perplexities import perplexities
from dcpt.ingest.pooled_sets import sets_pooled
from dcpt.ingest.reading import Reading
from dcpt.ingest.row_filter import keep_rows
from dcpt.ingest.wide_table import check_roles, melt_sets

LEAST_CREDIBLE = 1000.0
"""Fewer parameters, or fewer tokens, than any language model was trained with."""

CREDIBLE = {"N": (1e-9, 1e18), "D": (1e-9, 1e18), "value": (1e-6, 1e6)}
"""Sizes, tokens (in units up to 1e12) and losses that can be meant; powers of others leave the floats."""


def read_csv(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    scale: Mapping[str, float] | None = None,
    roles: Mapping[str, str] | None = None,
    melt: bool = False,
    source: str = "",
) -> tuple[LossTable, DropReport]:
    """Import a table of losses; rows with empty cells and repeats are dropped, and counted.

    A row with D = 0 and an empty ratio is a base, which has seen no mixture: r = 0.

    Parameters
    ----------
    path : path
        CSV, JSON lines (both optionally compressed) or Parquet.
    columns : mapping, optional
        Symbol of the loss table to the file's column (``{"value": "eval/loss"}``); one column may serve
        several symbols.
    scale : mapping, optional
        Symbol to the factor its numbers are multiplied with (``{"r": 0.01}`` for percentages).
    roles : mapping, optional
        Evaluation set to general or domain.
    melt : bool
        The file is wide: every evaluation set in `roles` (and ``general``, ``domain``) is a column of
        losses.
    source : str
        What the rows' ``source`` column says; by default the file's name.

    Returns
    -------
    LossTable, DropReport

    Raises
    ------
    ConfigError
        When a mapped symbol is unknown.
    DataError
        When the file, a mapped column or an evaluation set with a role is absent, or the rows do not pass
        the table's checks.
    """
    reading = Reading(columns=columns or {}, scale=scale or {}, roles=roles or {}, wide=melt)
    return import_table(path, reading, source)


def import_table(path: Path | str, reading: Reading, source: str = "") -> tuple[LossTable, DropReport]:
    """Import a table as `read_csv` does, by a `Reading`."""
    path = Path(path)
    found, notes = read_cells(path, reading)
    return to_table(found, path, reading, notes=notes, source=source or path.name)


def read_cells(path: Path, reading: Reading) -> tuple[pd.DataFrame, list[str]]:
    """The file's cells under its own names, and what the reader has to say about them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = read_frame(path, "a table of losses", reading.words())
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return frame, [str(item.message) for item in caught if issubclass(item.category, DoubtWarning)]


def to_table(
    found: pd.DataFrame,
    path: Path,
    reading: Reading,
    *,
    strict: bool = False,
    notes: Sequence[str] = (),
    source: str = "",
) -> tuple[LossTable, DropReport]:
    """Make a loss table of a file's cells.

    Parameters
    ----------
    found : pandas.DataFrame
        From `read_cells`.
    path : Path
        Where they came from, for messages.
    reading : Reading
        How to read them.
    strict : bool
        Refuse a row with an empty cell among the columns that are read, instead of dropping it; repeats
        are then rows equal in every column of the file, and units that look odd are a note.
    notes : sequence of str
        What is already to be said.
    source : str
        What the rows' ``source`` column says where the file has none.
    """
    dropped: dict[str, int] = {}
    said = list(notes)
    _check_mapped(found, reading.mapped, path)
    if not len(found) and len(found.columns):
        columns = ", ".join(map(str, found.columns))
        raise DataError(f"{path}: the table is empty: a header ({columns}) and no rows.")
    # Numbers of the file's rows, for messages: they stay with the rows below.
    found = found.set_axis(pd.RangeIndex(1, len(found) + 1))
    kept, unwanted = keep_rows(found, reading.where, str(path))
    read, found = len(found), found[kept]
    dropped |= unwanted
    if strict:
        found = _drop(found, found.duplicated(), "repeats another row", dropped)
    frame, ignored = _name_columns(found, reading)
    if reading.wide:
        frame, sets = melt_sets(frame, reading.roles, path, reading.kept)
        ignored = tuple(name for name in ignored if name not in sets)
        read *= len(sets)
        dropped = {reason: count * len(sets) for reason, count in dropped.items()}
    else:
        if "eval_set" in frame:
            check_roles(reading.roles, frame["eval_set"].dropna().astype(str).unique(), path)
        frame = frame[[name for name in frame if name in reading.kept]]
    frame = _full_rows(frame, found, path, reading.mapped, strict, dropped)
    if read and not len(frame):
        reasons = "; ".join(f"{count}: {reason}" for reason, count in dropped.items())
        raise DataError(f"{path}: none of its {read} rows can be used ({reasons}).")
    if "source" not in frame and source:
        frame = frame.assign(source=source)
    if "r" in frame:
        frame = frame.assign(r=_shares(frame["r"]))
    table = LossTable.from_frame(
        frame,
        scale=reading.scale,
        roles=reading.roles,
        where=str(path),
        rows=frame.index.to_numpy(),
        extras=[name for name in reading.kept if name in frame and name not in COLUMNS],
    )
    _check_credible(table, frame.index.to_numpy(), path)
    if "eval_set" not in frame and table.has_ratios:
        said.append(
            "There is no column eval_set: every loss is taken for the general side's, whose share of the "
            "tokens is 1 - r. Say --set eval_set=domain if it is the domain's."
        )
    said += sets_pooled(found, frame, ignored)
    said += perplexities(table, reading.columns.get("value", "value"))
    for message, hint in odd_units(table):
        if not strict:
            raise DataError(f"{path}: {message}", hint=hint)
        said.append(f"{message} That {hint}, if so.")
    return table, DropReport(read, len(table), dropped, ignored, tuple(said))


def _full_rows(
    frame: pd.DataFrame,
    found: pd.DataFrame,
    path: Path,
    mapped: Mapping[str, str],
    strict: bool,
    dropped: dict[str, int],
) -> pd.DataFrame:
    """Rows with no empty cell where one is needed."""
    # A base has no base schedule, and one that was not trained here no schedule at all.
    further = [name for name in frame if name not in (*COLUMNS, *SCHEDULES)]
    optional = [name for name in frame if name in ("r", "eval_set", RUN) or name in further]
    for name in (*REQUIRED, *optional):
        if name not in frame:
            raise DataError(
                f"{path}: column {name!r} is missing; found {', '.join(map(str, found.columns))}.",
                hint=f"map your own name to it: --map {name}=YOUR_COLUMN",
            )
        empty = frame[name].isna()
        if not pd.api.types.is_numeric_dtype(frame[name].dtype):
            empty |= frame[name].astype(str).str.strip() == ""
        if empty.all() and name in ("r", "eval_set", RUN) and len(frame):
            frame = frame.drop(columns=name)  # a column of nothing is none
            continue
        every = int(empty.sum())
        if name == "r":
            frame, empty = fill_bases(frame, empty)
        if strict and empty.any():
            first, own = frame.index[empty.to_numpy()][0], mapped.get(name, name)
            hint = f"if such rows are to be left out, say so: --where '{own}!='"
            raise DataError(
                f"{path} row {first}: {name} is empty (in {int(empty.sum())} of {len(frame)} rows).",
                hint=hint_of_ratio(own, every > int(empty.sum())) if name == "r" else hint,
            )
        frame = _drop(frame, empty, f"{name} is empty", dropped)
    return frame if strict else _drop(frame, frame.duplicated(), "repeats another row", dropped)


def _drop(frame: pd.DataFrame, bad: pd.Series, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    if not bad.any():
        return frame
    dropped[reason] = dropped.get(reason, 0) + int(bad.sum())
    return frame[~bad]


def _shares(values: pd.Series) -> pd.Series:
    """Shares written as ``10%`` as numbers; everything else as it is."""
    text = values.astype(str).str.strip()
    if not text.str.endswith("%").all():
        return values
    numbers = pd.to_numeric(text.str.removesuffix("%"), errors="coerce")
    return values if numbers.isna().any() else numbers / 100


def odd_units(table: LossTable) -> Iterator[tuple[str, str]]:
    """Sizes and token counts that can only be thousands, millions or billions of something."""
    for name, what in (("N", "parameters"), ("D", "tokens")):
        most = float(table.frame[name].max())
        if 0 < most < LEAST_CREDIBLE:
            yield (
                f"{name} goes up to {most:g} {what}.",
                f"looks like billions or millions; pass --scale {name}=1e9 (or 1e6)",
            )


def _check_credible(table: LossTable, rows: Sequence[int], path: Path) -> None:
    for name, (low, high) in CREDIBLE.items():
        numbers = table.frame[name].to_numpy(float)
        wrong = ((numbers < low) | (numbers > high)) & ~((name == "D") & (numbers == 0))
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{path} row {rows[row]}: {name} = {numbers[row]:g}; wanted {low:g} to {high:g}.",
                hint="is it the right column, and in which unit? --scale changes that",
            )


def _check_mapped(found: pd.DataFrame, mapped: Mapping[str, str], path: Path) -> None:
    for symbol, name in mapped.items():
        if name not in found:
            near = get_close_matches(name, list(found.columns), n=1)
            raise DataError(
                f"{path}: column {name!r}, mapped to {symbol}, is missing; "
                f"found {', '.join(map(str, found.columns))}.",
                hint=f"did you mean {near[0]!r}?" if near else "a map reads SYMBOL=COLUMN: value=eval/loss",
            )


def _name_columns(found: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The file's columns under the table's names, and the names of those that have none.

    A mapped column is used up by its map; a column whose name is a symbol that another column was mapped
    to, or that has one value, gives way to it.
    """
    columns = reading.mapped
    used = set(columns.values())
    taken = {*columns, *reading.constants}
    kept = [str(name) for name in found if name not in used and name not in taken]
    given: dict[str, Any] = {name: found[name] for name in kept}
    given |= {symbol: found[name] for symbol, name in columns.items()}
    ignored = [name for name in kept if name not in reading.kept]
    ignored += [name for name in found if name in taken and name not in used]
    return pd.DataFrame({**given, **reading.constants}, index=found.index), tuple(ignored)
