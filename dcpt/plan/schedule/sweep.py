"""Settings that differ in one thing, compared by what the fitted laws expect of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.schedule.aim import Aim, Priced, price
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.forecast import Forecast
from dcpt.plan.schedule.outside import outside_curves
from dcpt.plan.schedule.reach import doubts, impossible
from dcpt.plan.schedule.setting import Setting

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_ENDS: Mapping[str, tuple[float, ...]] = {
    "anneal_share": (0.0, 1.0),
    "potential": (0.0, 1.0),
    "replay": (0.0, 1.0),
    "rewarm_steps": (0.0,),
}
"""Values that nothing lies beyond."""


@dataclass(frozen=True, eq=False)
class ScheduleSweep:
    """Expected losses along one knob of a run.

    Attributes
    ----------
    knob : str
        What was varied.
    values : ndarray, shape (n,)
        Its values, ascending.
    settings : tuple of Setting
        The runs.
    priced : Priced
        Their expected losses and the objective.
    best : float
        Value with the least expected objective.
    best_lo, best_hi : float or None
        Quantiles of the best value over the draws; None without draws.
    loss : float
        Objective at the best value.
    caveats : tuple of ScheduleCaveat
        Reasons for doubt.
    level : float
        Probability of the intervals.
    outside : tuple of str
        What of each run lies outside the fitted curves, see `outside_curves`.
    """

    knob: str
    values: Array
    settings: tuple[Setting, ...]
    priced: Priced
    best: float
    best_lo: float | None
    best_hi: float | None
    loss: float
    caveats: tuple[ScheduleCaveat, ...]
    level: float
    outside: tuple[str, ...] = ()

    @property
    def setting(self) -> Setting:
        """The run with the best value."""
        return self.settings[int(np.argmin(self.priced.objective.mean))]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per value: the knob, objective, losses and changes, with intervals; what is outside."""
        import pandas as pd

        columns: dict[str, Array] = {self.knob: self.values}
        columns |= _columns("objective", self.priced.objective, self.level)
        for side, loss in zip(self.priced.sides, self.priced.losses, strict=True):
            columns |= _columns(side, loss, self.level)
        for side, change in zip(self.priced.sides, self.priced.changes, strict=False):
            columns |= _columns(f"{side}_change", change, self.level)
        return pd.DataFrame(columns).assign(outside=list(self.outside))


def sweep_settings(
    aim: Aim,
    knob: str,
    settings: Mapping[float, Setting] | Sequence[tuple[float, Setting]],
    level: float = 0.9,
) -> ScheduleSweep:
    """Price settings along a knob and find the best.

    Parameters
    ----------
    aim : Aim
        What is to be least.
    knob : str
        Name of the varied thing.
    settings : mapping or pairs
        Value to the run with it.
    level : float
        Probability of the intervals.

    Raises
    ------
    ConfigError
        When there is no setting, or the level is no probability.
    """
    if not 0 < level < 1:
        raise ConfigError(f"schedules: level is {level:g}; wanted a probability between 0 and 1.")
    pairs = sorted(settings.items() if isinstance(settings, Mapping) else settings, key=lambda pair: pair[0])
    if not pairs:
        raise ConfigError(f"schedules: there is no {knob} to compare.")
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    runs = tuple(setting for _, setting in pairs)
    priced = price(aim, runs)
    objective = priced.objective
    index = int(np.argmin(objective.mean))
    low = high = None
    if objective.draws is not None:
        tail = 0.5 * (1 - level)
        bests = values[objective.draws.argmin(axis=1)]
        low, high = (float(end) for end in np.quantile(bests, [tail, 1 - tail]))
    caveats = (*doubts(aim, runs), *impossible(priced))
    ends = _ENDS.get(knob, ())
    if len(values) > 2 and index in (0, len(values) - 1) and values[index] not in ends:
        caveats += (
            ScheduleCaveat(
                "edge_of_range",
                f"The best {knob}, {values[index]:g}, is at the edge of the compared {values[0]:g} to "
                f"{values[-1]:g}: a better one may lie beyond.",
            ),
        )
    return ScheduleSweep(
        knob,
        values,
        runs,
        priced,
        float(values[index]),
        low,
        high,
        float(objective.mean[index]),
        caveats,
        level,
        tuple(outside_curves((fit for fit, _ in aim.active), runs)),
    )


def _columns(name: str, forecast: Forecast, level: float) -> dict[str, Array]:
    found = {name: forecast.mean}
    ends = forecast.interval(level)
    if ends is not None:
        found |= {f"{name}_lo": ends[0], f"{name}_hi": ends[1]}
    return found
