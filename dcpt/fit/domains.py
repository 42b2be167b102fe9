"""Several domains in one fit: stacked rows, each with what a short run says about its domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN
from dcpt.fit.dataset import FitData, Units, prepare, unit_near
from dcpt.fit.short_run import ShortRun, short_run_coefficients

__all__ = ["ShortRun", "short_run_coefficients", "stack_domains"]

Array = NDArray[np.float64]


def stack_domains(
    tables: Mapping[str, LossTable],
    run: ShortRun | None = None,
    eval_set: str = DOMAIN,
    corners: bool = False,
    metric: str = "loss",
) -> FitData:
    """Rows of several domains' tables, to be fitted together.

    Parameters
    ----------
    tables : mapping of str to LossTable
        Domain to its losses.
    run : ShortRun, optional
        Gives every row the coefficients k1, k2 and k3 of its domain, for the cross-domain laws. They are
        losses on the domain's held-out set, also for rows of the general side.
    eval_set : str
        The held-out set in each table.
    corners, metric
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
        data, _ = prepare(table, eval_set, corners=corners, metric=metric)
        extra = {name: value for name, value in data.extra.items() if name != "eta"}
        extra["domain"] = np.full(len(data), float(code))
        if run is not None:
            own = eval_set if data.role == DOMAIN else DOMAIN
            found = short_run_coefficients(table, own, run, metric)
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
