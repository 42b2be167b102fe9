"""A table of runs beside their losses: one row per run, with what its losses do not repeat."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dcpt.core.errors import DataError
from dcpt.core.schedule_table import RATE_NAMES, STEP_NAMES
from dcpt.fit.loss_curves.run_schedules import TENTH, with_schedules
from dcpt.ingest.reading import Reading

RUN_NAMES = ("run_id", "run")
"""What the column is called that a table of runs and its losses share, where none is mapped."""


def beside_losses(
    tables: Sequence[tuple[str, pd.DataFrame]], reading: Reading, values: Sequence[str]
) -> tuple[list[tuple[str, pd.DataFrame]], list[str]]:
    """Join the table of runs of a folder to the losses in it.

    A table of runs has a column of runs, each of them once, and neither steps nor losses. Where there is one,
    tables without a column of losses are passed over. Columns of the losses go before the runs' own; parts of
    a schedule become its text.

    Parameters
    ----------
    tables : sequence of (str, pandas.DataFrame)
        Names of files, and their cells.
    reading : Reading
        Which column is which.
    values : sequence of str
        What a column of losses is called where none is mapped.

    Returns
    -------
    list of (str, pandas.DataFrame)
        The tables of losses.
    list of str
        What is to be said.

    Raises
    ------
    DataError
        When there are several tables of runs, none of losses, a run of the losses is missing, or a schedule
        that the losses need cannot be told from the columns.
    """
    losses = [(name, table) for name, table in tables if _has(table, reading, "value", values)]
    runs = [(name, table) for name, table in tables if _is_of_runs(table, reading, values)]
    if not runs:
        return list(tables), []
    if len(runs) > 1:
        raise DataError(f"{runs[0][0]} and {runs[1][0]}: both are tables of runs; wanted one.")
    name, facts = runs[0]
    if not losses:
        columns = ", ".join(f"{file}: {', '.join(map(str, table))}" for file, table in tables if file != name)
        raise DataError(
            f"{name}: is a table of runs, and no table beside it has losses ({columns or 'there is none'}).",
            hint="map the column of losses: --map value=COLUMN",
        )
    key = _run_column(facts, reading)
    facts, made, assumed = with_schedules(facts, key, _without_rates(losses, reading))
    said = [f"{name}: a table of runs; its columns stand beside the losses of each run."]
    if made:
        said.append(f"{name}: {made} schedules are made of its columns.")
    if assumed:
        said.append(
            f"{name}: {assumed} cosines with no final rate are taken to fall to {TENTH:g} of their peak; "
            "a column min_lr_ratio says it."
        )
    passed = [file for file, table in tables if file != name and not any(table is own for _, own in losses)]
    if passed:
        said.append(f"{', '.join(passed)}: no column of losses; passed over.")
    return [(file, _joined(file, table, name, facts, key, reading)) for file, table in losses], said


def _has(table: pd.DataFrame, reading: Reading, symbol: str, names: Sequence[str]) -> bool:
    own = reading.mapped.get(symbol)
    columns = {str(column).lower() for column in table}
    return own in table.columns if own is not None else bool(columns & {symbol, *names})


def _without_rates(losses: Sequence[tuple[str, pd.DataFrame]], reading: Reading) -> set[str]:
    """Runs whose losses say nothing of their rates, so that the table of runs must."""
    found: set[str] = set()
    for _, table in losses:
        own = _run_column(table, reading)
        said = _has(table, reading, "eta", RATE_NAMES) or _has(table, reading, "schedule", ())
        if own and not said:
            found |= set(table[own].astype(str))
    return found


def _run_column(table: pd.DataFrame, reading: Reading) -> str:
    named = (reading.mapped.get("run_id"), reading.run, *RUN_NAMES)
    return next((name for name in named if name is not None and name in table), "")


def _is_of_runs(table: pd.DataFrame, reading: Reading, values: Sequence[str]) -> bool:
    key = _run_column(table, reading)
    if not key or not len(table) or not table[key].astype(str).is_unique:
        return False
    wide = reading.wide and any(name in table for name in (*reading.roles, "general", "domain"))
    return not (
        wide
        or _has(table, reading, "value", values)
        or _has(table, reading, "step", STEP_NAMES)
        or _has(table, reading, "eta", RATE_NAMES)
    )


def _joined(
    file: str, table: pd.DataFrame, name: str, facts: pd.DataFrame, key: str, reading: Reading
) -> pd.DataFrame:
    """Losses with the columns of their runs that they do not have themselves."""
    own = _run_column(table, reading)
    if not own:
        raise DataError(
            f"{file}: has no column of runs to find them in {name} by; found {', '.join(map(str, table))}.",
            hint=f"map it: --map run_id=COLUMN (in {name} it is {key})",
        )
    ids = table[own].astype(str)
    missing = ~ids.isin(facts[key].astype(str))
    if missing.any():
        raise DataError(f"{file}: run {ids[missing].iloc[0]!r} is not in {name}.")
    further = facts.set_index(facts[key].astype(str)).drop(columns=[key, *table.columns], errors="ignore")
    beside = further.loc[ids].set_axis(table.index)
    return pd.concat([table, beside], axis=1)
