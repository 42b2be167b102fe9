"""The schedule with the least expected loss, among all whose rate never rises after the warm-up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError, PlanError
from dcpt.plan.schedule.aim import Aim, price
from dcpt.plan.schedule.caveat import ScheduleCaveat
from dcpt.plan.schedule.descent import Function, best_rates
from dcpt.plan.schedule.forecast import Forecast
from dcpt.plan.schedule.reach import doubts
from dcpt.plan.schedule.setting import Setting
from dcpt.plan.schedule.terminal import terminal_loss

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_NEAR = 0.01
_HARDLY = 0.05


@dataclass(frozen=True, eq=False)
class BestSchedule:
    """A schedule optimised under fitted laws.

    Attributes
    ----------
    setting : Setting
        The run with the optimised rates.
    rates : ndarray, shape (steps,)
        Rates of continual pre-training, its re-warm-up included.
    losses : tuple of Forecast
        Final loss of each fit of the aim.
    objective : float
        The aim's weighted sum.
    gain : float
        How much less that is than for the rates the setting came with.
    gain_lo, gain_hi : float or None
        Its interval over the draws, both schedules under the same draw; None without draws.
    anneal_share : float
        Share of the steps after the rate has first left its plateau by a hundredth.
    tail : int
        Steps at the floor at the end.
    caveats : tuple of ScheduleCaveat
        Reasons for doubt.
    """

    setting: Setting
    rates: Array
    losses: tuple[Forecast, ...]
    objective: float
    gain: float
    gain_lo: float | None
    gain_hi: float | None
    anneal_share: float
    tail: int
    caveats: tuple[ScheduleCaveat, ...]


def best_schedule(aim: Aim, setting: Setting, floor: float = 0.0, level: float = 0.9) -> BestSchedule:
    """Optimise every rate after the re-warm-up, none above the one before it.

    The falls between the rates are moved by projected gradient steps with exact derivatives, on coarse blocks
    of steps first and on single steps last. The peak is no free variable: see `sweep_peak`.

    Parameters
    ----------
    aim : Aim
        What is to be least.
    setting : Setting
        The run: its steps, its warm-up and peak, its base and mixture. Its own decay is one of the starts.
    floor : float
        Lowest rate, as a share of the peak.
    level : float
        Probability of the interval.

    Raises
    ------
    ConfigError
        When the floor is no share, nothing is left to vary, or a law has no gradient.
    PlanError
        When a law goes on gaining at a rate of 0 and there is no floor: its optimum spends the end of the run
        there, learning nothing.
    """
    if not 0 <= floor < 1:
        raise ConfigError(f"best schedule: floor is {floor:g}; wanted a share of the peak, 0 to less than 1.")
    endless = [fit.law.name for fit, _ in aim.active if fit.law.gains_at_zero]
    if endless and floor == 0:
        raise PlanError(
            f"best schedule: {endless[0]} goes on gaining at a rate of 0, so that its best schedule ends "
            "with steps in which nothing is learnt.",
            hint="fit a law with an intrinsic kernel (cpt-dynamics+intrinsic-power), or give a floor",
        )
    history = setting.history()
    own = history.rates[history.switch :]
    rising = np.flatnonzero(history.rising[history.switch :])
    held = int(rising[-1]) + 1 if len(rising) else 0
    if held >= len(own):
        raise ConfigError("best schedule: the whole run is a warm-up; nothing is left to vary.")
    top = float(own[held - 1] if held else own[0])
    first, least = history.switch + held + 1, floor * top
    turn = setting.steps - setting.late_steps - held if setting.r_late is not None else None
    if turn is not None and turn < 0:
        raise ConfigError("best schedule: the mixture changes before the warm-up is over.")

    def of_blocks(counts: Integers) -> Function:
        parts = [(weight, terminal_loss(fit, setting, first, counts)) for fit, weight in aim.active]

        def function(rates: Array) -> tuple[float, Array]:
            total, slopes = 0.0, np.zeros(len(rates))
            for weight, terminal in parts:
                value, gradient = terminal(rates)
                total, slopes = total + weight * value, slopes + weight * gradient
            return total, slopes

        return function

    found = [
        best_rates(of_blocks, start, top, least, turn)
        for start in _starts(np.clip(own[held:], least, top), top, least)
    ]
    rates = np.concatenate([own[:held], min(found, key=lambda pair: pair[0])[1]])
    best = replace(setting, cpt=RateHistory(rates, 0, history.rising[history.switch :]))
    return _described(aim, setting, best, rates, held, top, least, level)


def _starts(own: Array, top: float, least: float) -> list[Array]:
    line = np.linspace(top, least, len(own) + 1)[:-1]
    monotone = np.minimum.accumulate(own)
    return [line, monotone] if np.ptp(monotone) > 0 else [line]


def _described(
    aim: Aim, setting: Setting, best: Setting, rates: Array, held: int, top: float, least: float, level: float
) -> BestSchedule:
    priced = price(aim, [setting, best])
    objective = priced.objective
    low = high = None
    if objective.draws is not None:
        tail = 0.5 * (1 - level)
        gains = objective.draws[:, 0] - objective.draws[:, 1]
        low, high = (float(end) for end in np.quantile(gains, [tail, 1 - tail]))
    caveats = doubts(aim, [best])
    at_floor = int(np.argmax(np.append(rates[::-1] > least + 1e-6 * top, True)))
    if any(fit.law.gains_at_zero for fit, _ in aim.active) and at_floor > 1:
        caveats += (
            ScheduleCaveat(
                "zero_rate_tail",
                f"The last {at_floor} of {len(rates)} steps are spent at the floor, because the law counts "
                "the gain of a fall in steps rather than in learning; a real run would gain less there.",
            ),
        )
    if rates.sum() < _HARDLY * top * len(rates):
        caveats += (
            ScheduleCaveat(
                "hardly_trains",
                "The best schedule falls at once: an aim of mostly the general loss would rather not train; "
                "give the domain loss a weight.",
            ),
        )
    left = np.flatnonzero(rates[held:] < (1 - _NEAR) * top)
    return BestSchedule(
        setting=best,
        rates=rates,
        losses=tuple(item.take(slice(1, None)) for item in priced.losses),
        objective=float(objective.mean[1]),
        gain=float(objective.mean[0] - objective.mean[1]),
        gain_lo=low,
        gain_hi=high,
        anneal_share=float((len(rates) - held - left[0]) / len(rates)) if len(left) else 0.0,
        tail=at_floor,
        caveats=caveats,
    )
