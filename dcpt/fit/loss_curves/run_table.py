"""A table of runs beside their losses: one row per run, with what its losses do not repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dcpt.core.cells import as_numbers
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_shapes import Shape
from dcpt.core.schedule_table import RATE_NAMES, STEP_NAMES
from dcpt.core.schedule_text import schedule_text
from dcpt.ingest.reading import Reading

RUN_NAMES = ("run_id", "run")
"""What the column is called that a table of runs and its losses share, where none is mapped."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "kind": ("scheduler", "lr_scheduler", "schedule_kind"),
    "peak": ("peak_lr", "max_lr", "peak"),
    "steps": ("iterations", "max_steps", "total_steps", "train_steps"),
    "warmup": ("warmup", "warmup_steps"),
    "decay": ("fract_decay", "decay_fraction"),
    "shape": ("decay_type", "decay_shape"),
    "floor": ("cos_final_lr", "min_lr_ratio"),
    "wsd_floor": ("wsd_final_lr_scale", "min_lr_ratio"),
}
"""Parts of a schedule, and what a table of runs calls them: rates and decays as shares of the peak and of the
steps. The first names are those of the public logs of Schaipp et al. 2025 (arXiv:2501.18965)."""

_KINDS = {
    **{"cos": "cosine", "cosine": "cosine", "wsd": "wsd"},
    **{"constant": "constant", "const": "constant", "linear": "linear"},
}
_SHAPES: Mapping[str, Shape] = {"linear": "linear", "sqrt": "1-sqrt", "1-sqrt": "1-sqrt", "": "linear"}

TENTH = 0.1
"""Floor of a cosine whose table has none, or a negative one: the logs above write -1 for cosines that fall
to a tenth of their peak."""


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
        When there are several tables of runs, none of losses, or a run of the losses is missing.
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
    facts, made, assumed = _with_schedules(facts, key)
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


def _with_schedules(facts: pd.DataFrame, key: str) -> tuple[pd.DataFrame, int, int]:
    """Runs with their schedules as text, how many were made, and how many cosines have a floor by default."""
    columns = {
        part: next((name for name in names if name in facts), None) for part, names in _COLUMNS.items()
    }
    if "schedule" in facts or None in (columns["kind"], columns["peak"], columns["steps"]):
        return facts, 0, 0
    texts, assumed = [], 0
    for _, row in facts.iterrows():
        cells = {part: "" if name is None else _cell(row[name]) for part, name in columns.items()}
        text, default = _schedule_of(str(row[key]), cells)
        texts.append(text)
        assumed += default
    return facts.assign(schedule=texts), sum(bool(text) for text in texts), assumed


def _cell(value: object) -> str:
    text = "" if value is None or value != value else str(value).strip()
    return "" if text.lower() in ("nan", "none") else text


def _schedule_of(run: str, cells: Mapping[str, str]) -> tuple[str, bool]:
    """A run's schedule as text, "" where its kind is not known here; and whether its floor is the default."""
    kind = _KINDS.get(cells["kind"].lower())
    if kind is None:
        return "", False
    parts = ("peak", "steps", "warmup", "decay", "floor", "wsd_floor")
    numbers = {part: _number(run, part, cells[part]) for part in parts}
    peak, steps = numbers["peak"], numbers["steps"]
    if peak is None or steps is None:
        return "", False
    length, warmup = int(steps), int(numbers["warmup"] or 0)
    shape = _SHAPES.get(cells["shape"].lower())
    floor, decay = numbers["floor"], int((numbers["decay"] or 0.0) * steps)
    default = kind == "cosine" and (floor is None or floor < 0)
    try:
        if kind == "cosine":
            made = Schedule("cosine", peak, length, warmup, floor=TENTH if default else floor or 0.0)
        elif kind == "linear":
            made = Schedule("linear", peak, length, warmup, floor=max(numbers["wsd_floor"] or 0.0, 0.0))
        elif kind == "constant" or not decay:
            made = Schedule("constant", peak, length, warmup)
        elif shape is None:
            return "", False
        else:
            last = max(numbers["wsd_floor"] or 0.0, 0.0)
            made = Schedule("wsd", peak, length, warmup, decay, shape, floor=last)
    except ConfigError as error:
        raise DataError(f"run {run}: {error.message}", hint=error.hint) from None
    return schedule_text(made), default


def _number(run: str, part: str, text: str) -> float | None:
    if not text:
        return None
    values, wrong = as_numbers(pd.Series([text]))
    if bool(wrong.any()):
        raise DataError(f"run {run}: its {part} is {text[:60]!r}; wanted a number.")
    return float(values[0])
