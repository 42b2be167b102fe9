"""The history of a run's rates, from what its rows say of them: schedules as text, or rates in force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.core.schedule_text import parse_schedule
from dcpt.fit.loss_curves.curve_rows import SWITCH
from dcpt.fit.loss_curves.logged_rates import logged_rates

_RATE_SLACK = 1e-3
"""Share of the highest rate by which a logged rate may differ from the schedule's."""


@dataclass(frozen=True)
class HistoryOptions:
    """What a table does not say about the rates.

    Attributes
    ----------
    warmup : int, optional
        Steps of the linear warm-up in front; where it is missing in a log and not given, the steps before the
        first logged one are taken for it.
    switch : int, optional
        Steps of pre-training in front, where steps count from its first.
    base_schedule : Schedule, optional
        Schedule of pre-training, where steps count from the start of continual pre-training.
    """

    warmup: int | None = None
    switch: int | None = None
    base_schedule: Schedule | None = None


def run_history(name: str, own: pd.DataFrame, options: HistoryOptions) -> tuple[RateHistory, int, int]:
    """The rates of a run.

    Parameters
    ----------
    name : str
        The run.
    own : pandas.DataFrame
        Its rows of `dcpt.fit.loss_curves.curve_rows.CurveRows`.
    options : HistoryOptions
        What they do not say.

    Returns
    -------
    RateHistory
    int
        What to add to the run's steps for those of the history.
    int
        Steps that were taken for a warm-up without being told; 0 when none were.

    Raises
    ------
    DataError
        When the rates are not known, or the table contradicts itself.
    ConfigError
        When what the options say does not fit the run.
    """
    own = own.sort_values("step")
    text, base_text = (_one(name, own, column) for column in ("schedule", "base_schedule"))
    switch = options.switch
    marked = own[SWITCH].dropna().unique()
    if len(marked) > 1:
        raise DataError(f"run {name}: switch is {marked[0]:g} and {marked[1]:g}; wanted one number.")
    if len(marked) and switch is None:
        switch = int(marked[0])
    base = _parsed(name, base_text) if base_text else options.base_schedule
    if isinstance(base, JoinedSchedule):
        raise DataError(f"run {name}: its base schedule has two parts; wanted that of pre-training.")
    if base is not None and switch:
        raise ConfigError(
            f"run {name}: a base schedule and a switch ({switch}) both say where pre-training ended.",
            hint="with a base schedule steps count from the start of continual pre-training; drop the switch",
        )
    if text:
        front, assumed = _scheduled(name, _parsed(name, text), own, switch), 0
    else:
        front, assumed = logged_rates(name, own, options.warmup, switch)
    if base is None:
        return front, 0, assumed
    if front.switch:
        raise DataError(f"run {name}: its schedule has a part of pre-training, and so has its base schedule.")
    rates = np.concatenate([base.rates(), front.rates])
    return RateHistory(rates, base.steps, np.concatenate([base.rising, front.rising])), base.steps, assumed


def _scheduled(
    name: str, schedule: Schedule | JoinedSchedule, own: pd.DataFrame, switch: int | None
) -> RateHistory:
    rates = schedule.rates()
    last = int(own["step"].max())
    if last > len(rates):
        row = own.iloc[int(own["step"].argmax())]
        raise DataError(
            f"{row['file']} row {row['row']} (run {name}): step {last} is beyond the {len(rates)} steps of "
            f"its schedule {schedule.text}."
        )
    logged = own[own["eta"].notna() & (own["step"] > 0)]
    there = rates[logged["step"].to_numpy(np.int64) - 1]
    off = np.abs(there - logged["eta"].to_numpy(float)) > _RATE_SLACK * rates.max()
    if off.any():
        at = int(off.argmax())
        row = logged.iloc[at]
        raise DataError(
            f"{row['file']} row {row['row']} (run {name}): the rate in force at step {row['step']:g} is "
            f"{row['eta']:.6g}; its schedule {schedule.text} has {there[at]:.6g}.",
            hint="do steps count from the start of the schedule? --base-schedule puts pre-training in front",
        )
    if isinstance(schedule, JoinedSchedule) and switch in (None, schedule.switch):
        return RateHistory(rates, schedule.switch, schedule.rising)
    return RateHistory(rates, switch or 0, schedule.rising)


def _one(name: str, own: pd.DataFrame, column: str) -> str:
    texts = [text for text in own[column].unique() if text != ""]
    if len(texts) > 1:
        raise DataError(f"run {name}: {column} is {texts[0]} and {texts[1]}; wanted one.")
    return str(texts[0]) if len(texts) else ""


def _parsed(name: str, text: str) -> Schedule | JoinedSchedule:
    try:
        return parse_schedule(text)
    except ConfigError as error:
        raise DataError(f"run {name}: {error.message}", hint=error.hint) from None
