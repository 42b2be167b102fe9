"""Are the ends of schedules annealed? What the learning rate in force at each row says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import FitData
from dcpt.fit.doubt import FitWarning

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STILL_HIGH = 0.1
"""Share of the run's peak rate above which a row is not the end of a decay."""

_SAME = 1e-3
_SPREAD = 3.0


def annealing_doubts(data: FitData) -> Iterator[FitWarning]:
    """Doubts from the rates of the fitted rows alone (`data.extra["eta"]`), where the table has them.

    The peak of a run shows only where some fitted row carries it; `table_annealing` knows it from the
    other rows of the table.
    """
    eta = data.extra.get("eta")
    if eta is None:
        return
    middle, steady = np.zeros(len(data), dtype=bool), np.zeros(len(data), dtype=bool)
    runs = 0
    for run in np.unique(data.groups):
        mine = np.flatnonzero(run == data.groups)
        rate, tokens = eta[mine], data.D[mine]
        peak = rate.max()
        if not peak > 0 or tokens.max() <= tokens.min():
            continue
        if rate.min() >= peak * (1 - _SAME):
            steady[mine] = True
            runs += 1
            continue
        # The rate of the last step of a decay falls as 1 / D when the decay is a share of the run: then
        # rate times tokens stays put. In the middle of one long decay it does not.
        amount = rate * tokens
        if rate.min() < STILL_HIGH * peak and amount.max() > _SPREAD * amount.min():
            middle[mine] = rate > STILL_HIGH * peak
    if middle.any():
        yield _high(int(middle.sum()), len(data))
    if steady.any():
        yield FitWarning(
            "unannealed",
            f"In {runs} runs every fitted number of tokens carries the same learning rate "
            f"({eta[steady][0]:.3g}): either one constant-rate run was read at several points, which "
            "are no ends of schedules, or every end decayed to this rate; losses at a constant rate give "
            "other exponents.",
        )


def table_annealing(table: LossTable, eval_set: str, metric: str = "loss") -> Iterator[FitWarning]:
    """Doubts from the rates of all rows of a table: ends whose rate is above a tenth of their run's peak.

    The peak is the largest rate of any row of the run, or its mean rate S1 / step where that is larger.
    """
    rows = table.select(eval_set, metric, None)
    frame = rows.frame
    eta = frame["eta"].to_numpy(float)
    ends = (frame["phase"] == "end").to_numpy() & np.isfinite(eta)
    ends &= frame["D"].to_numpy(float) > 0
    if not ends.any():
        return
    step, tokens = frame["step"].to_numpy(float), frame["D"].to_numpy(float)
    # A table without steps has D in their place, and the area then says nothing about the rate.
    counted = (step > 0) & (step != tokens)
    mean = np.where(counted, frame["S1"].to_numpy(float) / np.where(counted, step, 1.0), np.nan)
    trained = (tokens > 0) & ~frame["phase"].isin(["pretraining", "base"]).to_numpy()
    seen = np.where(trained & ~ends, eta, np.nan)
    highest = np.fmax(np.nan_to_num(seen), np.where(trained, np.nan_to_num(mean), 0.0))
    runs = rows.groups
    peak = np.zeros(int(runs.max()) + 1)
    np.maximum.at(peak, runs, highest)
    known = peak[runs] > 0
    high = ends & known & (eta > STILL_HIGH * peak[runs])
    if high.any():
        yield _high(int(high.sum()), int(ends.sum()))


def _high(rows: int, of: int) -> FitWarning:
    return FitWarning(
        "unannealed",
        f"At {rows} of {of} rows the learning rate is still above {100 * STILL_HIGH:g} % of the run's peak "
        "though they count as ends of a schedule; their losses are higher than annealed ones and bend the "
        "token term (mark such rows with phase = decay or trunk to leave them out).",
    )
