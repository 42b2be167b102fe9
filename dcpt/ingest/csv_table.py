"""Any CSV or Parquet file of losses, by a map of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import COLUMNS, REQUIRED, LossTable


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
        Symbol of the loss table to the file's column (``{"value": "eval/loss"}``).
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
        When the file or a mapped column is absent, or the rows do not pass the table's checks.
    """
    path = Path(path)
    for symbol in (*(columns or {}), *(scale or {})):
        if symbol not in COLUMNS:
            raise ConfigError(f"map: {symbol!r} is not a column of the loss table; known are {', '.join(COLUMNS)}.")
    if not path.exists():
        raise DataError(f"{path}: no such file; expected a table of losses.")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, comment="#")
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}.") from None
    read = len(frame)
    for symbol, name in (columns or {}).items():
        if name not in frame:
            raise DataError(
                f"{path}: column {name!r}, mapped to {symbol}, is missing; found {', '.join(map(str, frame.columns))}."
            )
    frame = frame.rename(columns={name: symbol for symbol, name in (columns or {}).items()})
    if melt:
        sets = [name for name in dict.fromkeys([*(roles or {}), "general", "domain"]) if name in frame]
        if not sets:
            raise DataError(f"{path}: no column is an evaluation set.", hint="name them: --role medical=domain")
        keys = [name for name in frame if name in COLUMNS and name not in sets and name != "role"]
        # One training run is one line of a wide file: its number keeps the lines apart.
        if "run_id" not in frame:
            frame["run_id"] = [f"{path.stem}-{number + 1}" for number in range(read)]
            keys.append("run_id")
        frame = frame.melt(id_vars=keys, value_vars=sets, var_name="eval_set", value_name="value")
    ignored = tuple(str(name) for name in frame if name not in COLUMNS)
    dropped: dict[str, int] = {}
    for name in REQUIRED:
        if name in frame:
            empty = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
            if empty.any():
                dropped[f"{name} is empty"] = int(empty.sum())
                frame = frame[~empty]
    repeated = frame.duplicated()
    if repeated.any():
        dropped["repeats another row"] = int(repeated.sum())
        frame = frame[~repeated]
    if "source" not in frame:
        frame["source"] = source or path.name
    table = LossTable.from_frame(frame, scale=scale, roles=roles, where=str(path))
    return table, DropReport(read * (len(sets) if melt else 1), len(table), dropped, ignored)
