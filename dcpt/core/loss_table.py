"""The waist of the hourglass: measured losses, one row per evaluation, checked on construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.symbols import DOMAIN, GENERAL, LEGEND, PHASES, ROLES, UNITS
from dcpt.core.table_file import read_frame, write_frame

REQUIRED = ("N", "D", "r", "eval_set", "value")
COLUMNS = tuple(name for name in LEGEND if name != "s")
KEY = ("run_id", "step", "eval_set", "metric")
TEXT = ("run_id", "phase", "eval_set", "role", "metric", "unit", "tokenizer", "source")
"""Columns of words: a run called 007, or a hash of digits alone, is not a number."""
_NUMERIC = ("step", "tokens", "N", "D", "r", "r_seen", "eta", "S1", "S2", "value", "sem", "n_eval_tokens")


@dataclass(frozen=True)
class LossTable:
    """Losses by model size N, tokens D and domain share r.

    Use `from_frame` or `read`; both check the data. The frame has exactly the columns of
    `dcpt.core.loss_table.COLUMNS`; a row is identified by (run_id, step, eval_set, metric).

    Attributes
    ----------
    frame : pandas.DataFrame
        The rows. Treat it as read-only: a changed table is another table.
    """

    frame: pd.DataFrame

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        columns: Mapping[str, str] | None = None,
        scale: Mapping[str, float] | None = None,
        roles: Mapping[str, str] | None = None,
        where: str = "table",
        rows: Sequence[int] | None = None,
    ) -> LossTable:
        """Check a frame and complete its derived columns.

        Parameters
        ----------
        frame : pandas.DataFrame
            At least N (parameters), D (tokens), r (domain share), eval_set and value.
        columns : mapping, optional
            Name in the frame to name in `LEGEND`.
        scale : mapping, optional
            Column to the factor its numbers are multiplied with (r=0.01 for percentages).
        roles : mapping, optional
            Evaluation set to ``general`` or ``domain``, for sets whose name does not say it.
        where : str
            Name of the file, for error messages.
        rows : sequence of int, optional
            Number of each row in that file, counted from 1; by default they are numbered as they come.

        Returns
        -------
        LossTable

        Raises
        ------
        DataError
            Naming file, row, column, what was found and what was wanted.
        """
        data = frame.rename(columns=dict(columns or {})).reset_index(drop=True)
        if not len(data):
            raise DataError(f"{where}: the table is empty.")
        if data.columns.has_duplicates:
            name = data.columns[data.columns.duplicated()][0]
            raise DataError(f"{where}: column {name!r} stands twice.", hint="rename or drop one of them")
        for name in scale or {}:
            if name not in _NUMERIC:
                raise DataError(f"{where}: a scale is given for {name!r}; it is not a column of numbers.")
        missing = [name for name in REQUIRED if name not in data]
        if missing:
            raise DataError(
                f"{where}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}.",
                hint=f"map your own name to it: --map {missing[0]}=YOUR_COLUMN",
            )
        unknown = [name for name in data if name not in COLUMNS]
        data = data.drop(columns=unknown)
        place = _Place(where, data, rows)
        for name in _NUMERIC:
            if name not in data:
                continue
            numbers = pd.to_numeric(data[name], errors="coerce")
            bad = numbers.isna() & data[name].notna()
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                percent = str(data[name][row]).strip().endswith("%")
                raise DataError(
                    f"{place(row)}: {name} = {data[name][row]!r} is not a number.",
                    hint="write a share, 0.3 for 30 %" if percent else None,
                )
            data[name] = numbers.astype(float) * float((scale or {}).get(name, 1.0))
        _complete(data, roles or {}, place)
        _check(data, place)
        return cls(data[list(COLUMNS)])

    @classmethod
    def read(cls, path: Path | str, **options: Any) -> LossTable:
        """Read a table from CSV (optionally .gz) or Parquet; `options` as in `from_frame`.

        Raises
        ------
        DataError
            When the file is absent, unreadable or its rows do not pass the checks.
        """
        renamed = dict(options.get("columns") or {})
        words = [*TEXT, *(own for own, symbol in renamed.items() if symbol in TEXT)]
        return cls.from_frame(read_frame(path, "a loss table", words), where=str(path), **options)

    def write(self, path: Path | str) -> Path:
        """Write the table as CSV or, by the file's ending, Parquet; atomically."""
        return write_frame(path, self.frame)

    def select(
        self,
        eval_set: str | None = None,
        metric: str = "loss",
        phases: tuple[str, ...] | None = ("end",),
    ) -> LossTable:
        """Rows of one evaluation set, metric and of the given phases (None: all)."""
        keep = self.frame["metric"] == metric
        if eval_set is not None:
            keep &= self.frame["eval_set"] == eval_set
        if phases is not None:
            keep &= self.frame["phase"].isin(phases)
        return LossTable(self.frame[keep].reset_index(drop=True))

    @property
    def eval_sets(self) -> tuple[str, ...]:
        """Names of the evaluation sets, in order of appearance."""
        return tuple(dict.fromkeys(self.frame["eval_set"]))

    @property
    def share(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """s: share of training tokens from the side each row's loss is measured on, shape (rows,)."""
        r = self.frame["r"].to_numpy(float)
        return np.asarray(np.where(self.frame["role"] == GENERAL, 1.0 - r, r), dtype=np.float64)

    @property
    def groups(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Number of the independent run behind each row, shape (rows,).

        Rows with equal N, r and seed share their data order and most of their training (checkpoints
        of one run, or branches of one trunk); they are resampled together. The numbers depend on
        the runs alone, not on the order of the rows.
        """
        keys = self.frame[["N", "r", "seed"]].astype(str).agg("|".join, axis=1)
        return np.asarray(pd.factorize(keys, sort=True)[0], dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """Hash of the rows, stored with every fit."""
        rows = self.frame.sort_values(list(KEY)).to_csv(index=False, float_format="%.10g")
        return files.content_hash(rows)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return (
            f"LossTable({len(self)} rows, {self.frame['run_id'].nunique()} runs, "
            f"{self.frame['N'].nunique()} sizes, eval sets {', '.join(self.eval_sets)})"
        )


def role_of(eval_set: str, roles: Mapping[str, str]) -> str | None:
    """Side of an evaluation set: as told, or as its name says (``general``, ``domain/law``)."""
    if eval_set in roles:
        return roles[eval_set]
    head = eval_set.partition("/")[0]
    return head if head in ROLES else None


class _Place:
    """Says where a row came from, for error messages."""

    def __init__(self, where: str, data: pd.DataFrame, rows: Sequence[int] | None) -> None:
        self.where, self.rows = where, rows
        self.names = list(data["run_id"]) if "run_id" in data else None

    def __call__(self, row: int) -> str:
        number = row + 1 if self.rows is None else self.rows[row]
        run = "" if self.names is None else f" (run {self.names[row]})"
        return f"{self.where} row {number}{run}"


def _complete(data: pd.DataFrame, roles: Mapping[str, str], place: _Place) -> None:
    where = place.where
    for name, role in roles.items():
        if role not in ROLES:
            raise DataError(f"{where}: role of {name!r} is {role!r}; wanted general or domain.")
    unnamed = data["eval_set"].isna()
    if unnamed.any():
        raise DataError(f"{place(int(np.flatnonzero(unnamed)[0]))}: eval_set is empty.")
    data["eval_set"] = data["eval_set"].astype(str)
    found: dict[str, str] = {}
    for name in data["eval_set"].unique():
        given: list[Any] = []
        if "role" in data:
            given = list(data.loc[data["eval_set"] == name, "role"].dropna().unique())
        known = role_of(name, roles)
        if known is None and len(given) == 1 and given[0] in ROLES:
            known = str(given[0])
        if known is None:
            raise DataError(
                f"{where}: evaluation set {name!r} is neither general nor domain.",
                hint=f"say which side it measures: --role {name}={DOMAIN}",
            )
        if name not in roles and any(role != known for role in given):
            raise DataError(
                f"{where}: evaluation set {name!r} has the role {given[0]!r}; its name says {known}."
            )
        found[name] = known
    data["role"] = data["eval_set"].map(found)
    # Cells that a file leaves empty are completed like columns that it does not have.
    _fill(data, "metric", "loss")
    _fill(data, "unit", data["metric"].map(UNITS).fillna("unknown"))
    _fill(data, "seed", 0)
    if pd.api.types.is_float_dtype(data["seed"]) and (data["seed"] % 1 == 0).all():
        data["seed"] = data["seed"].astype("int64")
    _fill(data, "phase", pd.Series(np.where(data["D"] == 0, "base", "end"), index=data.index))
    if "run_id" not in data or data["run_id"].isna().any():
        names = [f"n{n:g}-r{r:g}-s{s}" for n, r, s in zip(data["N"], data["r"], data["seed"], strict=True)]
        _fill(data, "run_id", pd.Series(names, index=data.index))
    _fill(data, "step", data["D"])
    _fill(data, "tokens", data["D"])
    for name in COLUMNS:
        if name not in data:
            data[name] = "" if name in ("tokenizer", "source") else np.nan
    for name in ("tokenizer", "source", "run_id"):
        data[name] = data[name].astype(object).where(data[name].notna(), "").astype(str)


def _fill(data: pd.DataFrame, name: str, default: Any) -> None:
    # A column of nothing is replaced: it has no kind that the default would have to fit.
    if name not in data or data[name].isna().all():
        data[name] = default
    else:
        data[name] = data[name].fillna(default)


def _check(data: pd.DataFrame, place: _Place) -> None:
    def refuse(bad: pd.Series, name: str, wanted: str, hint: str | None = None) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{place(row)}: {name} = {_show(data[name][row])} {wanted}.", hint)

    for name in ("N", "D", "r", "value"):
        refuse(~np.isfinite(data[name]), name, "is not a finite number")
    for name in _NUMERIC:
        refuse(np.isinf(data[name]), name, "is not a finite number")
    for name in ("r", "r_seen"):
        share = data[name]
        percent = f"looks like a percentage; pass --scale {name}=0.01 or divide the column by 100"
        refuse((share < 0) | (share > 1), name, "is outside [0, 1]", percent if (share > 1).any() else None)
    refuse(data["N"] <= 0, "N", "is not positive")
    refuse(data["D"] < 0, "D", "is negative")
    refuse(data["value"] <= 0, "value", "is not a positive loss")
    refuse(~data["phase"].isin(list(PHASES)), "phase", f"is unknown; wanted one of {', '.join(PHASES)}")
    for metric, units in data.groupby("metric")["unit"]:
        if units.nunique() > 1:
            raise DataError(
                f"{place.where}: metric {metric!r} comes in several units: {', '.join(units.unique())}."
            )
    twice = data.duplicated(list(KEY))
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        key = ", ".join(f"{name}={_show(data[name][row])}" for name in KEY)
        raise DataError(
            f"{place(row)}: stands twice ({key}).",
            hint="give each run its own run_id or seed, or drop the repeated rows",
        )


def _show(value: Any) -> str:
    """A cell as a person would write it."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
