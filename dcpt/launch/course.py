"""How far above its final loss a run is on the way there, read off the proxies' own runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import RUN
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_text import parse_schedule

LEAST = 8
"""Proxies' runs that are enough to say how much they scatter."""

NEAREST = 4
"""Ratios about the target's that count: the way down depends on the ratio."""

SAME_SHARE = 0.02
"""Difference in the share of a schedule's decay up to which two schedules are of one shape."""


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lead:
    """Logarithm of a running loss over the loss the run ends with.

    Attributes
    ----------
    mean : float
        What proxies lead one to expect of the target.
    half : float
        Half the width of its interval for one run, at the level asked for.
    """

    mean: float
    half: float


class Course:
    """The way down of the proxies' runs on one evaluation set.

    A proxy's losses at a share f of its schedule, over the loss at its end, are carried over to the target at
    the same f: by a straight line in log N, log D and r through the proxies with the ratios next to the
    target's. What a constant-rate trunk measured counts for every run that branches from it.

    Parameters
    ----------
    frame : DataFrame
        Rows of the proxies' loss table, one metric.
    eval_set : str
        Set whose ends are compared.
    running : str
        Set that is measured on the way: the same one, or its dense windows.
    schedule : Schedule
        The target's. Runs of another shape do not count.
    """

    def __init__(self, frame: pd.DataFrame, eval_set: str, running: str, schedule: Schedule) -> None:
        self.schedule = schedule
        self.decay_share = schedule.decay / schedule.steps if schedule.decay else 0.0
        ends = frame[(frame["eval_set"] == eval_set) & (frame["phase"] == "end") & (frame["D"] > 0)]
        on_the_way = frame[(frame["eval_set"] == running) & frame["phase"].isin(["trunk", "decay"])]
        self.curves: list[tuple[float, float, float, Array, Array]] = []
        for end in ends.to_dict("records"):
            peak = self._peak(end)
            if peak is None:
                continue
            rows = on_the_way[self._same_run(on_the_way, end, peak)].sort_values("D")
            if len(rows):
                shares = rows["D"].to_numpy(float) / float(end["D"])
                leads = np.log(rows["value"].to_numpy(float) / float(end["value"]))
                self.curves.append((float(end["N"]), float(end["D"]), float(end["r"]), shares, leads))

    def at(
        self, share: float, N: float, D: float, r: float, level: float, nearest: int = NEAREST
    ) -> Lead | None:
        """Lead of the target at a share of its schedule; None where too few proxies were measured there.

        Parameters
        ----------
        share : float
            Tokens so far over tokens in all.
        N, D, r : float
            The target: parameters, tokens at its end, domain share.
        level : float
            Probability of the interval.
        nearest : int
            Ratios about the target's that count.
        """
        known = [
            (size, tokens, ratio, float(np.interp(share, shares, leads)))
            for size, tokens, ratio, shares, leads in self.curves
            if shares[0] <= share * (1 + 1e-6) and share <= shares[-1] * (1 + 1e-6)
        ]
        ratios = sorted({entry[2] for entry in known}, key=lambda value: abs(value - r))[:nearest]
        known = [entry for entry in known if entry[2] in ratios]
        if len(known) < LEAST:
            return None
        table = np.array(known, dtype=np.float64)
        point = np.array([N, D, r])
        found = _line(table, point)
        if found is None:
            return None
        mean, variance, free = found
        return Lead(mean, float(stdtrit(free, 0.5 + level / 2) * np.sqrt(variance + _beyond(table, point))))

    def _peak(self, end: dict[str, object]) -> float | None:
        """Peak rate of a proxy's run; 0 where its table does not say, None where the shape is another."""
        schedule = _schedule_of(end)
        if schedule is None:
            return 0.0
        share = schedule.decay / schedule.steps if schedule.decay else 0.0
        alike = schedule.kind == self.schedule.kind and abs(share - self.decay_share) <= SAME_SHARE
        return schedule.peak if alike else None

    def _same_run(self, rows: pd.DataFrame, end: dict[str, object], peak: float) -> pd.Series:
        D = float(end["D"])  # type: ignore[arg-type]
        own = (rows["run_id"] == end["run_id"]) & (rows["D"] < D)
        if self.schedule.kind != "wsd":
            return own
        trunk = (rows["phase"] == "trunk") & (rows["D"] <= D * (1 - self.decay_share) * (1 + 1e-6))
        for name in ("N", "r", "seed"):
            trunk &= rows[name] == end[name]
        if RUN in rows and isinstance(end.get(RUN), str):  # runs of other options, or of another mixture
            trunk &= rows[RUN] == end[RUN]
        if peak and "schedule" in rows:
            peaks = {text: _peak_of(text) for text in rows.loc[trunk, "schedule"].unique()}
            trunk &= rows["schedule"].map(lambda text: peaks.get(text) in (None, peak))
        return own | trunk


def _line(table: Array, point: Array) -> tuple[float, float, int] | None:
    """Straight line in log N, log D and r through rows (N, D, r, lead), at a point.

    Its value there, the variance of a new row about it, and the degrees of freedom.
    """
    columns, place = [np.ones(len(table))], [1.0]
    for index, scale in ((0, np.log), (1, np.log), (2, np.asarray)):
        values = scale(table[:, index])
        if np.ptp(values) > 0:
            columns.append(values)
            place.append(float(scale(point[index])))
    X, x, y = np.stack(columns, axis=1), np.array(place), table[:, 3]
    free = len(y) - X.shape[1]
    if free < 2:
        return None
    inverse = np.linalg.pinv(X.T @ X)
    theta = inverse @ X.T @ y
    variance = float(np.sum((y - X @ theta) ** 2)) / free
    return float(x @ theta), variance * float(1 + x @ inverse @ x), free


def _beyond(table: Array, point: Array) -> float:
    """Mean square of what the line misses the largest proxies by when they are left out."""
    sizes = np.unique(table[:, 0])
    if len(sizes) < 3 or point[0] <= sizes[-1]:
        return 0.0
    out = table[:, 0] == sizes[-1]
    missed = [_line(table[~out], row[:3]) for row in table[out]]
    errors = [row[3] - found[0] for row, found in zip(table[out], missed, strict=True) if found is not None]
    if not errors:
        return 0.0
    # The line goes as far again: per step in log N it is taken to miss by as much.
    steps = float(np.log(point[0] / sizes[-1]) / np.log(sizes[-1] / sizes[-2]))
    return float(np.mean(np.square(errors))) * max(1.0, steps) ** 2


def _schedule_of(row: dict[str, object]) -> Schedule | None:
    text = row.get("schedule")
    if not isinstance(text, str) or not text:
        return None
    try:
        found = parse_schedule(text)
    except ConfigError:
        return None
    return found if isinstance(found, Schedule) else None


def _peak_of(text: object) -> float | None:
    found = _schedule_of({"schedule": text})
    return None if found is None else found.peak
