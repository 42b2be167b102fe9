"""The waist of the hourglass: measured losses, one row per evaluation, checked on construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.symbols import GENERAL
from dcpt.core.table_file import read_frame, write_frame
from dcpt.core.table_rows import (
    COLUMNS,
    KEY,
    NUMERIC,
    REQUIRED,
    RUN,
    SCHEDULES,
    TEXT,
    Place,
    check_rows,
    complete_rows,
    read_numbers,
    role_of,
)

__all__ = ["COLUMNS", "KEY", "NUMERIC", "REQUIRED", "RUN", "SCHEDULES", "TEXT", "LossTable", "role_of"]

_WHERE_GIVEN = (RUN, *SCHEDULES)


@dataclass(frozen=True)
class LossTable:
    """Losses by model size N, tokens D and domain share r.

    Use `from_frame` or `read`; both check the data. The frame has the columns of
    `dcpt.core.loss_table.COLUMNS` in their order, then ``run`` where runs are told apart by name and
    ``schedule`` and ``base_schedule`` where they are given, then the extra columns that were asked for; a
    row is identified by (run_id, step, eval_set, metric). A table without ratios has r = nan throughout.

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
        extras: Iterable[str] = (),
    ) -> LossTable:
        """Check a frame and complete its derived columns.

        Parameters
        ----------
        frame : pandas.DataFrame
            At least N (parameters), D (tokens) and value. Without r (domain share) only laws that do
            not see the mixture can be fitted; without eval_set every loss is one of the general side.
            A column ``run`` names the independent training runs. Without it they are told apart by
            N, r and seed, or by run_id where a table has neither r nor seed; and where it has
            nothing of all that, each row is a run of its own.
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
        extras : iterable of str
            Further columns of numbers to keep, by name (``("U", "h1")``); empty cells are allowed.

        Returns
        -------
        LossTable

        Raises
        ------
        DataError
            Naming file, row, column, what was found and what was wanted.
        """
        data = frame.rename(columns=dict(columns or {})).reset_index(drop=True)
        kept = tuple(name for name in dict.fromkeys(extras) if name not in (*COLUMNS, *_WHERE_GIVEN))
        if not len(data):
            raise DataError(f"{where}: the table is empty.")
        if data.columns.has_duplicates:
            name = data.columns[data.columns.duplicated()][0]
            raise DataError(f"{where}: column {name!r} stands twice.", hint="rename or drop one of them")
        for name in scale or {}:
            if name not in (*NUMERIC, *kept):
                raise DataError(f"{where}: a scale is given for {name!r}; it is not a column of numbers.")
        missing = [name for name in (*REQUIRED, *kept) if name not in data]
        if missing:
            raise DataError(
                f"{where}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}.",
                hint=f"map your own name to it: dcpt ingest csv FILE --map {missing[0]}=YOURS -o NEW.csv",
            )
        data = data[[name for name in data if name in (*COLUMNS, *_WHERE_GIVEN, *kept)]].copy()
        place = Place(where, data, rows)
        read_numbers(data, scale or {}, (*NUMERIC, *kept), place)
        complete_rows(data, roles or {}, place)
        check_rows(data, kept, place)
        return cls(data[[*COLUMNS, *(name for name in _WHERE_GIVEN if name in data), *kept]])

    @classmethod
    def read(cls, path: Path | str, **options: Any) -> LossTable:
        """Read a table from CSV, JSON lines (both optionally .gz) or Parquet; `options` as in `from_frame`.

        Raises
        ------
        DataError
            When the file is absent, unreadable or its rows do not pass the checks.
        """
        renamed = dict(options.get("columns") or {})
        words = [*TEXT, *(own for own, symbol in renamed.items() if symbol in TEXT)]
        return cls.from_frame(read_frame(path, "a loss table", words), where=str(path), **options)

    def write(self, path: Path | str) -> Path:
        """Write the table as CSV or, by the file's ending, JSON lines or Parquet; atomically."""
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

        Rows of one run share their data order and most of their training (they are checkpoints of it,
        or branches of one trunk); they are resampled together. A run is one model size N and its name
        in the column ``run``, or without that column one (N, r, seed). The numbers depend on the runs
        alone, not on the order of the rows.
        """
        names = ["N", RUN] if RUN in self.frame else ["N", "r", "seed"]
        number = self.frame.groupby(names, sort=False, dropna=False).ngroup().to_numpy()
        first = np.unique(number, return_index=True)[1]
        parts = (self.frame[name].to_numpy()[first] for name in names)
        labels = ["|".join(map(str, cells)) for cells in zip(*parts, strict=True)]
        rank = np.empty(len(labels), dtype=np.int64)
        rank[np.argsort(labels, kind="stable")] = np.arange(len(labels))
        return np.asarray(rank[number], dtype=np.int64)

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the columns kept beside those that every table has."""
        return tuple(name for name in self.frame if name not in (*COLUMNS, *_WHERE_GIVEN))

    @property
    def has_ratios(self) -> bool:
        """Whether the table knows the mixtures its losses come from."""
        return bool(self.frame["r"].notna().any())

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
