"""A user's own list of candidate runs: a table with N, D and r, and repeats where wanted."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import parse_quantity
from dcpt.core.table_file import read_frame
from dcpt.plan.next_runs.candidate import Candidate, Cell
from dcpt.plan.next_runs.candidates import Bought

COLUMNS = ("N", "D", "r")
OPTIONAL = ("repeats", "decay_share")
MOST_REPEATS = 100
EMPTY = ("", "nan", "None", "<NA>")


def read_candidates(path: Path | str, bought: Bought) -> tuple[Candidate, ...]:
    """Read candidates, one row each.

    Parameters
    ----------
    path : path
        CSV, JSON lines or Parquet with N (``1.5M``), D (``0.5M``, or ``0.25M+0.5M`` for several budgets of
        one trunk), r, and optionally repeats: runs of that design with different seeds, bought together;
        and decay_share: the share of a budget that its decay takes, to compare what schedules cost.
    bought : Bought
        The runs there are, to say what a candidate adds.

    Returns
    -------
    tuple of Candidate

    Raises
    ------
    DataError
        Naming file, row, column, what was found and what was wanted.
    """
    path = Path(path)
    frame = read_frame(path, "a list of candidate runs", (*COLUMNS, *OPTIONAL))
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}.",
            hint="wanted N,D,r and optionally repeats and decay_share: 1.5M,0.5M,0.7,2,0.2",
        )
    odd = [str(name) for name in frame if name not in (*COLUMNS, *OPTIONAL)]
    if odd:
        raise DataError(
            f"{path}: column {odd[0]!r} is unknown; wanted N, D, r and optionally repeats and decay_share."
        )
    # An empty cell is one run; a nan that was written reads the same.
    if path.suffix != ".parquet" and re.search(rb"\bnan\b", path.read_bytes(), re.IGNORECASE):
        raise DataError(f"{path}: holds nan; wanted numbers, or nothing under repeats for one run.")
    if not len(frame):
        raise DataError(f"{path}: the list is empty; wanted at least one candidate.")
    return tuple(_candidate(f"{path} row {number}", row, bought) for number, row in _rows(frame))


def _rows(frame: pd.DataFrame) -> list[tuple[int, dict[str, str]]]:
    cells = frame.astype(str).to_dict("records")
    return [
        (number, {str(key): str(value) for key, value in row.items()}) for number, row in enumerate(cells, 1)
    ]


def _candidate(where: str, row: dict[str, str], bought: Bought) -> Candidate:
    try:
        budgets = tuple(sorted({parse_quantity(part, "D") for part in row["D"].split("+")}))
        share = row.get("decay_share", "")
        decay = None if share in EMPTY else parse_quantity(share, "decay_share")
        cell = Cell(parse_quantity(row["N"], "N"), parse_quantity(row["r"], "r"), budgets, "", decay)
        repeats = row.get("repeats", "1")
        count = parse_quantity("1" if repeats in EMPTY else repeats, "repeats")
    except ConfigError as error:
        raise DataError(f"{where}: {error.message}", hint=error.hint) from None
    if count != int(count) or not 1 <= count <= MOST_REPEATS:
        raise DataError(f"{where}: repeats is {repeats}; wanted a whole number from 1 to {MOST_REPEATS}.")
    cells = (cell,) * int(count)
    return Candidate(cells, bought.kind(cells))
