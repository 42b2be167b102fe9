"""A richer domain share in the last part of a run: how rich, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.plan.schedule.aim import Aim, Priced, price
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.knobs import check_mixture
from dcpt.plan.schedule.outside import outside_curves
from dcpt.plan.schedule.reach import doubts
from dcpt.plan.schedule.setting import Setting

if TYPE_CHECKING:
    import pandas as pd

LATE_PARTS = (0.05, 0.1, 0.2, 0.3)
"""Last parts of a run that the later mixture is tried on: the range studied for up-sampling at the end."""


@dataclass(frozen=True, eq=False)
class Upsampling:
    """Two-stage mixtures compared with one mixture throughout.

    Attributes
    ----------
    settings : tuple of Setting
        The runs; the first has one mixture throughout.
    priced : Priced
        What the aim expects of them.
    best : Setting
        The run with the least expected objective.
    gain : float
        How much less its objective is than that of the same mean domain share throughout, the part of the
        change that is owed to when the domain is seen.
    gain_lo, gain_hi : float or None
        Its interval over the draws; None without draws.
    caveats : tuple of ScheduleCaveat
        Reasons for doubt; that the assumption is not fitted is always one.
    outside : tuple of str
        What of each run lies outside the fitted curves, see `outside_curves`.
    """

    settings: tuple[Setting, ...]
    priced: Priced
    best: Setting
    gain: float
    gain_lo: float | None
    gain_hi: float | None
    caveats: tuple[ScheduleCaveat, ...]
    outside: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run: r, r_late, late part, mean domain share, objective, losses, what is outside."""
        import pandas as pd

        rows = [
            {
                "r": item.r,
                "r_late": item.r if item.r_late is None else item.r_late,
                "late_part": item.late_steps / item.steps,
                "r_mean": mean_share(item),
            }
            for item in self.settings
        ]
        frame = pd.DataFrame(rows).assign(objective=self.priced.objective.mean)
        losses = zip(self.priced.sides, self.priced.losses, strict=True)
        frame = frame.assign(**{side: loss.mean for side, loss in losses})
        return frame.assign(outside=list(self.outside))


def mean_share(setting: Setting) -> float:
    """Domain share of all tokens of a run.

    Raises
    ------
    ConfigError
        When the setting does not say its mixture.
    """
    if setting.r is None:
        raise ConfigError("up-sampling: the setting has no domain share r.")
    if setting.r_late is None:
        return setting.r
    part = setting.late_steps / setting.steps
    return (1 - part) * setting.r + part * setting.r_late


def upsample_late(
    aim: Aim,
    setting: Setting,
    late_shares: Iterable[float],
    parts: Iterable[float] = LATE_PARTS,
    level: float = 0.9,
) -> Upsampling:
    """Price richer domain shares in the last part of a run.

    Shift and annealing gain add up with the mixture in force at each step: a stretch adds its replay factor
    times the shift between the forward areas at its ends, and falls of the rate count with the share of the
    step they happen in. Nothing of the shift is undone by a later mixture. No published measurement of a loss
    curve under two mixtures went into this.

    Parameters
    ----------
    aim : Aim
        What is to be least; its laws know the mixture.
    setting : Setting
        The run with its first mixture `r`.
    late_shares : iterable of float
        Domain shares of the last part.
    parts : iterable of float
        Last parts of the run, as shares of its steps.
    level : float
        Probability of the interval.

    Raises
    ------
    ConfigError
        When a law does not know the mixture, the setting has none or changes it already, or a part is no
        share.
    """
    check_mixture(aim)
    if setting.r is None or setting.r_late is not None:
        raise ConfigError("up-sampling: the setting needs one mixture r throughout to begin with.")
    runs, shares = [setting], tuple(late_shares)
    for part in parts:
        if not 0 < part < 1:
            raise ConfigError(f"up-sampling: the late part is {part:g}; wanted a share between 0 and 1.")
        steps = max(round(part * setting.steps), 1)
        runs += [replace(setting, r_late=share, late_steps=steps) for share in shares]
    if len(runs) == 1:
        raise ConfigError("up-sampling: there is no late share to compare.")
    evened = [replace(item, r=mean_share(item), r_late=None, late_steps=0) for item in runs]
    count = len(runs)
    both = price(aim, [*runs, *evened])
    index = int(np.argmin(both.objective.mean[:count]))
    low = high = None
    if both.objective.draws is not None:
        tail = 0.5 * (1 - level)
        gains = both.objective.draws[:, count + index] - both.objective.draws[:, index]
        low, high = (float(end) for end in np.quantile(gains, [tail, 1 - tail]))
    return Upsampling(
        settings=tuple(runs),
        priced=price(aim, runs),
        best=runs[index],
        gain=float(both.objective.mean[count + index] - both.objective.mean[index]),
        gain_lo=low,
        gain_hi=high,
        caveats=doubts(aim, runs),
        outside=tuple(outside_curves((fit for fit, _ in aim.active), runs)),
    )
