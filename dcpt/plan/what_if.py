"""What would change the answer: the question asked again along ratio, tokens, size, limit or means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import parse_quantity
from dcpt.fit.fit_file import FitSet
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.objective_check import contradiction, one_base
from dcpt.plan.scene import Scene, searched_range, set_scene
from dcpt.plan.sides import Sides, choose_sides
from dcpt.plan.what_if_means import FACTORS, vary_means
from dcpt.plan.what_if_open import Varied, open_table
from dcpt.plan.what_if_rows import along_ratio, ratio_table, read_ratios

Axis = Literal["r", "D", "N", "keep", "budget", "price", "pool"]
EVERY_AXIS: tuple[Axis, ...] = get_args(Axis)
AXES = EVERY_AXIS[:4]
"""What every question has; the others are means that it may have."""

RISES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)
"""Tolerances of a table along the limit, as shares of the base's loss."""

_CLEAR = 1e-6
"""Distance from an end of the searched ratios from which a critical one is told from it."""


def what_if(
    fits: FitSet,
    objective: Objective,
    axis: Axis,
    values: Sequence[str] | None = None,
    table: LossTable | None = None,
    law: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Ask a question again for several values of one thing.

    Parameters
    ----------
    fits : FitSet
        Fitted laws.
    objective : Objective
        The question. Size and tokens may be open, as in a plan, where a budget or a pool chooses them.
    axis : {"r", "D", "N", "keep", "budget", "price", "pool"}
        What varies.
    values : sequence of str, optional
        Its values: ``0.3`` for r, ``20B`` for D and N, ``+2%``, ``+0.05``, ``2.95`` or a whole limit
        (``wiki <= +1%``) for keep, amounts for the means (see `vary_means`). By default a range around the
        target.
    table, law, seed
        As in `make_plan`.

    Returns
    -------
    pandas.DataFrame
        Along r: ``r``, the losses with the interval of a run (``general``, ``general_lo``, ...), ``value``
        (the objective), the epochs over each pool (``domain_epochs``, ...) and, with limits or caps on
        epochs, ``keeps`` (1 or 0) and ``kept`` (share of the draws). Along the others: their name (of means
        what they are counted in: ``flops``, ``gpu_hours``, ``money``, ``price``, ``domain_pool``,
        ``general_pool``), the best ratio ``r`` with its interval, ``r_max``, the largest ratio that keeps
        every limit, with its interval (the critical mixture ratio), ``binds``, what keeps the answer from
        going on, and the same losses at the best ratio. Where size or tokens are open, along r too, every
        row has the best ``N`` and ``D`` with their intervals, ``binds``, and no ``r_max``.
        ``outside`` names what lies outside the fitted ranges (``"N 12x, r"``), or nothing.
        A row whose limits cannot be kept has no numbers; ``frame.attrs["unreachable"]`` maps its number to
        the reason, with the nearest limit that can be kept. Along r with given size and tokens it has one
        entry where no searched ratio keeps them. Along D with a given size, ``frame.attrs["critical"]`` names
        the rows in which the limits end ``r_max``, not the range of ratios searched or what caps on epochs
        leave of it. ``frame.attrs["open"]`` says whether size or tokens are open.

    Notes
    -----
    The critical mixture ratio of Gu et al. 2024 (arXiv:2407.17467) is r_max under a limit such as
    ``general <= +0.05``, as far as the general loss goes; the paper's further condition, that the weighted
    loss falls by the end of training, needs loss curves and is `dcpt.laws.critical_ratio`.

    Raises
    ------
    ConfigError
        When a value cannot be read, N or D is missing and nothing chooses it, or what varies is not part of
        the question.
    PlanError
        When a base's loss is needed and not known.
    """
    if axis not in EVERY_AXIS:
        raise ConfigError(f"what if: {axis!r} is unknown; wanted one of {', '.join(EVERY_AXIS)}.")
    sides = choose_sides(fits, objective, law, table)
    bases = sides.measured_bases(table)
    column, questions = _vary(fits, objective, axis, values, sides, law)
    is_open = any(item.objective.N is None or item.objective.D is None for item in questions)
    if is_open:
        frame = open_table(column, questions, bases, seed)
    elif axis == "r":
        frame = along_ratio(
            set_scene(objective, sides, bases, _given(objective.N), seed), _given(objective.D), values
        )
    else:
        scenes: dict[float, Scene] = {}
        asked: list[tuple[Scene, float]] = []
        for item in questions:
            N = _given(item.objective.N)
            if axis != "D" or N not in scenes:
                scenes[N] = set_scene(item.objective, item.sides, bases, N, seed)
            asked.append((scenes[N], _given(item.objective.D)))
        frame = ratio_table(column, [item.value for item in questions], asked)
        if axis == "D" and "r_max" in frame:
            frame.attrs["critical"] = [
                at
                for at, ((scene, D), r) in enumerate(zip(asked, frame["r_max"], strict=True))
                if _inside(scene, D, r)
            ]
    frame.attrs["open"] = is_open
    return frame


def _vary(
    fits: FitSet,
    objective: Objective,
    axis: Axis,
    values: Sequence[str] | None,
    sides: Sides,
    law: str | None,
) -> tuple[str, list[Varied]]:
    """The first column's name, and the question of every row."""
    if axis == "r":
        ratios = read_ratios(values, searched_range(objective, sides.tested))
        return "r", [Varied(float(r), objective, sides, float(r)) for r in ratios]
    if axis in ("N", "D"):
        numbers = _numbers(values, getattr(objective, axis), axis)
        if axis == "N":
            one_base(objective, numbers)
        return axis, [Varied(number, _with_number(objective, axis, number), sides) for number in numbers]
    if axis == "keep":
        varied = []
        for limit in _limits(objective, values):
            asked = _with_limit(objective, limit)
            same = limit.eval_set == objective.keep[0].eval_set
            chosen = sides.keeping(asked.keep) if same else choose_sides(fits, asked, law)
            varied.append(Varied(str(limit), asked, chosen))
        return "keep", varied
    column, amounts, asked_of = vary_means(objective, axis, values)
    return column, [Varied(amount, asked, sides) for amount, asked in zip(amounts, asked_of, strict=True)]


def _with_number(objective: Objective, axis: Literal["N", "D"], number: float) -> Objective:
    """The question at another size or number of tokens, which is then no longer open."""
    free: dict[str, None] = {"sizes": None, "N_min": None, "N_max": None} if axis == "N" else {"D_max": None}
    asked = objective.model_copy(update={axis: number, **free})
    try:
        contradiction(asked)
    except ValueError as error:
        raise ConfigError(f"what if {axis} = {number:g}: {error}.") from None
    return asked


def _inside(scene: Scene, D: float, r: float) -> bool:
    """Whether a ratio lies between the ends of those that may be searched, which hide what is beyond."""
    if np.isnan(r):
        return False
    low, high = scene.ratios(D)
    return bool(low + _CLEAR < r < high - _CLEAR)


def _given(value: float | None) -> float:
    assert value is not None
    return value


def _numbers(values: Sequence[str] | None, target: float | None, name: str) -> list[float]:
    if values is None:
        if target is None:
            raise ConfigError(f"what if: {name} is not given, and neither are values of it.")
        return [target * factor for factor in FACTORS]
    numbers = [parse_quantity(value, "--values") for value in values]
    bad = [number for number in numbers if number <= 0]
    if bad:
        raise ConfigError(f"what if: {name} = {bad[0]:g}; wanted positive numbers.")
    return numbers


def _limits(objective: Objective, values: Sequence[str] | None) -> list[Limit]:
    """The limits to try, each on one evaluation set; the first one kept where a value names none."""
    if not objective.keep:
        raise ConfigError("what if: nothing is kept, so no limit can vary.", hint="--keep 'general <= +2%'")
    first = objective.keep[0]
    if values is not None:
        return [
            Limit.parse(value if "<=" in value or "≤" in value else f"{first.eval_set} <= {value}")
            for value in values
        ]
    if first.kind == "ceiling":
        return [first.model_copy(update={"amount": first.amount * (1 + rise)}) for rise in (-0.01, *RISES)]
    if first.kind == "increase":
        steps = [first.amount * factor for factor in (0.0, *FACTORS)]
        return [first.model_copy(update={"amount": step}) for step in steps]
    return [first.model_copy(update={"amount": rise}) for rise in RISES]


def _with_limit(objective: Objective, limit: Limit) -> Objective:
    others = tuple(item for item in objective.keep if item.eval_set != limit.eval_set)
    return objective.model_copy(update={"keep": (limit, *others)})
