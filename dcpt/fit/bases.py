"""Losses of the base models before continual pre-training: what anchored laws and tolerances start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from dcpt.core.errors import ConfigError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import GENERAL, LAW_INPUTS
from dcpt.fit.near_base import Nearest, find_nearest

Array = NDArray[np.float64]

SAME_SIZE = 0.005
"""Relative difference in N up to which a base counts as the target's: half a unit of the third digit,
which is how sizes are printed and typed (7.00B)."""

LEAST_SIZES = 3
"""Sizes needed to estimate the loss of another one."""

_MAX_EXPONENT = 2.0
"""Upper bound of the size exponent; published ones lie between 0.05 and 0.8."""


@dataclass(frozen=True)
class Bases:
    """Loss before continual pre-training (D = 0) by model size, of one evaluation set.

    Parameters
    ----------
    sizes, losses : tuple of float
        Non-embedding parameters in ascending order, and the loss of the base of each (the geometric
        mean where there are several).
    """

    sizes: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        wrong = len(self.sizes) != len(self.losses) or not all(x < y for x, y in pairwise(self.sizes))
        if wrong or not all(value > 0 for value in (*self.sizes, *self.losses)):
            raise ConfigError(
                f"bases: got sizes {self.sizes} and losses {self.losses}; wanted as many positive losses as "
                "ascending sizes."
            )

    def _nearest(self, N: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        distance = np.abs(np.log(N[:, None] / np.array(self.sizes)))
        nearest = distance.argmin(axis=1)
        return nearest, distance[np.arange(len(N)), nearest] <= SAME_SIZE

    def covers(self, N: ArrayLike) -> bool:
        """Whether every size of `N`, shape (n,), has been measured."""
        N = np.atleast_1d(np.asarray(N, dtype=np.float64))
        return bool(self.sizes) and bool(self._nearest(N)[1].all())

    def measured(self, N: ArrayLike) -> Array:
        """Measured losses at sizes that `covers` accepts, shape (n,)."""
        N = np.atleast_1d(np.asarray(N, dtype=np.float64))
        return np.array(self.losses)[self._nearest(N)[0]]

    def at(self, N: ArrayLike) -> tuple[Array, Array]:
        """Loss at each size, and the standard deviation of its logarithm.

        Where a size was measured the deviation is 0; elsewhere E + A*N**-alpha through the bases is
        used, led to a measured loss near it (`nearest`), and the deviation adds the residual scatter to the
        larger of two errors of extrapolation: the jackknife over sizes, and the miss at the largest size
        when it is left out, scaled by the distance in log N.

        Parameters
        ----------
        N : array_like, shape (n,)
            Non-embedding parameters.

        Returns
        -------
        loss, log_sd : ndarray, shape (n,)

        Raises
        ------
        FitError
            When a size was not measured and fewer than three others were.
        """
        N = np.atleast_1d(np.asarray(N, dtype=np.float64))
        loss, log_sd = np.empty(len(N)), np.zeros(len(N))
        found = np.zeros(len(N), dtype=bool)
        if self.sizes:
            nearest, found = self._nearest(N)
            loss[found] = np.array(self.losses)[nearest[found]]
        if found.all():
            return loss, log_sd
        if len(self.sizes) < LEAST_SIZES:
            raise FitError(
                f"the loss of the {format_quantity(float(N[~found][0]))} base before continual pre-training "
                f"is not known, and those of {len(self.sizes)} other sizes are; at least {LEAST_SIZES} "
                "are needed to estimate it.",
                hint="measure the base once on that evaluation set and give its loss",
            )
        curve, near = _curve(self.sizes, self.losses), self.nearest(N[~found])
        value, spread = curve.at(N[~found])
        loss[~found], log_sd[~found] = near.led(value, curve.whole.at(near.edge), spread)
        return loss, log_sd

    def nearest(self, N: ArrayLike) -> Nearest:
        """The measured base that leads the estimate at each size, shape (n,), of two or more measured."""
        N = np.atleast_1d(np.asarray(N, dtype=np.float64))
        return find_nearest(self.sizes, self.losses, N, SAME_SIZE)


def read_bases(table: LossTable, eval_set: str, metric: str = "loss") -> Bases:
    """The bases of an evaluation set: its rows of phase ``base``."""
    rows = table.select(eval_set, metric, ("base",)).frame
    if not len(rows):
        return Bases()
    mean = np.log(rows["value"]).groupby(rows["N"]).mean().sort_index()
    return Bases(tuple(map(float, mean.index)), tuple(map(float, np.exp(mean))))


def general_sets(table: LossTable) -> tuple[str, ...]:
    """Sets whose losses may stand for the general side: ``general`` alone where it is there, else all.

    Of several it is not known which is meant.
    """
    sets = [str(name) for name in table.frame.loc[table.frame["role"] == GENERAL, "eval_set"].unique()]
    return (GENERAL,) if GENERAL in sets else tuple(sets)


def missing_base(law: str, name: str, N: float, general: Sequence[str]) -> ConfigError:
    """What to say where a law needs the base's loss and the table has none for a size.

    Parameters
    ----------
    law, name : str
        The law, and its input: L0 or G0.
    N : float
        The size.
    general : sequence of str
        From `general_sets`.
    """
    what = LAW_INPUTS[name].meaning
    if name == "G0" and len(general) > 1:
        return ConfigError(
            f"law {law} needs the {what}; the table has several general sets ({', '.join(general)}) and none "
            f"called {GENERAL!r}.",
            hint=f"call one of them {GENERAL!r}, or add a column: --map {name}=YOUR_COLUMN",
        )
    return ConfigError(
        f"law {law} needs the {what}; the table has none for size {format_quantity(N)}.",
        hint=f"add a row with D = 0 for every size, or a column: --map {name}=YOUR_COLUMN",
    )


def start_losses(table: LossTable, eval_set: str, metric: str = "loss") -> dict[str, Bases]:
    """Bases behind the inputs L0, of the set itself, and G0, of the general side.

    G0 is read from the set ``general``, or from the table's only set of that side.
    """
    sets = general_sets(table)
    general = sets[0] if len(sets) == 1 else None
    found = {"L0": read_bases(table, eval_set, metric)}
    found["G0"] = read_bases(table, general, metric) if general is not None else Bases()
    return found


@dataclass(frozen=True)
class _PowerLaw:
    """E + A*(N/unit)**-alpha."""

    E: float
    A: float
    alpha: float
    unit: float

    def at(self, N: Array | float) -> Array:
        return np.asarray(self.E + self.A * (np.asarray(N) / self.unit) ** -self.alpha)


@dataclass(frozen=True)
class _Curve:
    """The power law through all bases, those without one of them, and how far it misses."""

    whole: _PowerLaw
    left_out: tuple[_PowerLaw, ...]
    residual: float
    miss: float
    largest: float
    spacing: float

    def at(self, N: Array) -> tuple[Array, Array]:
        count = len(self.left_out)
        logs = np.log([law.at(N) for law in self.left_out])
        jackknife = np.sqrt((count - 1) * logs.var(axis=0))
        beyond = np.maximum(0.0, np.log(N / self.largest)) / self.spacing
        return self.whole.at(N), np.hypot(self.residual, np.maximum(jackknife, self.miss * beyond))


@lru_cache(maxsize=64)
def _curve(sizes: tuple[float, ...], losses: tuple[float, ...]) -> _Curve:
    """Fit the curve of one set of bases; planners ask it about many sizes."""
    n, loss = np.array(sizes), np.array(losses)
    whole = _power_law(n, loss)
    residual = float(np.sqrt(np.sum(np.log(loss / whole.at(n)) ** 2) / max(len(n) - 3, 1)))
    left_out = tuple(_power_law(np.delete(n, i), np.delete(loss, i)) for i in range(len(n)))
    miss = abs(float(np.log(loss[-1] / left_out[-1].at(n[-1]))))
    return _Curve(whole, left_out, residual, miss, float(n[-1]), float(np.log(n[-1] / n[-2])))


def _power_law(sizes: Array, losses: Array) -> _PowerLaw:
    """E + A*n**-alpha by least squares in log loss; A*n**-alpha through two sizes."""
    unit = float(np.exp(np.log(sizes).mean()))
    n, logs = sizes / unit, np.log(losses)
    slope = float(np.clip(-np.polyfit(np.log(n), logs, 1)[0], 1e-3, _MAX_EXPONENT))
    level = float(np.exp(logs.mean()))
    if len(sizes) < LEAST_SIZES:
        return _PowerLaw(0.0, level, slope, unit)

    def miss(p: Array) -> Array:
        return np.asarray(np.log(p[0] + p[1] * n ** -p[2]) - logs)

    best = None
    for share in (0.0, 0.5, 0.9):  # starts: share of the lowest loss that no size removes
        floor = share * float(losses.min())
        start = [floor, level - floor, min(slope / (1 - share), _MAX_EXPONENT)]
        found = least_squares(
            miss, start, bounds=([0, 1e-9, 0], [losses.min(), np.inf, _MAX_EXPONENT]), x_scale="jac"
        )
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    E, A, alpha = map(float, best.x)
    return _PowerLaw(E, A, alpha, unit)
