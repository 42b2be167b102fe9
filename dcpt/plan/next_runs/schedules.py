"""Whether the runs of a table differ in their schedule, which laws of final losses do not see."""

from __future__ import annotations

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_text import parse_schedule


def unseen_schedules(table: LossTable) -> int:
    """How many schedules the final losses of one size have at most, but for their length; 0 when unknown.

    Schedules are the same when kind, peak, floor, form and share of the decay are: budgets of one schedule
    are no other schedule, and neither is another peak for another size.
    """
    frame = table.frame
    if "schedule" not in frame:
        return 0
    ends = frame[(frame["phase"] == "end") & (frame["D"] > 0) & (frame["schedule"].fillna("") != "")]
    by_size = [{_kind(str(text)) for text in own.unique()} for _, own in ends.groupby("N")["schedule"]]
    return max(map(len, by_size), default=0)


def _kind(text: str) -> tuple[object, ...]:
    try:
        made = parse_schedule(text)
    except ConfigError:
        return (text,)
    own = made if isinstance(made, Schedule) else made.cpt
    share = round(own.decay / own.steps, 2) if own.steps else 0.0
    return own.kind, f"{own.peak:.6g}", share, own.shape if own.decay else "", own.floor
