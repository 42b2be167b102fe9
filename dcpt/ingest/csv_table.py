"""Any CSV or Parquet file of losses, by a map of its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import COLUMNS, REQUIRED, TEXT, LossTable
from dcpt.core.table_file import read_frame

LEAST_CREDIBLE = 1000.0
"""Fewer parameters, or fewer tokens, than any language model was trained with."""


@dataclass(frozen=True)
class DropReport:
    """What became of the rows of an imported file.

    Attributes
    ----------
    read, kept : int
        Rows in the file, rows in the table.
    dropped : mapping of str to int
        Rows left out, by reason.
    ignored : tuple of str
        Columns of the file that no symbol of the loss table was mapped to.
    """

    read: int
    kept: int
    dropped: Mapping[str, int]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.read} rows read, {self.kept} kept"]
        parts += [f"{count} dropped: {reason}" for reason, count in self.dropped.items()]
        if self.ignored:
            parts.append(f"columns not used: {', '.join(self.ignored)}")
        return "; ".join(parts)


def read_csv(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    scale: Mapping[str, float] | None = None,
    roles: Mapping[str, str] | None = None,
    melt: bool = False,
    source: str = "",
) -> tuple[LossTable, DropReport]:
    """Import a table of losses.

    Parameters
    ----------
    path : path
        CSV (optionally compressed) or Parquet.
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
        What the rows' ``source`` column says.

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
    path, columns, roles = Path(path), dict(columns or {}), dict(roles or {})
    for symbol in (*columns, *(scale or {})):
        if symbol not in COLUMNS:
            raise ConfigError(
                f"map: {symbol!r} is not a column of the loss table; known are {', '.join(COLUMNS)}.",
                hint="a map reads SYMBOL=COLUMN: value=eval/loss",
            )
    words = [columns.get(symbol, symbol) for symbol in TEXT]
    found = read_frame(path, "a table of losses", words)
    read = len(found)
    frame, ignored = _name_columns(found, columns, path)
    # Numbers of the file's rows, for messages: they stay with the rows below.
    frame.index = pd.RangeIndex(1, read + 1)
    if melt:
        frame, sets = _melt(frame, roles, path)
        ignored = tuple(name for name in ignored if name not in sets)
        offered = read * len(sets)
    else:
        if "eval_set" in frame:
            _check_roles(roles, frame["eval_set"].dropna().astype(str).unique(), path)
        frame, offered = frame[[name for name in frame if name in COLUMNS]], read
    dropped: dict[str, int] = {}
    for name in REQUIRED:
        if name not in frame:
            raise DataError(
                f"{path}: column {name!r} is missing; found {', '.join(map(str, found.columns))}.",
                hint=f"map your own name to it: --map {name}=YOUR_COLUMN",
            )
        empty = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
        if empty.any():
            dropped[f"{name} is empty"] = int(empty.sum())
            frame = frame[~empty]
    repeated = frame.duplicated()
    if repeated.any():
        dropped["repeats another row"] = int(repeated.sum())
        frame = frame[~repeated]
    if offered and not len(frame):
        reasons = "; ".join(f"{count}: {reason}" for reason, count in dropped.items())
        raise DataError(f"{path}: none of its {offered} rows can be used ({reasons}).")
    if "source" not in frame:
        frame = frame.assign(source=source or path.name)
    frame = frame.assign(r=_shares(frame["r"]))
    table = LossTable.from_frame(frame, scale=scale, roles=roles, where=str(path), rows=list(frame.index))
    _check_units(table, path)
    return table, DropReport(offered, len(table), dropped, ignored)


def _shares(values: pd.Series) -> pd.Series:
    """Shares written as ``10%`` as numbers; everything else as it is."""
    text = values.astype(str).str.strip()
    if not text.str.endswith("%").all():
        return values
    numbers = pd.to_numeric(text.str.removesuffix("%"), errors="coerce")
    return values if numbers.isna().any() else numbers / 100


def _check_units(table: LossTable, path: Path) -> None:
    """Refuse sizes and token counts that can only be thousands, millions or billions of something."""
    for name, what in (("N", "parameters"), ("D", "tokens")):
        most = float(table.frame[name].max())
        if 0 < most < LEAST_CREDIBLE:
            raise DataError(
                f"{path}: {name} goes up to {most:g} {what}.",
                hint=f"looks like billions or millions; pass --scale {name}=1e9 (or 1e6)",
            )


def _name_columns(
    found: pd.DataFrame, columns: Mapping[str, str], path: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The file's columns under the table's names, and the names of those that have none.

    A mapped column is used up by its map; a column whose name is a symbol that another column was mapped
    to gives way to it.
    """
    for symbol, name in columns.items():
        if name not in found:
            raise DataError(
                f"{path}: column {name!r}, mapped to {symbol}, is missing; "
                f"found {', '.join(map(str, found.columns))}."
            )
    used = set(columns.values())
    kept = [name for name in found if name not in used and name not in columns]
    given = {str(name): found[name] for name in kept} | {
        symbol: found[name] for symbol, name in columns.items()
    }
    ignored = [name for name in given if name not in COLUMNS]
    ignored += [name for name in columns if name in found and name not in used]
    return pd.DataFrame(given, index=found.index), tuple(ignored)


def _melt(frame: pd.DataFrame, roles: Mapping[str, str], path: Path) -> tuple[pd.DataFrame, list[str]]:
    """One row per line and evaluation set of a wide file."""
    _check_roles(roles, frame.columns, path)
    sets = [name for name in dict.fromkeys([*roles, "general", "domain"]) if name in frame]
    if not sets:
        raise DataError(f"{path}: no column is an evaluation set.", hint="name them: --role medical=domain")
    taken = ("eval_set", "value", "role")
    keys = [name for name in frame if name in COLUMNS and name not in sets and name not in taken]
    # One training run is one line of a wide file: its number keeps the lines apart.
    if "run_id" not in frame:
        frame = frame.assign(run_id=[f"{path.stem}-{number}" for number in frame.index])
        keys.append("run_id")
    long = frame.melt(id_vars=keys, value_vars=sets, var_name="eval_set", ignore_index=False)
    return long, sets


def _check_roles(roles: Mapping[str, str], known: Iterable[str], path: Path) -> None:
    present = list(map(str, known))
    for name in roles:
        if name not in present:
            near = get_close_matches(name, present, n=1)
            raise DataError(
                f"{path}: evaluation set {name!r}, which a role is given for, is not there; "
                f"found {', '.join(present)}.",
                hint=f"did you mean {near[0]!r}?" if near else None,
            )
