"""A loss table as the arrays a fit works on: one evaluation set, annealed ends, chosen units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.fit.bases import Bases, general_sets, missing_base, start_losses
from dcpt.laws.law import _COLUMN_DOMAIN, DOMAIN, Law

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

    def scale(self, raw: Mapping[str, ArrayLike], kinds: Mapping[str, str]) -> dict[str, Array]:
        """Inputs of a law from raw values; `kinds` names the unit of each, N's and D's being known."""
        factor = {"parameters": self.N, "tokens": self.D}
        kinds = {**kinds, **_KINDS}
        return {
            name: np.asarray(value, dtype=np.float64) / factor.get(kinds.get(name, ""), 1.0)
            for name, value in raw.items()
        }


_KINDS = {"N": "parameters", "D": "tokens", "U": "tokens", "Dmin": "tokens"}


def kinds_of(law: Law) -> dict[str, str]:
    """Unit of each extra column of a law."""
    return {column.name: column.unit for column in law.columns}


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
    extra : mapping of str to ndarray, shape (n,)
        Raw values of the other inputs a law may have: L0, G0, Dmin, U, eta, columns of its own.
    kinds : mapping
        Unit of those inputs where it is parameters or tokens.
    bases : mapping of str to Bases
        Losses before continual pre-training, by size: of this set (L0) and of the general side (G0).
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
    extra: Mapping[str, Array] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, Bases] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Array]:
        """Inputs of a law, each of shape (n,)."""
        raw = {"N": self.N, "D": self.D, "s": self.s, "r": self.r, **self.extra}
        return self.units.scale(raw, self.kinds)

    @property
    def log_loss(self) -> Array:
        """Logarithm of the losses, shape (n,)."""
        return np.log(self.loss)

    def take(self, rows: NDArray[Any]) -> FitData:
        """The same data with only some rows (mask or indices); the units stay."""
        columns = {name: getattr(self, name)[rows] for name in ("N", "D", "r", "s", "loss", "groups")}
        extra = {name: values[rows] for name, values in self.extra.items()}
        return replace(self, **columns, extra=extra)

    def __len__(self) -> int:
        return len(self.loss)


def unit_near(values: Array) -> float:
    """Power of 1000 nearest to the geometric mean of positive values."""
    return float(1000.0 ** np.round(np.log(values).mean() / np.log(1000.0)))


def prepare(
    table: LossTable,
    eval_set: str,
    *,
    metric: str = "loss",
    corners: bool = False,
    law: Law | None = None,
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
    law : Law, optional
        What is to be fitted: its own columns are read too, and a law that is finite at s = 0 takes
        that corner.

    Returns
    -------
    data, corner_data : FitData
        Rows to fit, and the corner rows that are left out (empty with ``corners=True``).

    Raises
    ------
    ConfigError
        When the table has no such evaluation set or metric, or lacks a column the law needs.
    DataError
        When no row of it can be fitted, or an input of a fitted row is outside the law's domain.
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
    start = int((every.frame["D"] == 0).sum())
    unfinished = len(every) - len(ends) - start + int((~positive).sum())
    dropped = {"before continual pre-training, D = 0": start, "not the end of a schedule": unfinished}
    r = frame["r"].to_numpy(float)
    inside = ((r > 0) & (r < 1)) | np.isnan(r)
    fitted = positive & (inside | corners)
    if not fitted.any():
        outside = int((positive & ~inside).sum())
        raise _none_fitted(eval_set, len(every), {**dropped, "with r = 0 or r = 1": outside})
    D = frame["D"].to_numpy(float)
    N = frame["N"].to_numpy(float)
    bases = start_losses(table, eval_set, metric)
    extra = _extra(frame, law, bases, general_sets(table))
    if law is not None:
        _check_domain(frame, law, extra, fitted, eval_set)
    extra["Dmin"] = np.full(len(frame), D[fitted].min())
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
        extra=extra,
        kinds={} if law is None else kinds_of(law),
        bases=bases,
    )
    outside = positive & ~fitted
    dropped["r = 0 or r = 1"] = int(outside.sum())
    kept = {reason: count for reason, count in dropped.items() if count}
    return replace(whole.take(fitted), dropped=kept), whole.take(outside)


_NOT_FITTED = {
    "before continual pre-training, D = 0": "give losses after some training: rows with D > 0",
    "not the end of a schedule": "annealed ends carry phase = end; a law without schedule is not fitted on "
    "other points",
    "with r = 0 or r = 1": "fit these ratios too: --corners (corners=True)",
}
"""Why a row is not fitted to what the user can do about it."""


def _none_fitted(eval_set: str, rows: int, reasons: Mapping[str, int]) -> DataError:
    """What to say of a set without a row to fit: how many rows each reason takes, and help for the most."""
    found = {reason: count for reason, count in reasons.items() if count}
    most = max(found, key=lambda reason: found[reason])
    parts = ", ".join(f"{count} {reason}" for reason, count in found.items())
    return DataError(
        f"evaluation set {eval_set!r}: none of its {rows} rows can be fitted ({parts}).",
        hint=_NOT_FITTED[most],
    )


def _extra(
    frame: pd.DataFrame, law: Law | None, bases: Mapping[str, Bases], general: Sequence[str]
) -> dict[str, Array]:
    """The inputs beside N, D and the shares: columns of the table, and the base's loss by size."""
    wanted = () if law is None else tuple(name for name in law.inputs if name not in _GIVEN)
    extra: dict[str, Array] = {}
    for name in dict.fromkeys((*wanted, "eta")):
        if name in frame and frame[name].notna().all():
            extra[name] = frame[name].to_numpy(float)
    sizes = frame["N"].to_numpy(float)
    for name, base in bases.items():
        if name not in extra and base.covers(sizes):
            extra[name] = base.measured(sizes)
    for name in wanted:
        if name in extra:
            continue
        assert law is not None
        if name in bases:
            missing = next(size for size in sizes if not bases[name].covers(size))
            raise missing_base(law.name, name, float(missing), general)
        raise ConfigError(
            f"law {law.name} needs the column {name}; the table has none.",
            hint=f"map your own name to it: --map {name}=YOUR_COLUMN",
        )
    return extra


def outside_domain(law: Law, name: str, values: Array) -> tuple[NDArray[np.bool_], str]:
    """Which raw values of an input no law, or not this one, is declared for, and what is wanted.

    Counts of parameters and tokens may come in any unit and losses before CPT in any metric: they need
    only be positive, as does what the law declares no range for.

    Returns
    -------
    outside : ndarray of bool, of the shape of `values`
    wanted : str
    """
    lo, hi = law.domain[name]
    counted = law.symbols[name].unit in ("parameters", "tokens")
    if name in ("r", "s"):
        lo, hi, wanted = 0.0, 1.0, "a share in [0, 1]"
    elif counted or name in ("L0", "G0") or (lo, hi) == DOMAIN.get(name, _COLUMN_DOMAIN):
        above = values > 0 if lo > 0 else values >= 0
        return ~(above & np.isfinite(values)), "a positive number" if lo > 0 else "0 or a positive number"
    else:
        wanted = f"a number from {lo:g} to {hi:g}"
    slack = _ROUNDING * max(abs(lo), abs(hi))
    return ~((values >= lo - slack) & (values <= hi + slack)), wanted


def _check_domain(
    frame: pd.DataFrame, law: Law, extra: Mapping[str, Array], fitted: NDArray[np.bool_], eval_set: str
) -> None:
    for name in (name for name in law.inputs if name in extra):
        outside, wanted = outside_domain(law, name, extra[name])
        bad = np.flatnonzero(outside & fitted)
        if len(bad):
            row = frame.iloc[int(bad[0])]
            at = [f"{symbol} = {row[symbol]:.10g}" for symbol in ("N", "D", "r") if not np.isnan(row[symbol])]
            raise DataError(
                f"evaluation set {eval_set!r}: {name} = {extra[name][bad[0]]:g} at {', '.join(at)} (run "
                f"{row['run_id']}) is outside the domain of law {law.name}; wanted {wanted}. "
                f"{len(bad)} of {int(fitted.sum())} rows are.",
                hint="a share or a rate in percent is read with --scale "
                f"{name}=0.01; leave other rows out with --where",
            )


_ROUNDING = 1e-9
_GIVEN = ("N", "D", "s", "r", "Dmin")
