"""The schedules of a sweep, each at each of its peak rates."""

from __future__ import annotations

from dataclasses import dataclass

from dcpt.sweep.schedule_settings import ScheduleShape
from dcpt.sweep.spec import CptSettings


@dataclass(frozen=True)
class Cell:
    """A schedule at a peak rate.

    Attributes
    ----------
    settings : ScheduleShape
        Its form.
    peak : float
        Its peak, before the factor of a size.
    budgets : tuple of float
        Tokens it is run to.
    peak_label, label : str
        What tells its peak, and its peak and form, apart in the names of runs; empty in a sweep of one.
    """

    settings: ScheduleShape
    peak: float
    budgets: tuple[float, ...]
    peak_label: str = ""
    label: str = ""


def cells_of(cpt: CptSettings) -> list[Cell]:
    """Every schedule at every peak, peak by peak."""
    if cpt.schedule is not None:
        return [Cell(cpt.schedule, cpt.schedule.peak, cpt.budgets)]
    own = sorted({schedule.peak for schedule in cpt.schedules if schedule.peak is not None})
    peaks = [*cpt.peaks, *(peak for peak in own if peak not in cpt.peaks)]
    cells = []
    for peak in peaks:
        peak_label = f"-p{peak:g}" if len(peaks) > 1 else ""
        for schedule in cpt.schedules:
            if peak == schedule.peak or (schedule.peak is None and peak in cpt.peaks):
                name = f"-{schedule.name}" if len(cpt.schedules) > 1 else ""
                budgets = schedule.budgets or cpt.budgets
                cells.append(Cell(schedule, peak, budgets, peak_label, peak_label + name))
    return cells
