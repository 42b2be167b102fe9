"""Schedules as text from the columns of a table of runs: kind, peak, steps, warm-up, decay."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import pandas as pd

from dcpt.core.cells import as_numbers
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_shapes import Shape
from dcpt.core.schedule_text import schedule_text

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "kind": ("scheduler", "lr_scheduler", "schedule_kind"),
    "peak": ("peak_lr", "max_lr", "peak"),
    "steps": ("iterations", "max_steps", "total_steps", "train_steps"),
    "warmup": ("warmup", "warmup_steps"),
    "warmup_share": ("warmup_ratio", "warmup_fraction"),
    "decay": ("decay_steps", "num_decay_steps"),
    "decay_share": ("fract_decay", "decay_fraction", "decay_ratio"),
    "shape": ("decay_type", "decay_shape"),
    "floor": ("cos_final_lr", "min_lr_ratio"),
    "wsd_floor": ("wsd_final_lr_scale", "min_lr_ratio"),
}
"""Parts of a schedule, and what a table of runs calls them: final rates as shares of the peak, lengths in
steps or as shares of the run's. The first names are those of the public logs of Schaipp et al. 2025
(arXiv:2501.18965), where a decay is a share."""

_KINDS = {
    **{"cos": "cosine", "cosine": "cosine", "wsd": "wsd"},
    **{"constant": "constant", "const": "constant", "linear": "linear"},
}
_SHAPES: Mapping[str, Shape] = {"linear": "linear", "sqrt": "1-sqrt", "1-sqrt": "1-sqrt", "": "linear"}

TENTH = 0.1
"""Floor of a cosine whose table has none, or a negative one: the logs above write -1 for cosines that fall
to a tenth of their peak."""


def with_schedules(facts: pd.DataFrame, key: str, needed: Collection[str]) -> tuple[pd.DataFrame, int, int]:
    """Runs with their schedules as text, how many were made, and how many cosines have a floor by default.

    Parameters
    ----------
    facts : pandas.DataFrame
        One row per run.
    key : str
        Its column of runs.
    needed : collection of str
        Runs whose rates nothing else tells.

    Raises
    ------
    DataError
        When a part is no number or makes no schedule, or a needed WSD run has no length of its decay.
    """
    columns = {
        part: next((name for name in names if name in facts), None) for part, names in _COLUMNS.items()
    }
    if "schedule" in facts or None in (columns["kind"], columns["peak"], columns["steps"]):
        return facts, 0, 0
    texts, assumed = [], 0
    for _, row in facts.iterrows():
        cells = {part: "" if name is None else _cell(row[name]) for part, name in columns.items()}
        run = str(row[key])
        text, default = _schedule_of(run, cells, columns, run in needed)
        texts.append(text)
        assumed += default
    return facts.assign(schedule=texts), sum(bool(text) for text in texts), assumed


def _cell(value: object) -> str:
    text = "" if value is None or value != value else str(value).strip()
    return "" if text.lower() in ("nan", "none") else text


def _schedule_of(
    run: str, cells: Mapping[str, str], columns: Mapping[str, str | None], needed: bool
) -> tuple[str, bool]:
    """A run's schedule as text, "" where its kind is not known here; and whether its floor is the default."""
    kind = _KINDS.get(cells["kind"].lower())
    if kind is None:
        return "", False
    peak, steps = _number(run, "peak", cells["peak"]), _number(run, "steps", cells["steps"])
    if peak is None or steps is None:
        return "", False
    length = _whole(run, columns["steps"], steps, None)
    warmup = _length(run, "warmup", cells, columns, length) or 0
    floor, last = _number(run, "floor", cells["floor"]), _number(run, "wsd_floor", cells["wsd_floor"])
    last = max(last or 0.0, 0.0)
    default = kind == "cosine" and (floor is None or floor < 0)
    try:
        if kind == "cosine":
            made = Schedule("cosine", peak, length, warmup, floor=TENTH if default else floor or 0.0)
        elif kind == "linear":
            made = Schedule("linear", peak, length, warmup, floor=last)
        elif kind == "constant":
            made = Schedule("constant", peak, length, warmup)
        else:
            decay, shape = _length(run, "decay", cells, columns, length), _SHAPES.get(cells["shape"].lower())
            if decay is None and needed:
                raise DataError(
                    f"run {run}: is of the kind wsd, and no column says how long its decay is.",
                    hint="wanted a column decay_steps or decay_ratio, 0 where a run never decays; or give "
                    "whole schedules in a column schedule",
                )
            if decay is None or (decay > 0 and shape is None):
                return "", False
            made = (
                Schedule("wsd", peak, length, warmup, decay, shape, floor=last)
                if decay and shape is not None
                else Schedule("constant", peak, length, warmup)
            )
    except ConfigError as error:
        raise DataError(f"run {run}: {error.message}", hint=error.hint) from None
    return schedule_text(made), default


def _length(
    run: str, part: str, cells: Mapping[str, str], columns: Mapping[str, str | None], steps: int
) -> int | None:
    """Steps of the warm-up or the decay, from their number or their share; None where neither is given."""
    share_part = f"{part}_share"
    number, share = _number(run, part, cells[part]), _number(run, share_part, cells[share_part])
    counted = None if number is None else _whole(run, columns[part], number, columns[share_part] or part)
    if share is None:
        return counted
    if not 0 <= share <= 1:
        raise DataError(f"run {run}: its {columns[share_part]} is {share:g}; wanted a share in [0, 1].")
    # A share of a short run may round to nothing; as in the text of schedules it is one step at least.
    made = max(1, round(share * steps)) if share > 0 else 0
    if counted is not None and abs(counted - made) > 1:
        raise DataError(
            f"run {run}: its {columns[part]} is {counted} and its {columns[share_part]} is {share:g}, which "
            f"is {made} of {steps} steps; wanted one of them, or the same."
        )
    return made if counted is None else counted


def _whole(run: str, column: str | None, value: float, part: str | None) -> int:
    """A number of steps; less than one is a share that stands in the wrong column."""
    if 0 < value < 1 or not math.isfinite(value):
        name = "warmup_ratio" if part and "warmup" in part else "decay_ratio"
        raise DataError(
            f"run {run}: its {column} is {value:g}; wanted a number of steps.",
            hint=None if part is None else f"a share of the steps stands in a column {name}",
        )
    return round(value)


def _number(run: str, part: str, text: str) -> float | None:
    if not text:
        return None
    values, wrong = as_numbers(pd.Series([text]))
    if bool(wrong.any()):
        raise DataError(f"run {run}: its {part} is {text[:60]!r}; wanted a number.")
    return float(values[0])
