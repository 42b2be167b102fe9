"""The waist of the hourglass: measured losses, one row per evaluation, checked on construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.symbols import DOMAIN, GENERAL, LEGEND, PHASES, ROLES, UNITS

REQUIRED = ("N", "D", "r", "eval_set", "value")
COLUMNS = tuple(name for name in LEGEND if name != "s")
KEY = ("run_id", "step", "eval_set", "metric")
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
        missing = [name for name in REQUIRED if name not in data]
        if missing:
            raise DataError(
                f"{where}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}.",
                hint=f"map your own name to it: --map {missing[0]}=YOUR_COLUMN",
            )
        unknown = [name for name in data if name not in COLUMNS]
        data = data.drop(columns=unknown)
        for name in _NUMERIC:
            if name not in data:
                continue
            numbers = pd.to_numeric(data[name], errors="coerce")
            bad = numbers.isna() & data[name].notna()
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise DataError(f"{_place(where, data, row)}: {name} = {data[name][row]!r} is not a number.")
            data[name] = numbers.astype(float) * float((scale or {}).get(name, 1.0))
        _complete(data, roles or {}, where)
        _check(data, where)
        return cls(data[list(COLUMNS)])

    @classmethod
    def read(cls, path: Path | str, **options: Any) -> LossTable:
        """Read a table from CSV (optionally .gz) or Parquet; `options` as in `from_frame`.

        Raises
        ------
        DataError
            When the file is absent, unreadable or its rows do not pass the checks.
        """
        path = Path(path)
        if not path.exists():
            raise DataError(f"{path}: no such file; expected a loss table (CSV or Parquet).")
        try:
            frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, comment="#")
        except (ValueError, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read as a table: {error}.") from None
        return cls.from_frame(frame, where=str(path), **options)

    def write(self, path: Path | str) -> Path:
        """Write the table as CSV or, by the file's ending, Parquet; atomically."""
        path = Path(path)
        if path.suffix == ".parquet":
            return files.write_bytes(path, self.frame.to_parquet(index=False))
        return files.write_text(path, self.frame.to_csv(index=False, float_format="%.10g"))

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
        return np.where(self.frame["role"] == GENERAL, 1.0 - r, r)

    @property
    def groups(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Number of the independent run behind each row, shape (rows,).

        Rows with equal N, r and seed share their data order and most of their training (checkpoints
        of one run, or branches of one trunk); they are resampled together.
        """
        keys = self.frame[["N", "r", "seed"]].astype(str).agg("|".join, axis=1)
        return pd.factorize(keys)[0].astype(np.int64)

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


def _place(where: str, data: pd.DataFrame, row: int) -> str:
    run = f" (run {data['run_id'][row]})" if "run_id" in data else ""
    return f"{where} row {row + 1}{run}"


def _complete(data: pd.DataFrame, roles: Mapping[str, str], where: str) -> None:
    for name, role in roles.items():
        if role not in ROLES:
            raise DataError(f"{where}: role of {name!r} is {role!r}; wanted general or domain.")
    data["eval_set"] = data["eval_set"].astype(str)
    for name in data["eval_set"].unique():
        role = role_of(name, roles)
        given = data.loc[data["eval_set"] == name, "role"].dropna().unique() if "role" in data else ()
        if role is None and len(given) == 1 and given[0] in ROLES:
            role = str(given[0])
        if role is None:
            raise DataError(
                f"{where}: evaluation set {name!r} is neither general nor domain.",
                hint=f"say which side it measures: --role {name}={DOMAIN}",
            )
        data.loc[data["eval_set"] == name, "role"] = role
    if "metric" not in data:
        data["metric"] = "loss"
    if "unit" not in data:
        data["unit"] = data["metric"].map(UNITS).fillna("unknown")
    if "seed" not in data:
        data["seed"] = 0
    data["seed"] = data["seed"].fillna(0)
    if "phase" not in data:
        data["phase"] = np.where(data["D"] == 0, "base", "end")
    if "run_id" not in data:
        data["run_id"] = [
            f"n{n:g}-r{r:g}-s{seed}" for n, r, seed in zip(data["N"], data["r"], data["seed"], strict=True)
        ]
    if "step" not in data:
        data["step"] = data["D"]
    if "tokens" not in data:
        data["tokens"] = data["D"]
    for name in COLUMNS:
        if name not in data:
            data[name] = "" if name in ("tokenizer", "source") else np.nan
    for name in ("tokenizer", "source", "run_id"):
        data[name] = data[name].fillna("").astype(str)


def _check(data: pd.DataFrame, where: str) -> None:
    def refuse(bad: pd.Series, name: str, wanted: str, hint: str | None = None) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{_place(where, data, row)}: {name} = {data[name][row]!r} {wanted}.", hint)

    for name in ("N", "D", "r", "value"):
        refuse(~np.isfinite(data[name]), name, "is not a finite number")
    share = data["r"]
    refuse(
        (share < 0) | (share > 1),
        "r",
        "is outside [0, 1]",
        "looks like a percentage; pass --scale r=0.01 or divide the column by 100" if (share > 1).any() else None,
    )
    refuse(data["N"] <= 0, "N", "is not positive")
    refuse(data["D"] < 0, "D", "is negative")
    refuse(data["value"] <= 0, "value", "is not a positive loss")
    refuse(~data["phase"].isin(list(PHASES)), "phase", f"is unknown; wanted one of {', '.join(PHASES)}")
    for metric, units in data.groupby("metric")["unit"]:
        if units.nunique() > 1:
            raise DataError(f"{where}: metric {metric!r} comes in several units: {', '.join(units.unique())}.")
    twice = data.duplicated(list(KEY))
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        key = ", ".join(f"{name}={data[name][row]}" for name in KEY)
        raise DataError(
            f"{_place(where, data, row)}: stands twice ({key}).",
            hint="give each run its own run_id or seed, or drop the repeated rows",
        )
