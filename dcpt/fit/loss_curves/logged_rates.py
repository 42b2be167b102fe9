"""Rates of every step from those that a log has, and what is assumed of the steps in front of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.curve import RateHistory
from dcpt.core.errors import ConfigError, DataError

MOST_ASSUMED = 0.2
"""Share of a run that may be missing in front of its log and is still taken for its warm-up."""


def logged_rates(
    name: str, own: pd.DataFrame, warmup: int | None, switch: int | None
) -> tuple[RateHistory, int]:
    """The history of a run from its logged rates.

    Parameters
    ----------
    name : str
        The run, for messages.
    own : pandas.DataFrame
        Its rows, by step, with the columns step, eta, file and row.
    warmup : int, optional
        Steps of the warm-up. By default a rise in front of the log is continued back to 0, and where it
        begins flat the steps before it are taken for the warm-up.
    switch : int, optional
        Steps of pre-training in front.

    Returns
    -------
    RateHistory
    int
        Steps that were taken for a warm-up without being told; 0 when none were.

    Raises
    ------
    DataError
        When rates are missing or contradict each other, or too much is missing in front.
    ConfigError
        When warm-up or switch do not lie within the run.
    """
    # What stands at step 0 is often a loss alone; a rate there is where the first steps start from.
    own = own[(own["step"] > 0) | own["eta"].notna()].drop_duplicates(["step", "eta"])
    empty = own["eta"].isna().to_numpy(bool)
    if empty.any() or not (own["step"] > 0).any():
        at = "" if not len(own) else f"{own['file'].iloc[0]} row {own['row'].iloc[int(empty.argmax())]} "
        raise DataError(
            f"{at}(run {name}): neither its schedule nor the rate in force is known.",
            hint="map the column of rates: --map eta=lr; or of schedules as text: --map schedule=COLUMN",
        )
    twice = own["step"].duplicated().to_numpy(bool)
    if twice.any():
        row = own.iloc[int(twice.argmax())]
        raise DataError(
            f"{row['file']} row {row['row']} (run {name}): step {row['step']:g} has two rates.",
            hint="name the column that tells the runs apart: --run COLUMN",
        )
    steps, rates = own["step"].to_numpy(np.int64), own["eta"].to_numpy(np.float64)
    last, first = int(steps[-1]), int(steps[0])
    if not rates.max() > 0:
        raise DataError(f"run {name}: every logged rate is 0; wanted a model that was trained.")
    for what, value in (("warm-up", warmup), ("switch", switch)):
        if value is not None and not 0 <= value < last:
            raise ConfigError(f"run {name}: the {what} is {value}; wanted less than its {last} steps.")
    assumed = 0
    rises = len(rates) > 1 and rates[1] > rates[0] * (1 + 1e-9)
    if warmup is None and first > 1 and rises:
        # The line from 0 to the first logged rate.
        steps, rates = np.insert(steps, 0, 1), np.insert(rates, 0, rates[0] / first)
    elif warmup is None and first > 1:
        if first > MOST_ASSUMED * last:
            raise DataError(
                f"run {name}: its log begins at step {first} of {last}; the rates before it are not known.",
                hint="say how long the warm-up was (--warmup STEPS): the first rate is then held back to it; "
                "or give schedules as text: --map schedule=COLUMN",
            )
        warmup = first
        assumed = first
    laid = RateHistory.logged(steps, rates, warmup or 0)
    # Without one that is told, the warm-up is found in the rates.
    return RateHistory.of(laid.rates, switch or 0, warmup=warmup), assumed
