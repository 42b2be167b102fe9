"""A frame's columns as a table of mixtures: which are shares, which losses, which rows have no loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.cells import as_numbers
from dcpt.core.errors import DataError
from dcpt.core.mixture_table import MixtureTable
from dcpt.core.symbols import ROLES
from dcpt.ingest.drop_report import DropReport

Array = NDArray[np.float64]

SIDE, BASE = "side:", "base:"
"""What columns begin with that name the side of a corpus, and the loss before continual pre-training on a
target; taken where every corpus, or every target, has one."""


def mixtures_from_frame(
    frame: pd.DataFrame,
    shares: Mapping[str, str],
    losses: Mapping[str, str],
    index: str | None = None,
    columns: Mapping[str, str] | None = None,
    where: str = "table of mixtures",
) -> tuple[MixtureTable, DropReport]:
    """Take the columns that are meant, by name; leave out runs without a loss.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per run.
    shares, losses : mapping
        Column of the frame to the name of its corpus or target.
    index : str, optional
        Column that names the runs; by default they are numbered from 1.
    columns : mapping, optional
        Column of the frame to ``N``, ``D`` or ``seed``.
    where : str
        The file, for messages.

    Returns
    -------
    MixtureTable, DropReport
        With sides of the corpora (columns ``side:NAME``) and losses of the bases (``base:NAME``), where the
        frame has them for all. Runs that miss a loss are left out and counted; a missing share is refused.

    Raises
    ------
    DataError
        When a column is missing or holds something that is not a number, or a row does not pass.

    Examples
    --------
    >>> frame = pd.DataFrame({"web": [0.7, 0.2], "law": [0.3, 0.8], "loss": [3.1, 2.9]})
    >>> mixtures_from_frame(frame, {"web": "web", "law": "law"}, {"loss": "law"})[0]
    MixtureTable(2 runs, 2 corpora, 1 target)
    """
    columns = dict(columns or {})
    wanted = [*shares, *losses, *columns, *([index] if index else [])]
    missing = [name for name in wanted if name not in frame]
    if missing:
        raise DataError(
            f"{where}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}."
        )
    names = _run_names(frame, index, where)
    values = _matrix(frame, list(losses), names, where)
    kept = np.asarray(~np.isnan(values).any(axis=1))
    if not kept.any() and len(kept):
        empty = [name for name, column in zip(losses, values.T, strict=True) if np.isnan(column).all()]
        raise DataError(
            f"{where}: no run has all of {len(losses)} losses"
            + (f"; column {empty[0]!r} is empty." if empty else "."),
            hint="leave the empty columns out",
        )
    sides, base = _sides(frame, list(shares.values()), where), None
    if all(BASE + name in frame for name in losses.values()):
        before = _matrix(frame, [BASE + name for name in losses.values()], names, where)[kept]
        base = None if np.isnan(before).any() else before
    more = [] if sides is None else [SIDE + name for name in shares.values()]
    more += [] if base is None else [BASE + name for name in losses.values()]
    ignored = tuple(str(name) for name in frame if name not in {*wanted, *more})
    dropped = {"a loss is missing": int((~kept).sum())} if not kept.all() else {}
    table = MixtureTable(
        corpora=tuple(shares.values()),
        targets=tuple(losses.values()),
        shares=_matrix(frame, list(shares), names, where)[kept],
        losses=values[kept],
        index=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        sides=sides,
        base=base,
        where=where,
        **{symbol: _numbers(frame[own], names, where)[kept] for own, symbol in columns.items()},
    )
    return table, DropReport(len(frame), len(table), dropped, ignored)


def _sides(frame: pd.DataFrame, corpora: Sequence[str], where: str) -> tuple[str, ...] | None:
    """Side of each corpus; None where a corpus has no column of it."""
    if not all(SIDE + name in frame for name in corpora):
        return None
    found = []
    for name in corpora:
        told = {str(value) for value in frame[SIDE + name].dropna()}
        if len(told) != 1 or not told <= set(ROLES):
            raise DataError(
                f"{where}: column {SIDE + name!r} holds {', '.join(sorted(told)) or 'nothing'}; "
                f"wanted {' or '.join(ROLES)}, the same in every row."
            )
        found.append(told.pop())
    return tuple(found)


def _run_names(frame: pd.DataFrame, index: str | None, where: str) -> tuple[str, ...]:
    """Names of the runs of a frame: a column's values as text, or numbers from 1."""
    if index is None:
        return tuple(str(number) for number in range(1, len(frame) + 1))
    column = frame[index]
    if column.isna().any():
        row = int(np.argmax(column.isna().to_numpy())) + 1
        raise DataError(f"{where} row {row}: {index} is empty; wanted the name of a run.")
    return tuple(run_name(value) for value in column)


def run_name(value: Any) -> str:
    """Text of a run's name; 3.0 in one file is 3 in another."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _numbers(column: pd.Series, names: Sequence[str], where: str) -> Array:
    """Cells of a column as numbers; nan where they are empty."""
    values, wrong = as_numbers(column)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{where} run {names[at]}: {column.name} is {column.iloc[at]!r}; wanted a number.",
            hint="write shares as 0.3, without a percent sign" if "%" in str(column.iloc[at]) else None,
        )
    return values


def _matrix(frame: pd.DataFrame, columns: list[str], names: Sequence[str], where: str) -> Array:
    if not columns:
        return np.empty((len(frame), 0))
    return np.stack([_numbers(frame[name], names, where) for name in columns], axis=1)
