"""Losses of launched runs in a folder: one table for all its plans, and whose runs they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.loss_table import COLUMNS, RUN, SCHEDULES, TEXT, LossTable
from dcpt.core.table_file import read_frame

SCHEMA_VERSION = 1
FILE_NAME = "launches.json"
"""Beside the table: the hash of every launched plan, and the ids of its runs."""

_HINT = "move it away and give the same dcpt launch command again: what has finished is not trained again"


def read_launches(folder: Path) -> dict[str, list[str]]:
    """Run ids of the plans that were launched, by the plan's hash; none where the file is absent.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    plans = files.read_json(path, "the launches of a folder", SCHEMA_VERSION).get("plans")
    if not isinstance(plans, dict) or not all(
        isinstance(runs, list) and all(isinstance(name, str) for name in runs) for runs in plans.values()
    ):
        raise DataError(f"{path}: is damaged; wanted under 'plans' the run ids of each.", hint=_HINT)
    return plans


def read_earlier(path: Path) -> pd.DataFrame | None:
    """Rows of earlier launches, to be asked before training: what cannot be read cannot be added to.

    Returns
    -------
    DataFrame or None
        None where there is no table yet.

    Raises
    ------
    DataError
        When the table, or the list of launches beside it, is damaged.
    """
    read_launches(path.parent)
    if not path.exists():
        return None
    try:
        frame = read_frame(path, "a loss table", list(TEXT))
        return LossTable.from_frame(frame, where=str(path), extras=_extras(frame)).frame
    except DataError as error:
        raise DataError(error.message, hint=error.hint or _HINT) from None


def add_launched(path: Path, new: LossTable, plan: str, runs: Iterable[str]) -> Path:
    """Add the losses of a launch to the table of its folder, in place of the earlier ones of its runs.

    Parameters
    ----------
    path : Path
        The table; it need not exist.
    new : LossTable
        Losses of the launched runs and of their base.
    plan : str
        Hash of the plan.
    runs : iterable of str
        Ids of the plan's runs, without the base.

    Raises
    ------
    DataError
        When the table, or the list of launches beside it, is damaged.
    """
    earlier, plans = read_earlier(path), read_launches(path.parent)
    if earlier is not None:
        kept = earlier[~earlier["run_id"].isin(set(new.frame["run_id"]))]
        new = _joined(kept, new.frame, str(path)) if len(kept) else new
    new.write(path)
    plans[plan] = sorted({*plans.get(plan, ()), *runs})
    files.write_json(path.parent / FILE_NAME, {"schema_version": SCHEMA_VERSION, "plans": plans})
    return path


def launched_for(table: LossTable, folder: Path, plan: str) -> tuple[LossTable, str]:
    """The launched runs that are to be held against a plan, and a note where they were not launched for it.

    Parameters
    ----------
    table : LossTable
        The table of the folder.
    folder : Path
        Folder of the plan.
    plan : str
        Hash of the plan.

    Returns
    -------
    LossTable, str
        Rows of the plan's own runs. For a plan that was not launched, those that no plan claims (of tables
        older than the list of launches), else all. The note is empty where there is nothing to say.

    Raises
    ------
    DataError
        When the list of launches is damaged.
    """
    plans = read_launches(folder)
    names, trained = table.frame["run_id"], table.frame["D"] > 0
    own = names.isin(set(plans.get(plan, ())))
    if own.any():
        return LossTable(table.frame[own].reset_index(drop=True)), ""
    free = ~names.isin({name for runs in plans.values() for name in runs})
    if (free & trained).any():
        return LossTable(table.frame[free].reset_index(drop=True)), ""
    return table, "this plan was not launched from its folder; the runs of other plans are held against it"


def _extras(frame: pd.DataFrame) -> list[str]:
    """Columns of shares and of options, which not every launch has."""
    own = (*COLUMNS, RUN, *SCHEDULES)
    return [str(name) for name in frame if name not in own and is_numeric_dtype(frame[name])]


def _joined(old: pd.DataFrame, new: pd.DataFrame, where: str) -> LossTable:
    # An empty column says nothing of its type, and pandas would take it for one of objects.
    parts = [part.dropna(axis=1, how="all") for part in (old, new)]
    both = pd.concat(parts, ignore_index=True).reindex(columns=list(dict.fromkeys([*old, *new])))
    if RUN in both:
        # Tables of one domain share tell runs apart without names, those of mixtures do not.
        both[RUN] = both[RUN].fillna(both["run_id"])
    words = [name for name in both if name in TEXT]
    both[words] = both[words].fillna("")
    return LossTable.from_frame(both, where=where, extras=_extras(both))
