"""A schedule from a file: a learning rate per step, in CSV."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.schedule import Schedule

STEP_NAMES = ("step", "steps", "iteration", "iter")
RATE_NAMES = ("lr", "learning_rate", "eta", "rate")


def read_schedule(path: Path | str) -> Schedule:
    """Read a schedule from a CSV file with a header and the columns step and lr.

    Steps grow and begin at 0 or 1; between them the rate is interpolated linearly, and the last one is
    the last step of the run. A first stretch of rising rates counts as warm-up.

    Parameters
    ----------
    path : path
        The file; further columns are passed over.

    Returns
    -------
    Schedule
        Of kind ``table``.

    Raises
    ------
    DataError
        When the file is absent, has no such columns, or a row is no step and rate: names the line.
    """
    path = Path(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{path}: cannot be read as a table of rates: {reason}.") from None
    header = [name.strip().lower() for name in lines[0]] if lines else []
    columns = [_column(path, header, names) for names in (STEP_NAMES, RATE_NAMES)]
    knots: list[tuple[int, float]] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        step, rate = (_cell(path, number, line, column, header[column]) for column in columns)
        if step != int(step) or step < 0 or (knots and step <= knots[-1][0]):
            behind = f" behind step {knots[-1][0]}" if knots else ""
            raise DataError(f"{path} line {number}: step is {step:g}{behind}; wanted growing whole numbers.")
        if rate < 0:
            raise DataError(f"{path} line {number}: the rate is {rate:g}; wanted 0 or more.")
        knots.append((int(step), rate))
    if not knots or max(rate for _, rate in knots) == 0:
        raise DataError(f"{path}: has no row with a positive rate.")
    rising = next((earlier[0] for earlier, later in pairwise(knots) if later[1] <= earlier[1]), knots[-1][0])
    try:
        return Schedule(
            "table",
            max(rate for _, rate in knots),
            knots[-1][0],
            warmup=rising if rising > knots[0][0] else 0,
            knots=_without_flat(knots),
        )
    except ConfigError as error:
        raise DataError(f"{path}: {error.message}", hint="begin the file at step 0 or 1") from None


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    found = ", ".join(header) or "nothing"
    raise DataError(
        f"{path}: found no column {names[0]!r} in its header ({found}).",
        hint="the first line names the columns: step,lr",
    )


def _cell(path: Path, number: int, line: list[str], column: int, name: str) -> float:
    text = line[column].strip() if column < len(line) else ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path} line {number}: {name} is {text!r}; wanted a finite number.")
    return value


def _without_flat(knots: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Without the inner knots of level stretches, which the interpolation puts back exactly."""
    inner = [
        here
        for before, here, after in zip(knots, knots[1:], knots[2:], strict=False)
        if not before[1] == here[1] == after[1]
    ]
    return tuple(dict.fromkeys([knots[0], *inner, knots[-1]]))
