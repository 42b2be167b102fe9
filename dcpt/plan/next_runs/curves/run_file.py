"""A user's own list of candidate runs for fits of loss curves: a table with N, r and schedule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import parse_quantity
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_text import parse_schedule
from dcpt.core.table_file import read_frame
from dcpt.plan.next_runs.candidate_file import EMPTY, MOST_REPEATS
from dcpt.plan.next_runs.curves.offered import Shelf, Wanted
from dcpt.plan.next_runs.curves.run import CurveRun

COLUMNS = ("N", "r", "schedule", "repeats")


def read_runs(path: Path | str, shelf: Shelf) -> tuple[CurveRun, ...]:
    """Read candidates, one row each.

    Parameters
    ----------
    path : path
        CSV, JSON lines or Parquet with schedule (text, quoted in a CSV file, for it holds commas), and
        where the curves have several: N (``1.5M``) and r; optionally repeats, runs of other seeds that can
        be bought one by one.
    shelf : Shelf
        The curves that are there.

    Raises
    ------
    DataError
        Naming file, row, what was found and what was wanted.
    """
    path = Path(path)
    frame = read_frame(path, "a list of candidate runs", COLUMNS)
    odd = [str(name) for name in frame if name not in COLUMNS]
    if odd or "schedule" not in frame:
        what = f"column {odd[0]!r} is unknown" if odd else "column 'schedule' is missing"
        raise DataError(
            f"{path}: {what}; wanted N, r, schedule and optionally repeats.",
            hint='for fits of loss curves a row is a run: 1.5M,0.7,"wsd(peak=1e-3, steps=2k, decay=20%)"',
        )
    if not len(frame):
        raise DataError(f"{path}: the list is empty; wanted at least one candidate.")
    found: list[CurveRun] = []
    for number, row in enumerate(frame.astype(str).to_dict("records"), 1):
        cells = {str(key): str(value) for key, value in row.items()}
        try:
            found += _runs(cells, shelf)
        except ConfigError as error:
            raise DataError(f"{path} row {number}: {error.message}", hint=error.hint) from None
    names = [run.name for run in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: {twice} is there twice; give it repeats instead.")
    return tuple(found)


def _runs(cells: dict[str, str], shelf: Shelf) -> list[CurveRun]:
    N = _one("N", cells.get("N", ""), shelf.sizes)
    r = _one("r", cells.get("r", ""), shelf.shares) if shelf.shares else None
    if r is not None and not 0 <= r <= 1:
        raise ConfigError(
            f"candidate: r = {r:g}; wanted a domain share from 0 to 1.",
            hint="looks like a percentage; write 0.3 for 30 %" if 1 < r <= 100 else None,
        )
    text = cells["schedule"]
    schedule = parse_schedule("" if text in EMPTY else text)
    if not isinstance(schedule, Schedule):
        raise ConfigError("schedule: has pre-training in front (|); that of the fitted curves is taken.")
    repeats = cells.get("repeats", "")
    count = 1.0 if repeats in EMPTY else parse_quantity(repeats, "repeats")
    if count != int(count) or not 1 <= count <= MOST_REPEATS:
        raise ConfigError(f"repeats is {repeats}; wanted a whole number from 1 to {MOST_REPEATS}.")
    return [shelf.build(Wanted(N, r, schedule.text, schedule, seed)) for seed in range(int(count))]


def _one(name: str, text: str, known: Sequence[float]) -> float:
    if text not in EMPTY:
        return parse_quantity(text, name)
    if len(known) == 1:
        return known[0]
    values = ", ".join(f"{value:g}" for value in known)
    raise ConfigError(f"{name} is empty, and the curves have {values}; wanted one of them.")
