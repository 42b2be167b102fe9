"""Rows of a loss table: what is completed where a file is silent, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.cells import as_numbers
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import LETTERS, SHARES, parse_share
from dcpt.core.symbols import DOMAIN, GENERAL, LEGEND, PHASES, ROLES, UNITS

REQUIRED = ("N", "D", "value")
COLUMNS = tuple(name for name in LEGEND if name != "s")
KEY = ("run_id", "step", "eval_set", "metric")
RUN = "run"
"""Column, where there is one, that names the independent training run behind a row."""
SCHEDULES = ("schedule", "base_schedule")
"""Columns, where there are some, that hold learning-rate schedules as text (`dcpt.core.schedule_text`): the
whole of the row's own training, of which it may be a branch, and that of the base it started from. Empty
where one is not known."""
TEXT = ("run_id", "phase", "eval_set", "role", "metric", "unit", "tokenizer", "source", RUN, *SCHEDULES)
"""Columns of words: a run called 007, or a hash of digits alone, is not a number."""
NUMERIC = ("step", "tokens", "N", "D", "r", "r_seen", "eta", "S1", "S2", "value", "sem", "n_eval_tokens")


class Place:
    """Says where a row came from, for error messages.

    Parameters
    ----------
    where : str
        Name of the file.
    data : pandas.DataFrame
        The rows.
    rows : sequence of int, optional
        Number of each row in the file, from 1; by default as they come.
    """

    def __init__(self, where: str, data: pd.DataFrame, rows: Sequence[int] | None) -> None:
        self.where, self.rows = where, rows
        self.names = data["run_id"].to_numpy() if "run_id" in data else None

    def number(self, row: int) -> int:
        """Number of a row in its file."""
        return row + 1 if self.rows is None else int(self.rows[row])

    def __call__(self, row: int) -> str:
        """Name of a row: file, number and run."""
        run = "" if self.names is None else f" (run {self.names[row]})"
        return f"{self.where} row {self.number(row)}{run}"


def read_numbers(data: pd.DataFrame, scale: Mapping[str, float], names: Sequence[str], place: Place) -> None:
    """Turn columns into floats, in place, and multiply them with their factors.

    Raises
    ------
    DataError
        When a cell holds something that is not a number.
    """
    for name in names:
        if name not in data:
            continue
        numbers, wrong = as_numbers(data[name])
        if wrong.any() and _is_share(name) and name not in scale:  # or they would be scaled twice
            numbers, wrong = _percentages(data[name], numbers, wrong)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            cell = data[name][row]
            raise DataError(f"{place(row)}: {name} = {cell!r} is not a number.", hint=_hint(str(cell)))
        data[name] = numbers * float(scale.get(name, 1.0))


def _is_share(name: str) -> bool:
    return name in SHARES or name.startswith("share:")


def _percentages(
    cells: pd.Series, numbers: NDArray[np.float64], wrong: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Shares with a per cent sign among cells that are no plain numbers."""
    numbers, wrong = numbers.copy(), wrong.copy()
    for row in np.flatnonzero(wrong):
        with suppress(ConfigError):
            numbers[row], wrong[row] = parse_share(str(cells.iloc[row])), False
    return numbers, wrong


def _hint(cell: str) -> str | None:
    cell = cell.strip()
    if cell.endswith("%"):
        return "only shares are written in per cent"
    if cell[:1].isdigit() and cell[-1:].isalpha():
        return f"magnitudes are {', '.join(LETTERS)}: 100M"
    if cell.count(",") == 1 and cell.replace(",", "").replace(".", "").isdigit():
        return "write a decimal point and no separator of thousands: 1234.5"
    return None


def complete_rows(data: pd.DataFrame, roles: Mapping[str, str], place: Place) -> None:
    """Fill in, in place, what a file leaves out, whole columns and single cells alike.

    Raises
    ------
    DataError
        When the side of an evaluation set is not known although the table has ratios, a run is unnamed,
        or a role is none.
    """
    mixed = "r" in data and bool(data["r"].notna().any())
    seeded = "seed" in data and bool(data["seed"].notna().any())
    _fill_sides(data, roles, place, mixed)
    _fill(data, "metric", "loss")
    _fill(data, "unit", data["metric"].map(UNITS).fillna("unknown"))
    _fill(data, "seed", 0)
    if pd.api.types.is_float_dtype(data["seed"]) and (data["seed"] % 1 == 0).all():
        data["seed"] = data["seed"].astype("int64")
    _fill(data, "phase", pd.Series(np.where(data["D"] == 0, "base", "end"), index=data.index))
    _fill_runs(data, place, mixed or seeded)
    _fill(data, "step", data["D"])
    _fill(data, "tokens", data["D"])
    for name in COLUMNS:
        if name not in data:
            data[name] = "" if name in ("tokenizer", "source") else np.nan
    for name in ("tokenizer", "source", "run_id", *(name for name in SCHEDULES if name in data)):
        data[name] = data[name].astype(object).where(data[name].notna(), "").astype(str)


def role_of(eval_set: str, roles: Mapping[str, str]) -> str | None:
    """Side of an evaluation set: as told, or as its name says (``general``, ``domain/law``)."""
    if eval_set in roles:
        return roles[eval_set]
    head = eval_set.partition("/")[0]
    return head if head in ROLES else None


def _fill_sides(data: pd.DataFrame, roles: Mapping[str, str], place: Place, mixed: bool) -> None:
    where = place.where
    for name, role in roles.items():
        if role not in ROLES:
            raise DataError(f"{where}: role of {name!r} is {role!r}; wanted general or domain.")
    if "eval_set" not in data:
        data["eval_set"] = GENERAL
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
        if known is None and not mixed and not given:
            known = GENERAL  # without ratios no law asks for the side
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


def _fill_runs(data: pd.DataFrame, place: Place, designed: bool) -> None:
    """Names of runs; `designed`: the ratio or the seed tells the runs of a size apart."""
    named = "run_id" in data and bool(data["run_id"].notna().any())
    if RUN in data:
        unnamed = data[RUN].isna()
        if unnamed.any():
            raise DataError(f"{place(int(np.flatnonzero(unnamed)[0]))}: {RUN} is empty.")
        data[RUN] = data[RUN].astype(str)
    elif not designed:
        # Nothing says which rows belong together: each stands for a run of its own.
        rows = pd.Series([f"row-{place.number(row)}" for row in range(len(data))], index=data.index)
        data[RUN] = data["run_id"].where(data["run_id"].notna(), rows).astype(str) if named else rows
    if named and not data["run_id"].isna().any():
        return
    shares = data["r"] if "r" in data else pd.Series(np.nan, index=data.index)
    if RUN in data and not named:
        parts = zip(data[RUN], data["N"], shares, strict=True)
        names = [f"{run}-n{n:.12g}" + ("" if r != r else f"-r{r:g}") for run, n, r in parts]
    else:
        parts = zip(data["N"], shares, data["seed"], strict=True)
        names = [f"n{n:g}" + ("" if r != r else f"-r{r:g}") + f"-s{seed}" for n, r, seed in parts]
    _fill(data, "run_id", pd.Series(names, index=data.index))


def _fill(data: pd.DataFrame, name: str, default: Any) -> None:
    # A column of nothing is replaced: it has no kind that the default would have to fit.
    if name not in data or data[name].isna().all():
        data[name] = default
    else:
        data[name] = data[name].fillna(default)


def check_rows(data: pd.DataFrame, extras: Sequence[str], place: Place) -> None:
    """Refuse rows that no loss can be read from.

    Raises
    ------
    DataError
        Naming file, row, column, what was found and what was wanted.
    """

    def refuse(bad: pd.Series, name: str, wanted: str, hint: str | None = None) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{place(row)}: {name} = {show_cell(data[name][row])} {wanted}.", hint)

    mixed = bool(data["r"].notna().any())
    for name in (*REQUIRED, "r") if mixed else REQUIRED:
        hint = "a run that diverged or is not finished has no loss to fit: leave its rows out"
        refuse(~np.isfinite(data[name]), name, "is not a finite number", hint if name == "value" else None)
    for name in (*NUMERIC, *extras):
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
        key = ", ".join(f"{name}={show_cell(data[name][row])}" for name in KEY)
        raise DataError(
            f"{place(row)}: stands twice ({key}).",
            hint="give each run its own run_id or seed, or drop the repeated rows; if a column tells them "
            "apart, name it (--run COLUMN), or choose one of its kinds (--where COLUMN=VALUE)",
        )


def show_cell(value: Any) -> str:
    """A cell as a person would write it."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
