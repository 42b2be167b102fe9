"""Losses along training runs as rows: from our tables, other people's logs, or a folder of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.cells import as_numbers
from dcpt.core.errors import DataError
from dcpt.core.schedule_table import RATE_NAMES, STEP_NAMES
from dcpt.core.symbols import GENERAL, ROLES
from dcpt.core.table_rows import RUN, SCHEDULES, role_of
from dcpt.fit.loss_curves.run_table import beside_losses
from dcpt.ingest.csv_table import read_cells
from dcpt.ingest.reading import Reading
from dcpt.ingest.row_filter import keep_rows
from dcpt.ingest.wide_table import check_roles, melt_sets

SWITCH = "switch"
"""Column of the steps of pre-training in front of continual pre-training, where steps count from the former's
first."""

INPUTS = (*SCHEDULES, SWITCH)
"""Names that a column may be mapped to beside those of a loss table."""

VALUE_NAMES = ("value", "loss", "val_loss")
"""What a column of losses is called where none is mapped; step and rate have such names too."""

ENDINGS = (".csv", ".csv.gz", ".tsv", ".jsonl", ".parquet")
"""Files of a folder that hold curves."""

_ALIASES = {"step": STEP_NAMES, "eta": RATE_NAMES, "value": VALUE_NAMES}
_NUMBERS = ("step", "value", "eta", "N", "r", "D", SWITCH)
_WORDS = ("run_id", RUN, "eval_set", "role", "phase", "metric", *SCHEDULES)
_COLUMNS = (*_NUMBERS, *_WORDS, "seed", "file", "row")


@dataclass(frozen=True)
class CurveRows:
    """Checked rows of curves.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per loss: step, value, eta, N, r, D and switch (nan where unknown); run_id, run, eval_set,
        role ("" where unknown), phase, metric, seed and both schedules as text; file and row it came from.
    notes : tuple of str
        What is to be said about it.
    dropped : mapping
        Reason to the number of rows left out.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]
    dropped: Mapping[str, int]

    @property
    def eval_sets(self) -> tuple[str, ...]:
        """Names of the evaluation sets, in order of appearance."""
        return tuple(dict.fromkeys(self.frame["eval_set"]))


def read_curve_rows(path: Path | str, reading: Reading, metric: str = "loss") -> CurveRows:
    """Read losses along runs from a file, or from all files of a folder.

    Columns are step, value, run_id and, of the rate in force, eta or schedule and base_schedule (text); step,
    eta and value may also be called what logs call them. Without a column of runs every file is one. A table
    of runs in a folder is joined to the losses (`dcpt.fit.loss_curves.run_table`).

    Parameters
    ----------
    path : path
        CSV, JSON lines (both optionally compressed) or Parquet; or a folder of such files.
    reading : Reading
        Which column is which, in which unit, and which rows count.
    metric : str
        Which rows to keep where there is a column of metrics.

    Raises
    ------
    DataError
        Naming file, row, column, what was found and what was wanted.
    """
    path = Path(path)
    files = _files_of(path) if path.is_dir() else [path]
    notes: list[str] = []
    dropped: dict[str, int] = {}
    tables = []
    for file in files:
        found, said = read_cells(file, reading)
        notes += said
        tables.append((file.name, found))
    if len(tables) > 1:
        tables, said = beside_losses(tables, reading, VALUE_NAMES)
        notes += said
    folder = {file.name: file for file in files}
    frames = [_rows_of(found, folder[name], reading, metric, dropped) for name, found in tables]
    frame = pd.concat(frames, ignore_index=True)
    check_roles(reading.roles, frame["eval_set"].unique(), path)
    return CurveRows(_once(frame, dropped), tuple(dict.fromkeys(notes)), dropped)


def _files_of(folder: Path) -> list[Path]:
    files = [file for file in sorted(folder.iterdir()) if file.name.endswith(ENDINGS)]
    if not files:
        raise DataError(f"{folder}: holds no curves; wanted files ending in {', '.join(ENDINGS)}.")
    return files


def _rows_of(
    found: pd.DataFrame, file: Path, reading: Reading, metric: str, dropped: dict[str, int]
) -> pd.DataFrame:
    """The rows of one file, with every column that curves have."""
    if not len(found):
        raise DataError(f"{file}: the table is empty; found the columns {', '.join(found) or 'none'}.")
    found = found.set_axis(pd.RangeIndex(1, len(found) + 1))
    kept, unwanted = keep_rows(found, reading.where, str(file))
    for reason, count in unwanted.items():
        dropped[reason] = dropped.get(reason, 0) + count
    frame = _named(found[kept], reading, file)
    if "run_id" not in frame:
        frame["run_id"] = frame[RUN] if RUN in frame else file.name.partition(".")[0]
    if reading.wide:
        frame = melt_sets(frame, reading.roles, file, _COLUMNS)[0]
    if "metric" in frame:
        frame = frame[frame["metric"] == metric]
        if not len(frame):
            raise DataError(f"{file}: no row has the metric {metric!r}.")
    for name in ("step", "value"):
        if name not in frame:
            raise DataError(
                f"{file}: column {name!r} is missing; found {', '.join(map(str, found.columns))}.",
                hint=f"map your own name to it: --map {name}=YOUR_COLUMN",
            )
    frame = _checked(_numbers(frame, reading, file), reading, file)
    if "eval_set" not in frame:
        frame["eval_set"] = GENERAL
    for name in (*_WORDS, "seed"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "") if name in frame else ""
        frame[name] = frame[name].astype(str)
    given = {name: role_of(name, reading.roles) for name in frame["eval_set"].unique()}
    own = frame["role"].where(frame["role"].isin(ROLES), "")
    frame["role"] = frame["eval_set"].map(given).fillna(own)
    frame = frame.assign(file=file.name, row=frame.index)
    return frame[list(_COLUMNS)]


def _named(found: pd.DataFrame, reading: Reading, file: Path) -> pd.DataFrame:
    """Columns under the names they have here; what nothing reads is left out."""
    mapped = dict(reading.mapped)
    for symbol, name in mapped.items():
        if name not in found:
            near = get_close_matches(name, list(found.columns), n=1)
            raise DataError(
                f"{file}: column {name!r}, mapped to {symbol}, is missing; "
                f"found {', '.join(map(str, found.columns))}.",
                hint=f"did you mean {near[0]!r}?" if near else "a map reads SYMBOL=COLUMN: value=eval/loss",
            )
    own = {str(name).lower(): str(name) for name in found}
    for symbol, names in _ALIASES.items():
        if symbol not in mapped and symbol not in found and symbol not in reading.constants:
            other = next((own[name] for name in names if name in own), None)
            if other is not None and other not in mapped.values():
                mapped[symbol] = other
    used = set(mapped.values())
    plain = [name for name in found if name in reading.roles or (name in _COLUMNS and name not in used)]
    plain += [name for name in ROLES if reading.wide and name in found]
    table = {name: found[name] for name in dict.fromkeys(plain)}
    table |= {symbol: found[name] for symbol, name in mapped.items() if symbol in _COLUMNS}
    table |= {name: value for name, value in reading.constants.items() if name in _COLUMNS}
    return pd.DataFrame(table, index=found.index)


def _numbers(frame: pd.DataFrame, reading: Reading, file: Path) -> pd.DataFrame:
    frame = frame.copy()
    for name in _NUMBERS:
        if name not in frame:
            frame[name] = np.nan
            continue
        values, wrong = as_numbers(frame[name])
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{file} row {frame.index[row]}: {name} = {str(frame[name].iloc[row])[:60]!r} is no number."
            )
        frame[name] = values * float(reading.scale.get(name, 1.0))
    return frame


def _checked(frame: pd.DataFrame, reading: Reading, file: Path) -> pd.DataFrame:
    def refuse(bad: pd.Series, name: str, wanted: str, hint: str | None = None) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{file} row {frame.index[row]}: {name} = {frame[name].iloc[row]:.10g} {wanted}.", hint
            )

    for name in ("step", "value"):
        empty = frame[name].isna()
        if empty.any():
            column = reading.mapped.get(name, name)
            raise DataError(
                f"{file} row {frame.index[int(empty.argmax())]}: {name} is empty (in {int(empty.sum())} of "
                f"{len(frame)} rows).",
                hint=f"if such rows are to be left out, say so: --where '{column}!='",
            )
    step, value = frame["step"], frame["value"]
    refuse(~np.isfinite(step) | (step % 1 != 0) | (step < 0), "step", "is not a whole number of steps")
    hint = "a run that diverged has no loss to fit: leave its rows out"
    refuse(~np.isfinite(value) | (value <= 0), "value", "is not a positive loss", hint)
    refuse((frame["eta"] < 0) | np.isinf(frame["eta"]), "eta", "is not a learning rate of 0 or more")
    refuse((frame["r"] < 0) | (frame["r"] > 1), "r", "is outside [0, 1]", "in percent? pass --scale r=0.01")
    refuse(frame["N"] <= 0, "N", "is not positive")
    refuse(frame[SWITCH] < 0, SWITCH, "is not a number of steps")
    return frame


def _once(frame: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """Every step of a run once; rows that say the same are one."""
    key = ["run_id", "eval_set", "step"]
    twice = frame.duplicated([*key, "value", "eta"])
    if twice.any():
        dropped["repeats another row"] = dropped.get("repeats another row", 0) + int(twice.sum())
        frame = frame[~twice].reset_index(drop=True)
    again = frame.duplicated(key)
    if again.any():
        row = frame[again].iloc[0]
        raise DataError(
            f"{row['file']} row {row['row']}: step {row['step']:g} of run {row['run_id']} stands twice for "
            f"{row['eval_set']}.",
            hint="name the column that tells the runs apart: --run COLUMN; or the evaluation sets: "
            "--map eval_set=COLUMN",
        )
    return frame


def set_for_side(rows: CurveRows, side: str, dense: str) -> tuple[str, str]:
    """The evaluation set whose curves stand for a side, and a note on it ("" when there is no choice).

    Parameters
    ----------
    rows : CurveRows
        The rows.
    side : str
        general or domain.
    dense : str
        Last part of the name of sets that are measured all along a run; they go before the others.

    Raises
    ------
    DataError
        When no set is of that side, or several are and none is the side's own.
    """
    counts = rows.frame.groupby("eval_set", sort=False).size()
    name = f"{side}/{dense}"
    if name in counts:
        note = f"{name} ({counts[name]} losses along the runs) is fitted for the {side} loss"
        rest = f", not {side} ({counts[side]}, at the ends)" if side in counts else ""
        return name, f"{note}{rest}."
    if side in counts:
        return side, ""
    named = list(dict.fromkeys(rows.frame.loc[rows.frame["role"] == side, "eval_set"]))
    if len(named) == 1:
        return str(named[0]), ""
    found = ", ".join(rows.eval_sets)
    if named:
        raise DataError(
            f"the {side} side has {len(named)} evaluation sets and none pooled: {', '.join(named)}.",
            hint=f"name the one to fit: --eval-set {named[0]}",
        )
    raise DataError(
        f"no evaluation set is of the {side} side; found {found}.",
        hint=f"say which is: --role {rows.eval_sets[0]}={side}",
    )


def sides_of(rows: CurveRows) -> Sequence[str]:
    """Sides that the rows have losses of."""
    return [side for side in ROLES if (rows.frame["role"] == side).any()]
