"""Several domains in one fit: stacked rows, each with what a short run says about its domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.dataset import FitData, Units, prepare, unit_near
from dcpt.laws.cross_domain import domain_coefficients

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShortRun:
    """The run whose early losses tell domains apart: the same one in every table.

    Parameters
    ----------
    N : float
        Its size: the smallest will do.
    r : float
        Its domain share.
    D : tuple of float
        Tokens of its three readings, in the paper after 1,000, 5,000 and 10,000 steps.
    """

    N: float
    r: float
    D: tuple[float, float, float]


def short_run_coefficients(table: LossTable, eval_set: str, run: ShortRun) -> dict[str, float]:
    """k1, k2 and k3 of a table's domain.

    Parameters
    ----------
    table : LossTable
        Must hold the run's base (D = 0) and its three readings; several seeds are averaged.
    eval_set : str
        The domain's held-out set.
    run : ShortRun
        Which run.

    Raises
    ------
    DataError
        When a reading is absent, or the losses do not fall.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, App. H.
    """
    frame = table.select(eval_set, "loss", None).frame
    frame = frame[np.isclose(frame["N"], run.N, rtol=1e-6)]
    losses = []
    for D in (0.0, *run.D):
        rows = frame[np.isclose(frame["D"], D, rtol=1e-6)]
        rows = rows[np.isclose(rows["r"], run.r)] if D else rows
        if not len(rows):
            raise DataError(
                f"the short run of {format_quantity(run.N)} at r = {run.r:g} has no loss of {eval_set!r} at "
                f"D = {format_quantity(D)}.",
                hint="name a size, a ratio and tokens that every domain's table has",
            )
        losses.append(float(rows["value"].mean()))
    found = domain_coefficients(*losses)
    return {"k1": found.k1, "k2": found.k2, "k3": found.k3}


def stack_domains(
    tables: Mapping[str, LossTable],
    run: ShortRun | None = None,
    eval_set: str = "domain",
    corners: bool = False,
) -> FitData:
    """Rows of several domains' tables, to be fitted together.

    Parameters
    ----------
    tables : mapping of str to LossTable
        Domain to its losses.
    run : ShortRun, optional
        Gives every row the coefficients k1, k2 and k3 of its domain, for the cross-domain laws.
    eval_set : str
        The held-out set in each table.
    corners : bool
        As in `dcpt.fit.dataset.prepare`.

    Returns
    -------
    FitData
        Runs of different domains are different runs; ``extra["domain"]`` numbers the domains in the order
        of `tables`.

    Raises
    ------
    ConfigError
        When there is no table, or metrics or units differ.
    DataError
        When a table has no row to fit or no short run.
    """
    if not tables:
        raise ConfigError("domains: there is no table; wanted at least one.")
    parts = []
    for code, table in enumerate(tables.values()):
        data, _ = prepare(table, eval_set, corners=corners)
        extra = {name: value for name, value in data.extra.items() if name != "eta"}
        extra["domain"] = np.full(len(data), float(code))
        if run is not None:
            found = short_run_coefficients(table, eval_set, run)
            extra |= {name: np.full(len(data), value) for name, value in found.items()}
        parts.append(replace(data, extra=extra))
    return _stack(parts, eval_set)


def _stack(parts: list[FitData], eval_set: str) -> FitData:
    first = parts[0]
    if any((part.metric, part.unit, part.role) != (first.metric, first.unit, first.role) for part in parts):
        raise ConfigError("domains: the tables measure different sides or in different units; wanted one.")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("N", "D", "r", "s", "loss")
    }
    shared = set.intersection(*(set(part.extra) for part in parts))
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in sorted(shared)}
    extra["Dmin"] = np.full(len(columns["N"]), columns["D"].min())
    offset = np.cumsum([0, *(int(part.groups.max()) + 1 for part in parts[:-1])])
    dropped: dict[str, int] = {}
    for part in parts:
        for reason, count in part.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return replace(
        first,
        **columns,
        eval_set=eval_set,
        groups=np.concatenate([part.groups + start for part, start in zip(parts, offset, strict=True)]),
        units=Units(unit_near(columns["N"]), unit_near(columns["D"])),
        extra=extra,
        dropped=dropped,
        bases={},
    )
