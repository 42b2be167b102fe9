"""Where a launched run's held-out losses are expected, evaluation by evaluation: its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dcpt.core import files
from dcpt.core.loss_table import LossTable
from dcpt.core.run_spec import RunSpec
from dcpt.core.symbols import DENSE
from dcpt.launch.course import NEAREST, Course
from dcpt.plan.bands import PredictedLoss
from dcpt.plan.plan import Plan, curve_column

SCHEMA_VERSION = 1
FILE_NAME = "band.json"
"""In the run's folder; the trainer holds every evaluation against it (see `dcpt.train.band`)."""

SAME_RATIO = 5e-4
"""A launched ratio is the planned one rounded to four decimals."""


@dataclass(frozen=True)
class BandRow:
    """Interval of one loss of one run.

    Attributes
    ----------
    step : int
        Steps done when it is measured.
    eval_set, metric : str
        What is measured.
    lo, mean, hi : float
        Interval of a run's loss at the plan's level, and what is expected, in the unit of the plan.
    """

    step: int
    eval_set: str
    metric: str
    lo: float
    mean: float
    hi: float


def expected(plan: Plan, label: str, r: float) -> PredictedLoss | None:
    """What the plan says of a run's final loss: at its ratio, or along its curve at another one.

    Parameters
    ----------
    plan : Plan
        The plan.
    label : str
        ``general``, ``domain`` or a further set.
    r : float
        Domain share of the run.

    Returns
    -------
    PredictedLoss or None
        None beyond the ratios that were searched.
    """
    if abs(r - plan.r) <= SAME_RATIO:
        return plan.losses[label]
    curve = plan.curve
    parts = {part: curve_column(label, part) for part in ("mean", "mean_lo", "mean_hi", "obs_lo", "obs_hi")}
    if not set(parts.values()) <= set(curve) or not curve["r"].min() <= r <= curve["r"].max():
        return None
    at = {part: float(np.interp(r, curve["r"], curve[column])) for part, column in parts.items()}
    return PredictedLoss(**at)


def band_of(plan: Plan, run: RunSpec, r: float, fitted: LossTable | None) -> list[BandRow]:
    """Intervals for the evaluations of a run of the plan's size and tokens.

    At the end the interval is the plan's for one run. On the way there the laws of final losses do not
    hold, for the rate has not decayed yet: what the proxies' runs were above their own ends at the same
    share of their schedules comes on top (see `Course`), with its own scatter.

    Parameters
    ----------
    plan : Plan
        The plan.
    run : RunSpec
        The launched run.
    r : float
        Its domain share.
    fitted : LossTable, optional
        Losses of the proxies; without them only the end has an interval.
    """
    found = ((used.eval_set, expected(plan, label, r)) for label, used in plan.laws.items())
    ends = [Expected(name, end.obs_lo, end.mean, end.obs_hi) for name, end in found if end is not None]
    return band_rows(ends, run, (plan.N, plan.D, r), plan.metric, plan.objective.level, fitted)


@dataclass(frozen=True)
class Expected:
    """Interval of a run's loss on one evaluation set at its end, and what is expected."""

    eval_set: str
    lo: float
    mean: float
    hi: float


def band_rows(
    expected: Sequence[Expected],
    run: RunSpec,
    place: tuple[float, float, float],
    metric: str,
    level: float,
    fitted: LossTable | None,
    nearest: int = NEAREST,
) -> list[BandRow]:
    """Intervals for the evaluations of a run, from those of its ends.

    Parameters
    ----------
    expected : sequence of Expected
        What is expected at the end.
    run : RunSpec
        The launched run.
    place : tuple of float
        Its N, D and r.
    metric : str
        Metric of the losses.
    level : float
        Probability of the intervals.
    fitted : LossTable, optional
        Losses of the proxies; without them only the end has an interval.
    nearest : int
        Ratios about the run's that tell of the way down.
    """
    rows = []
    steps, plan_of = run.schedule.steps, run.evaluation
    ends = [step for step in plan_of.ends if step <= steps]
    regular = range(plan_of.every, steps, plan_of.every) if plan_of.every else ()
    on_the_way = sorted({*regular, *plan_of.also_at} - {*ends, steps, 0})
    frame = None if fitted is None else fitted.frame[fitted.frame["metric"] == metric]
    for end in expected:
        rows += [BandRow(step, end.eval_set, metric, end.lo, end.mean, end.hi) for step in ends]
        if frame is None or not on_the_way:
            continue
        running = end.eval_set if plan_of.dense_sequences is None else f"{end.eval_set}/{DENSE}"
        course = Course(frame, end.eval_set, running, run.schedule)
        down, up = np.log(end.mean / end.lo), np.log(end.hi / end.mean)
        for step in on_the_way:
            lead = course.at(step / steps, *place, level, nearest)
            if lead is not None:
                centre = float(end.mean * np.exp(lead.mean))
                lo, hi = (float(np.hypot(side, lead.half)) for side in (down, up))
                span = centre * np.exp(-lo), centre, centre * np.exp(hi)
                rows.append(BandRow(step, running, metric, *map(float, span)))
    return sorted(rows, key=lambda row: (row.step, row.eval_set))


def write_band(
    folder: Path | str, fingerprint: str, level: float, unit: str, rows: Sequence[BandRow]
) -> Path:
    """Write ``band.json`` into a run's folder; what is there is replaced.

    Parameters
    ----------
    folder : path
        The run's folder.
    fingerprint : str
        Hash of the plan.
    level : float
        Probability of the intervals.
    unit : str
        Unit of the losses.
    rows : sequence of BandRow
        From `band_rows`.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "plan": fingerprint,
        "level": level,
        "unit": unit,
        "rows": [asdict(row) for row in rows],
    }
    return files.write_json(Path(folder) / FILE_NAME, document)


def left_band(event: Mapping[str, object]) -> str:
    """An event of the live check in words: which loss left its band, or came back.

    Parameters
    ----------
    event : mapping
        ``band`` event of a trainer: run_id, step, eval_set, value, lo, mean, hi, inside.
    """
    value, lo, hi = (float(event[name]) for name in ("value", "lo", "hi"))  # type: ignore[arg-type]
    side = "above" if value > hi else "below"
    what = f"is back inside its band {lo:.4f} to {hi:.4f}"
    if not event["inside"]:
        what = f"left its band: {side} {lo:.4f} to {hi:.4f}, {float(event['mean']):.4f} expected"  # type: ignore[arg-type]
    return f"{event['run_id']} step {event['step']}: the {event['eval_set']} loss {value:.4f} {what}"
