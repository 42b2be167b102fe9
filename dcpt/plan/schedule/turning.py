"""How long continual pre-training takes to bring the general loss back to where it found it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.plan.schedule.forecast import FittedCurves, final_losses, losses_at, start_losses
from dcpt.plan.schedule.setting import Setting

Array = NDArray[np.float64]

POINTS = 96
"""Lengths a turning length is looked for among, before it is refined."""

_SCALES = ("constant", "cosine", "linear", "wsd")


@dataclass(frozen=True)
class TurningLength:
    """The least number of steps after which the general loss is back at its start.

    Attributes
    ----------
    steps : int or None
        That number; 0 when the loss never rises, None when it is not back within `longest`.
    lo, hi : float or None
        Quantiles over those draws in which it comes back; None without draws, or where it never does.
    returns : float or None
        Share of the draws in which it comes back within `longest`; None without draws.
    longest : int
        Longest run looked at.
    start : float
        The general loss before continual pre-training.
    """

    steps: int | None
    lo: float | None
    hi: float | None
    returns: float | None
    longest: int
    start: float


def turning_length(
    fit: FittedCurves, setting: Setting, longest: int, start: float | None = None, level: float = 0.9
) -> TurningLength:
    """Find the turning length of a kind of schedule.

    A run of n steps has the setting's schedule with its decay shortened or stretched with n; the warm-up
    stays. With a constant rate that is one long run; a decay brings the loss back sooner.

    Parameters
    ----------
    fit : FittedCurves
        Fit of the general loss.
    setting : Setting
        The run; constant, cosine, linear or wsd.
    longest : int
        Longest run looked at, steps.
    start : float, optional
        Measured general loss of the base; otherwise as the law has it.
    level : float
        Probability of the interval.

    Raises
    ------
    ConfigError
        When the fit is not of the general loss, or the schedule does not scale.
    """
    _general(fit)
    cpt = setting.schedule
    if cpt.kind not in _SCALES or setting.r_late is not None:
        raise ConfigError(
            f"turning length: a {cpt.kind} schedule, or one with two mixtures, does not scale with its "
            f"steps; wanted {', '.join(_SCALES)} and one mixture."
        )
    shortest = cpt.warmup + 1
    if longest <= shortest:
        raise ConfigError(f"turning length: longest is {longest}; wanted more than {shortest} steps.")
    lengths = np.unique(np.geomspace(shortest, longest, POINTS).round().astype(np.int64))

    def run(steps: int) -> Setting:
        decay = min(round(cpt.decay * steps / cpt.steps), steps - cpt.warmup)
        return replace(setting, cpt=replace(cpt, steps=int(steps), decay=decay))

    if cpt.kind == "constant":
        found = losses_at(fit, run(longest), setting.switch + lengths)
    else:
        found = final_losses(fit, [run(length) for length in lengths])
    if start is None:
        base = start_losses(fit, [setting])
        begins, begin_draws = float(base.mean[0]), None if base.draws is None else base.draws[:, 0]
    else:
        begins, begin_draws = start, None
    crossing = _crossing(lengths, found.mean - begins)
    steps = (
        None
        if crossing is None
        else 0
        if crossing == 0
        else _refine(lambda n: float(final_losses(fit, [run(n)]).mean[0]) - begins, crossing, lengths)
    )
    if found.draws is None:
        return TurningLength(steps, None, None, None, longest, begins)
    levels = np.full(len(found.draws), begins) if begin_draws is None else begin_draws
    turns = [_crossing(lengths, row - first) for row, first in zip(found.draws, levels, strict=True)]
    back = [turn for turn in turns if turn is not None]
    tail = 0.5 * (1 - level)
    low, high = np.quantile(back, [tail, 1 - tail]) if back else (None, None)
    return TurningLength(
        steps,
        None if low is None else float(low),
        None if high is None else float(high),
        len(back) / len(turns),
        longest,
        begins,
    )


def _crossing(lengths: NDArray[np.int64], rise: Array) -> float | None:
    """Where a rise has come back to 0, between two lengths; 0 when there is none, None when it stays."""
    up = np.flatnonzero(rise > 0)
    if not len(up):
        return 0.0
    down = np.flatnonzero(rise[up[0] :] <= 0)
    if not len(down):
        return None
    index = int(up[0] + down[0])
    part = rise[index - 1] / (rise[index - 1] - rise[index])
    return float(np.exp(np.log(lengths[index - 1]) * (1 - part) + np.log(lengths[index]) * part))


def _refine(rise: Callable[[int], float], near: float, lengths: NDArray[np.int64]) -> int:
    """The least length at which the rise is back at 0, by bisection beside a crossing."""
    index = int(np.searchsorted(lengths, near))
    low, high = int(lengths[max(index - 1, 0)]), int(lengths[min(index, len(lengths) - 1)])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rise(middle) > 0 else (low, middle)
    return high


def _general(fit: FittedCurves) -> None:
    if fit.side != GENERAL:
        raise ConfigError(f"turning length: the fit is of the {fit.side} loss; wanted the general one.")
