"""A loss table as the arrays a fit works on: one evaluation set, annealed ends, chosen units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import GENERAL

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """What N and D are counted in inside a fit, so that coefficients are moderate numbers.

    Parameters
    ----------
    N, D : float
        Parameters and tokens per unit; powers of 1000 (1e6: coefficients are per million).
    """

    N: float
    D: float

    def scale(self, N: ArrayLike, D: ArrayLike, s: ArrayLike) -> dict[str, Array]:
        """Inputs of a law from parameters, tokens and the share s."""
        return {
            "N": np.asarray(N, dtype=np.float64) / self.N,
            "D": np.asarray(D, dtype=np.float64) / self.D,
            "s": np.asarray(s, dtype=np.float64),
        }


@dataclass(frozen=True, eq=False)
class FitData:
    """Rows of one evaluation set, ready to be fitted.

    Attributes
    ----------
    eval_set, role, metric, unit : str
        What was measured.
    N, D, r, s, loss : ndarray, shape (n,)
        Raw units: parameters, tokens, shares, loss.
    groups : ndarray of int, shape (n,)
        Number of the independent run behind each row.
    units : Units
        What `inputs` counts N and D in.
    dropped : mapping
        Reason to the number of rows left out for it.
    """

    eval_set: str
    role: str
    metric: str
    unit: str
    N: Array
    D: Array
    r: Array
    s: Array
    loss: Array
    groups: Integers
    units: Units
    dropped: Mapping[str, int]

    @property
    def inputs(self) -> dict[str, Array]:
        """Inputs of a law, each of shape (n,)."""
        return self.units.scale(self.N, self.D, self.s)

    @property
    def log_loss(self) -> Array:
        """Logarithm of the losses, shape (n,)."""
        return np.log(self.loss)

    def take(self, rows: NDArray[Any]) -> FitData:
        """The same data with only some rows (mask or indices); the units stay."""
        columns = {name: getattr(self, name)[rows] for name in ("N", "D", "r", "s", "loss", "groups")}
        return replace(self, **columns)

    def __len__(self) -> int:
        return len(self.loss)


def share_of(role: str, r: ArrayLike) -> Array:
    """Share s of the side a loss is measured on, from the domain share r."""
    r = np.asarray(r, dtype=np.float64)
    return 1.0 - r if role == GENERAL else r


def unit_near(values: Array) -> float:
    """Power of 1000 nearest to the geometric mean of positive values."""
    return float(1000.0 ** np.round(np.log(values).mean() / np.log(1000.0)))


def prepare(
    table: LossTable, eval_set: str, *, metric: str = "loss", corners: bool = False
) -> tuple[FitData, FitData]:
    """Select and scale the rows a law is fitted on.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    eval_set, metric : str
        Which loss.
    corners : bool
        Also fit the rows without replay or without domain text (r exactly 0 or 1), which power
        laws in the share describe badly.

    Returns
    -------
    data, corner_data : FitData
        Rows to fit, and the corner rows that are left out (empty with ``corners=True``).

    Raises
    ------
    ConfigError
        When the table has no such evaluation set or metric.
    DataError
        When no row of it can be fitted.
    """
    if eval_set not in table.eval_sets:
        raise ConfigError(
            f"evaluation set {eval_set!r} is not in the table; it has {', '.join(table.eval_sets)}."
        )
    every = table.select(eval_set, metric, None)
    if not len(every):
        known = ", ".join(sorted(set(table.frame["metric"])))
        raise ConfigError(f"metric {metric!r} is not in the table; it has {known}.")
    ends = table.select(eval_set, metric)
    frame = ends.frame
    positive = frame["D"].to_numpy(float) > 0
    bases = int((every.frame["D"] == 0).sum())
    unfinished = len(every) - len(ends) - bases + int((~positive).sum())
    dropped = {"before continual pre-training, D = 0": bases, "not the end of a schedule": unfinished}
    r = frame["r"].to_numpy(float)
    inside = (r > 0) & (r < 1)
    fitted = positive & (inside | corners)
    if not fitted.any():
        raise DataError(
            f"evaluation set {eval_set!r}: none of its {len(every)} rows is the end of a schedule with D > 0"
            + ("." if corners else " and 0 < r < 1."),
            hint="annealed ends carry phase = end; a law without schedule is not fitted on other points",
        )
    D = frame["D"].to_numpy(float)
    N = frame["N"].to_numpy(float)
    whole = FitData(
        eval_set=eval_set,
        role=str(frame["role"].iloc[0]),
        metric=metric,
        unit=str(frame["unit"].iloc[0]),
        N=N,
        D=D,
        r=r,
        s=ends.share,
        loss=frame["value"].to_numpy(float),
        groups=ends.groups,
        units=Units(unit_near(N[fitted]), unit_near(D[fitted])),
        dropped={},
    )
    outside = positive & ~fitted
    dropped["r = 0 or r = 1"] = int(outside.sum())
    kept = {reason: count for reason, count in dropped.items() if count}
    return replace(whole.take(fitted), dropped=kept), whole.take(outside)
