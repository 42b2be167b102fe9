"""The schedules of a sweep, each at each of its peak rates, with each of its options of training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dcpt.sweep.option_settings import TrainingOptions, variants_of
from dcpt.sweep.schedule_settings import ScheduleShape
from dcpt.sweep.spec import CptSettings


@dataclass(frozen=True)
class Cell:
    """A schedule at a peak rate, with some options.

    Attributes
    ----------
    settings : ScheduleShape
        Its form.
    peak : float
        Its peak, before the factor of a size.
    budgets : tuple of float
        Tokens it is run to.
    peak_label, label : str
        What tells its peak and options, and these and its form, apart in the names of runs; empty in a sweep
        of one.
    options : TrainingOptions
        Options of training.
    variant : str
        Name of the options; empty where a sweep varies none.
    """

    settings: ScheduleShape
    peak: float
    budgets: tuple[float, ...]
    peak_label: str = ""
    label: str = ""
    options: TrainingOptions = field(default_factory=TrainingOptions)
    variant: str = ""


def cells_of(cpt: CptSettings) -> list[Cell]:
    """Every schedule at every peak with all options, peak by peak within the options."""
    plain = _schedules(cpt)
    cells = []
    names = [variant.name for variant in cpt.variants] or [""]
    for name, (label, options) in zip(names, variants_of(cpt), strict=True):
        tag = f"-{label}" if label else ""
        cells += [
            replace(
                cell,
                options=options,
                variant=name,
                peak_label=cell.peak_label + tag,
                label=cell.peak_label + tag + cell.label.removeprefix(cell.peak_label),
            )
            for cell in plain
        ]
    return cells


def _schedules(cpt: CptSettings) -> list[Cell]:
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
