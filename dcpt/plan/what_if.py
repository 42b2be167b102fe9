"""What would change the answer: the question asked again along ratio, tokens, size or limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import parse_quantity
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.fit.fit_file import FitSet
from dcpt.fit.unit_words import unit_words
from dcpt.plan.bands import bands
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.objective_check import one_base
from dcpt.plan.outside import outside
from dcpt.plan.scene import Scene, set_scene
from dcpt.plan.sides import choose_sides
from dcpt.plan.trade_off import GRID, ratio_grid, solve_bounds
from dcpt.plan.uncertainty import last_kept, spread_answers

Array = NDArray[np.float64]
Axis = Literal["r", "D", "N", "keep"]
AXES: tuple[Axis, ...] = get_args(Axis)

RATIOS = 9
"""Ratios of a table along r: as many as the D-CPT paper trains."""

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Tokens or sizes beside the target, as factors of it."""

RISES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)
"""Tolerances of a table along the limit, as shares of the base's loss."""

_CLEAR = 1e-6
"""Distance from an end of the searched ratios from which a critical one is told from it."""

_DRAW_GRID = 101
"""Ratios at which the draws are solved: their interval is then good to a tenth of its last digit shown."""


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
        The question; N and D must be given, except the one that is varied.
    axis : {"r", "D", "N", "keep"}
        What varies.
    values : sequence of str, optional
        Its values: ``0.3`` for r, ``20B`` for D and N, ``+2%``, ``+0.05``, ``2.95`` or a whole limit
        (``wiki <= +1%``) for keep. By default a range around the target.
    table, law, seed
        As in `make_plan`.

    Returns
    -------
    pandas.DataFrame
        Along r: ``r``, the losses with the interval of a run (``general``, ``general_lo``, ...), ``value``
        (the objective), the epochs over each pool (``domain_epochs``, ...) and, with limits or caps on
        epochs, ``keeps`` (1 or 0) and ``kept`` (share of the draws). Along the others: their name, the best
        ratio ``r`` with its interval, ``r_max``, the largest ratio that keeps every limit, with its interval
        (the critical mixture ratio), and the same losses at the best ratio. ``outside`` names what lies
        outside the fitted ranges (``"N 12x, r"``), or nothing.
        A row whose limits cannot be kept has no numbers; ``frame.attrs["unreachable"]`` maps its number to
        the reason, with the nearest limit that can be kept. Along r it has one entry where no searched
        ratio keeps them. Along D, ``frame.attrs["critical"]`` names the rows in which the limits end
        ``r_max``, not the range of ratios searched or what caps on epochs leave of it.

    Notes
    -----
    The critical mixture ratio of Gu et al. 2024 (arXiv:2407.17467) is r_max under a limit such as
    ``general <= +0.05``, as far as the general loss goes; the paper's further condition, that the weighted
    loss falls by the end of training, needs loss curves and is `dcpt.laws.critical_ratio`.

    Raises
    ------
    ConfigError
        When a value cannot be read, N or D is missing, or ``keep`` varies and nothing is kept.
    PlanError
        When a base's loss is needed and not known.
    """
    if axis not in AXES:
        raise ConfigError(f"what if: {axis!r} is unknown; wanted one of {', '.join(AXES)}.")
    for name in ("N", "D"):
        if getattr(objective, name) is None and axis != name:
            raise ConfigError(f"what if: {name} is not given.", hint=f"give it, as in --at {name}=7B")
    sides = choose_sides(fits, objective, law, table)
    bases = sides.measured_bases(table)
    if axis == "N":
        numbers = _numbers(values, objective.N, "N")
        one_base(objective, numbers)
        scenes = [set_scene(objective, sides, bases, number, seed) for number in numbers]
        return _table("N", numbers, [(scene, _given(objective.D)) for scene in scenes])
    if axis == "keep":
        limits = _limits(objective, values)
        scenes = []
        for limit in limits:
            asked = _with_limit(objective, limit)
            known = sides if limit.eval_set == objective.keep[0].eval_set else None
            varied = choose_sides(fits, asked, law) if known is None else known.keeping(asked.keep)
            scenes.append(set_scene(asked, varied, bases, _given(asked.N), seed))
        return _table("keep", list(map(str, limits)), [(scene, _given(objective.D)) for scene in scenes])
    scene = set_scene(objective, sides, bases, _given(objective.N), seed)
    if axis == "D":
        numbers = _numbers(values, objective.D, "D")
        frame = _table("D", numbers, [(scene, number) for number in numbers])
        if "r_max" in frame:
            pairs = enumerate(zip(numbers, frame["r_max"], strict=True))
            frame.attrs["critical"] = [at for at, (number, r) in pairs if _inside(scene, number, r)]
        return frame
    return _along_ratio(scene, _given(objective.D), values)


def _inside(scene: Scene, D: float, r: float) -> bool:
    """Whether a ratio lies between the ends of those that may be searched, which hide what is beyond."""
    if np.isnan(r):
        return False
    low, high = scene.ratios(D)
    return bool(low + _CLEAR < r < high - _CLEAR)


def _given(value: float | None) -> float:
    assert value is not None
    return value


def _along_ratio(scene: Scene, D: float, values: Sequence[str] | None) -> pd.DataFrame:
    if values is None:
        grid = ratio_grid(*scene.ratios(D), points=RATIOS)
    else:
        grid = np.array([parse_quantity(value, "--values") for value in values])
        if not ((grid > 0) & (grid < 1)).all():
            raise ConfigError(
                f"what if: r = {grid[(grid <= 0) | (grid >= 1)][0]:g}; wanted shares between 0 and 1."
            )
    columns: dict[str, Array] = {"r": grid, **_losses(scene, D, grid), **_epochs(scene, D, grid)}
    allowed = np.array([scene.supply is None or not scene.supply.overdrawn(D, float(r)) for r in grid])
    if scene.ceilings or not allowed.all():
        columns["keeps"] = ((_excess(scene, D, grid)[0] <= 1e-12) & allowed).astype(float)
    if scene.ceilings and scene.count:
        columns["kept"] = (scene.excess(scene.draws(D, grid)) <= 1e-12).mean(axis=0) * allowed
    frame = pd.DataFrame(columns)
    frame["outside"] = [outside(scene.sides.fits.values(), scene.N, D, float(r)) for r in grid]
    best = _best(scene, D)
    frame.attrs["unreachable"] = {0: best} if isinstance(best, str) else {}
    return frame


def _epochs(scene: Scene, D: float, r: Array) -> dict[str, Array]:
    """Passes over each pool there is."""
    pools = {} if scene.supply is None else {side: scene.supply.pool(side) for side in ROLES}
    shares = {DOMAIN: r, GENERAL: 1 - r}
    return {f"{side}_epochs": shares[side] * D / pool for side, pool in pools.items() if pool is not None}


def _losses(scene: Scene, D: float, r: Array) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for label, surface in scene.surfaces.items():
        found = bands(surface, scene.N, D, r, scene.objective.level)
        columns |= {label: found["mean"], f"{label}_lo": found["obs_lo"], f"{label}_hi": found["obs_hi"]}
    return {**columns, "value": scene.value(columns)}


def _best(scene: Scene, D: float) -> dict[str, float] | str:
    """The best ratio at one size and number of tokens, quickly: on a grid, linear between its points.

    Where there is none, the reason.
    """
    try:
        searched = scene.ratios(D)
    except PlanError as error:
        return _reason(error)
    level = scene.objective.level
    tail = (1 - level) / 2
    grid = ratio_grid(*searched, points=GRID)
    over = _excess(scene, D, grid)
    if (over > 0).all():  # nothing keeps the limits, or only what lies between two points of the grid
        try:
            unit = unit_words(scene.sides.unit)
            narrow = solve_bounds(scene.bounds(D), lambda r: scene.point_value(D, r), *searched, unit=unit)
        except PlanError as error:
            return _reason(error)
        grid = np.sort(np.append(grid, narrow.r))
        over = _excess(scene, D, grid)
    value = scene.point_value(D, grid)
    point = spread_answers(grid, over, value[None], float(grid[0]), value, level)
    r = float(point.r[0])
    row = {"r": r, "r_lo": np.nan, "r_hi": np.nan}
    if scene.ceilings:
        row |= {"r_max": float(last_kept(grid, over)[0]), "r_max_lo": np.nan, "r_max_hi": np.nan}
    if scene.count:
        coarse = ratio_grid(*searched, points=_DRAW_GRID)
        drawn = scene.draws(D, coarse)
        excess = scene.excess(drawn)
        spread = spread_answers(coarse, excess, scene.value(drawn), r, scene.point_value(D, coarse), level)
        row |= {"r_lo": min(spread.r_lo, r), "r_hi": max(spread.r_hi, r), "kept": spread.kept_at_r}
        if scene.ceilings:
            edge = last_kept(coarse, excess)
            edge = np.where(np.isnan(edge), coarse[0], edge)
            low, high = np.quantile(edge, [tail, 1 - tail])
            row |= {"r_max_lo": min(float(low), row["r_max"]), "r_max_hi": max(float(high), row["r_max"])}
    row |= {name: float(column[0]) for name, column in _losses(scene, D, np.array([r])).items()}
    return row


def _excess(scene: Scene, D: float, r: Array) -> Array:
    """How far the point fits are above the nearest ceiling along the ratio, shape (1, n)."""
    over = [scene.surfaces[item.label].mean(scene.N, D, r) - item.value for item in scene.ceilings]
    return np.asarray(np.max([np.full(len(r), -1e300), *over], axis=0)[None])


def _reason(error: PlanError) -> str:
    return error.message if error.hint is None else f"{error.message.rstrip('.')}; {error.hint}."


def _table(
    axis: str, values: Sequence[float | str], questions: Sequence[tuple[Scene, float]]
) -> pd.DataFrame:
    """One row for each value, with the answer to its question: a scene and its tokens."""
    found = [_best(scene, D) for scene, D in questions]
    rows = [{} if isinstance(answer, str) else answer for answer in found]
    columns = dict.fromkeys(name for row in rows for name in row) or {"r": None}
    frame = pd.DataFrame([{name: row.get(name, np.nan) for name in columns} for row in rows])
    frame.insert(0, axis, list(values))
    frame["outside"] = [
        outside(scene.sides.fits.values(), scene.N, D, row.get("r"))
        for (scene, D), row in zip(questions, rows, strict=True)
    ]
    frame.attrs["unreachable"] = {
        number: answer for number, answer in enumerate(found) if isinstance(answer, str)
    }
    return frame


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
