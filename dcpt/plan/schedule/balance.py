"""The best run for every balance between keeping the general and learning the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.schedule.aim import Aim, Priced, price
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.forecast import FittedCurves
from dcpt.plan.schedule.outside import outside_curves
from dcpt.plan.schedule.reach import doubts, impossible
from dcpt.plan.schedule.setting import Setting

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(11))
"""Weights on the general loss."""


@dataclass(frozen=True, eq=False)
class Balance:
    """The best of some runs for every weight on the general loss.

    Attributes
    ----------
    weights : tuple of float
        Weights on the change of the general loss; the rest is on the domain loss.
    names : tuple of str
        Name of every run compared.
    settings : tuple of Setting
        The runs.
    priced : Priced
        Their expected losses, and changes from the start.
    best : tuple of int
        Number of the best run for each weight.
    agree : ndarray, shape (weights,), or None
        Share of the draws in which that run is the best; None without draws.
    caveats : tuple of ScheduleCaveat
        Reasons for doubt.
    outside : tuple of str
        What of each run lies outside the fitted curves, see `outside_curves`.
    """

    weights: tuple[float, ...]
    names: tuple[str, ...]
    settings: tuple[Setting, ...]
    priced: Priced
    best: tuple[int, ...]
    agree: Array | None
    caveats: tuple[ScheduleCaveat, ...]
    outside: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per weight: the best run, losses, their changes, how many draws agree, what is outside."""
        import pandas as pd

        index = list(self.best)
        columns: dict[str, object] = {"weight": self.weights, "best": [self.names[item] for item in index]}
        for side, loss in zip(self.priced.sides, self.priced.losses, strict=True):
            columns[side] = loss.mean[index]
        for side, change in zip(self.priced.sides, self.priced.changes, strict=False):
            columns[f"{side}_change"] = change.mean[index]
        if self.agree is not None:
            columns["agree"] = self.agree
        columns["outside"] = [self.outside[item] for item in index]
        return pd.DataFrame(columns)


def balance(
    general: FittedCurves,
    domain: FittedCurves,
    settings: Mapping[str, Setting],
    weights: Sequence[float] = WEIGHTS,
    from_start: bool = True,
) -> Balance:
    """Find, for every weight, the run with the least weighted sum of both changes of loss.

    The runs may differ in anything at once: annealing, peak, steps, loss potential and replay.

    Parameters
    ----------
    general, domain : FittedCurves
        Fits of the two sides.
    settings : mapping
        Name to run.
    weights : sequence of float
        Weights on the general loss, shares in [0, 1].
    from_start : bool
        Whether changes from the base's loss count, as published; else final losses.

    Raises
    ------
    ConfigError
        When there is no run, or a weight is no share.

    References
    ----------
    Wang et al. 2025, arXiv:2505.07796, Eq. 5.
    """
    if general.side == domain.side:
        raise ConfigError(f"balance: both fits are of the {general.side} side; wanted one of each.")
    if not weights:
        raise ConfigError("balance: there is no weight.")
    runs = tuple(settings.values())
    aims = [Aim.balance(general, domain, weight, from_start) for weight in weights]
    priced = price(Aim.balance(general, domain, 0.5, from_start), runs)
    ends = priced.changes if from_start else priced.losses
    best, agree = [], []
    for weight in weights:
        best.append(int(np.argmin(weight * ends[0].mean + (1 - weight) * ends[1].mean)))
        if ends[0].draws is not None and ends[1].draws is not None:
            count = min(len(ends[0].draws), len(ends[1].draws))
            total = weight * ends[0].draws[:count] + (1 - weight) * ends[1].draws[:count]
            agree.append(float((total.argmin(axis=1) == best[-1]).mean()))
    return Balance(
        weights=tuple(float(weight) for weight in weights),
        names=tuple(settings),
        settings=runs,
        priced=priced,
        best=tuple(best),
        agree=np.array(agree) if agree else None,
        caveats=(*doubts(aims[len(aims) // 2], runs), *impossible(priced)),
        outside=tuple(outside_curves((general, domain), runs)),
    )
