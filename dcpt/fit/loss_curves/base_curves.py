"""The bases of runs: their loss where continual pre-training begins, and their own curves before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve, RateHistory
from dcpt.fit.loss_curves.run_history import HistoryOptions, run_history

BASE, ON_THE_WAY = "base", "pretraining"
"""Phases of a base's rows: the model that continual pre-training begins with, and what came before it."""


def base_of(bases: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame | None:
    """Rows of the base a run started from: that of its size and base schedule.

    None where it is not there, or more than one could be meant.
    """
    first = own.iloc[0]
    fits = bases["N"] == first["N"]
    if first["base_schedule"]:
        fits &= bases["schedule"] == first["base_schedule"]
    found = bases[fits]
    return found if found["run_id"].nunique() == 1 else None


def base_loss(base: pd.DataFrame | None, eval_set: str) -> float | None:
    """Loss of the finished base on an evaluation set."""
    if base is None:
        return None
    values = base.loc[(base["phase"] == BASE) & (base["eval_set"] == eval_set), "value"]
    return float(values.iloc[0]) if len(values) == 1 else None


def base_curve(base: pd.DataFrame, eval_set: str, like: Curve) -> Curve | None:
    """The curve of a base before continual pre-training, as laws of both read it; None without such losses.

    Parameters
    ----------
    base : pandas.DataFrame
        Its rows.
    eval_set : str
        The set.
    like : Curve
        A run from this base. The first step of its continual pre-training stands behind the history, so that
        this too knows where that begins, and its mixture is named, which nothing before that step depends on.
    """
    own = base[base["eval_set"] == eval_set].sort_values("step")
    switch = like.history.switch
    own = own[(own["step"] > 0) & (own["step"] <= switch)]
    if not (own["phase"] == ON_THE_WAY).any():
        return None
    given = {name: like.given[name] for name in ("N", "r", "s") if name in like.given}
    return Curve(
        str(own["run_id"].iloc[0]),
        like.history.up_to(switch + 1),
        own["step"].to_numpy(np.int64),
        own["value"].to_numpy(np.float64),
        given,
        eval_set=eval_set,
        side=like.side,
    )


def bases_alone(bases: pd.DataFrame, eval_set: str, side: str, options: HistoryOptions) -> Sequence[Curve]:
    """Curves of bases from which nothing in the table starts: pre-training by itself."""
    made = []
    for name, own in bases[bases["eval_set"] == eval_set].groupby("run_id", sort=False):
        own = own[own["step"] > 0].sort_values("step")
        if len(own) < 2:
            continue
        history: RateHistory = run_history(str(name), own, options)[0]
        N = float(own["N"].iloc[0])
        steps, loss = own["step"].to_numpy(np.int64), own["value"].to_numpy(np.float64)
        given = {"N": N} if np.isfinite(N) else {}
        made.append(Curve(str(name), history, steps, loss, given, eval_set=eval_set, side=side))
    return made
