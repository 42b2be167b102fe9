"""Rows of a table of what if where tokens or size are open: each is the answer to a whole question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core.errors import PlanError
from dcpt.fit.bases import Bases
from dcpt.plan.free_plan import solve_freely
from dcpt.plan.objective import Objective
from dcpt.plan.outside import outside
from dcpt.plan.sides import Sides
from dcpt.plan.what_if_rows import binds_shortly, epochs_at, losses_at, reason_of


@dataclass(frozen=True, eq=False)
class Varied:
    """One question of a table.

    Attributes
    ----------
    value : float or str
        What stands in the first column.
    objective : Objective
        The question.
    sides : Sides
        Its fits.
    r : float, optional
        The ratio, where it is given.
    """

    value: float | str
    objective: Objective
    sides: Sides
    r: float | None = None


def open_table(
    column: str, questions: Sequence[Varied], bases: Mapping[str, Bases], seed: int
) -> pd.DataFrame:
    """The answer to every question: what was open, what binds, the losses.

    Parameters
    ----------
    column : str
        Name of the first column.
    questions : sequence of Varied
        One for each row.
    bases : mapping of str to Bases
        Measured losses of bases by evaluation set.
    seed : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        The value, ``N`` and ``D`` where they are open, ``r``, each with the interval, ``binds``, the passes
        over each pool, ``kept``, the losses with the interval of a run, ``value`` and ``outside``; ``attrs``
        as in `dcpt.plan.what_if.what_if`.
    """
    found = [_answer(question, bases, seed) for question in questions]
    rows = [{} if isinstance(row, str) else row for row in found]
    columns = dict.fromkeys(name for row in rows for name in row) or {"r": None}
    columns = {name: None for name in columns if name not in (column, f"{column}_lo", f"{column}_hi")}
    frame = pd.DataFrame([{name: row.get(name, np.nan) for name in columns} for row in rows])
    frame.insert(0, column, [question.value for question in questions])
    if "outside" not in frame:
        frame["outside"] = ""
    frame["outside"] = frame["outside"].fillna("")
    frame.attrs["unreachable"] = {number: row for number, row in enumerate(found) if isinstance(row, str)}
    return frame


def _answer(question: Varied, bases: Mapping[str, Bases], seed: int) -> dict[str, Any] | str:
    objective = question.objective
    try:
        scene, answer = solve_freely(objective, question.sides, bases, seed, question.r)
    except PlanError as error:
        return reason_of(error)
    row: dict[str, Any] = {}
    for name, asked in (("N", objective.N), ("D", objective.D), ("r", question.r)):
        if asked is not None:
            continue
        low, high = answer.interval.get(name, (np.nan, np.nan))
        row |= {name: getattr(answer, name), f"{name}_lo": low, f"{name}_hi": high}
    row["binds"] = binds_shortly(answer.binding, answer.binding_name)
    at = np.array([answer.r])
    if scene.ceilings and scene.count:
        row["kept"] = float((scene.excess(scene.draws(answer.D, at)) <= 1e-12).mean())
    arrays = epochs_at(scene, answer.D, at) | losses_at(scene, answer.D, at)
    row |= {name: float(column[0]) for name, column in arrays.items()}
    row["outside"] = outside(scene.sides.fits.values(), answer.N, answer.D, answer.r)
    return row
