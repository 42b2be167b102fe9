"""Rows of a table of what if at given sizes and tokens: losses along the ratio, or the best ratio of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.quantity import parse_share
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.fit.unit_words import unit_words
from dcpt.plan.bands import bands
from dcpt.plan.binding import Binding
from dcpt.plan.outside import outside
from dcpt.plan.scene import Scene
from dcpt.plan.trade_off import GRID, ratio_grid, solve_bounds
from dcpt.plan.uncertainty import last_kept, spread_answers

Array = NDArray[np.float64]

RATIOS = 9
"""Ratios of a table along r: as many as the D-CPT paper trains."""

_ENDED = {"r": "ratios", "D": "tokens", "N": "sizes"}

_AT_CEILING = 1e-5
"""Relative distance from a ceiling that counts as lying on it: ten times what a grid of ratios leaves."""

_AT_END = 1e-6
"""The same for the ends of the ratios."""

_DRAW_GRID = 101
"""Ratios at which the draws are solved: their interval is then good to a tenth of its last digit shown."""


def read_ratios(values: Sequence[str] | None, searched: tuple[float, float]) -> Array:
    """The ratios of a table along r: those given, or some of the searched range.

    Raises
    ------
    ConfigError
        When one is no share.
    """
    if values is None:
        return np.asarray(ratio_grid(*searched, points=RATIOS))
    grid = np.array([parse_share(value, "--values") for value in values])
    if not ((grid > 0) & (grid < 1)).all():
        raise ConfigError(
            f"what if: r = {grid[(grid <= 0) | (grid >= 1)][0]:g}; wanted shares between 0 and 1, "
            "the ends left out."
        )
    return grid


def along_ratio(scene: Scene, D: float, values: Sequence[str] | None) -> pd.DataFrame:
    """The losses at given ratios, and whether they keep the limits."""
    grid = read_ratios(values, scene.ratios(D) if values is None else scene.searched)
    columns: dict[str, Array] = {"r": grid, **losses_at(scene, D, grid), **epochs_at(scene, D, grid)}
    allowed = np.array([scene.supply is None or not scene.supply.overdrawn(D, float(r)) for r in grid])
    if scene.ceilings or not allowed.all():
        columns["keeps"] = ((_excess(scene, D, grid)[0] <= 1e-12) & allowed).astype(float)
    if scene.ceilings and scene.count:
        columns["kept"] = (scene.excess(scene.draws(D, grid)) <= 1e-12).mean(axis=0) * allowed
    frame = pd.DataFrame(columns)
    frame["outside"] = [outside(scene.sides.fits.values(), scene.N, D, float(r)) for r in grid]
    best = best_ratio(scene, D)
    frame.attrs["unreachable"] = {0: best} if isinstance(best, str) else {}
    return frame


def epochs_at(scene: Scene, D: float, r: Array) -> dict[str, Array]:
    """Passes over each pool there is."""
    pools = {} if scene.supply is None else {side: scene.supply.pool(side) for side in ROLES}
    shares = {DOMAIN: r, GENERAL: 1 - r}
    return {f"{side}_epochs": shares[side] * D / pool for side, pool in pools.items() if pool is not None}


def losses_at(scene: Scene, D: float, r: Array) -> dict[str, Array]:
    """Every loss with the interval of a run, and the weighted sum that is minimised."""
    columns: dict[str, Array] = {}
    for label, surface in scene.surfaces.items():
        found = bands(surface, scene.N, D, r, scene.objective.level)
        columns |= {label: found["mean"], f"{label}_lo": found["obs_lo"], f"{label}_hi": found["obs_hi"]}
    return {**columns, "value": scene.value(columns)}


def best_ratio(scene: Scene, D: float) -> dict[str, Any] | str:
    """The best ratio at one size and number of tokens, quickly: on a grid, linear between its points.

    Where there is none, the reason.
    """
    try:
        searched = scene.ratios(D)
    except PlanError as error:
        return reason_of(error)
    level = scene.objective.level
    tail = (1 - level) / 2
    grid = ratio_grid(*searched, points=GRID)
    over = _excess(scene, D, grid)
    if (over > 0).all():  # nothing keeps the limits, or only what lies between two points of the grid
        try:
            unit = unit_words(scene.sides.unit)
            narrow = solve_bounds(scene.bounds(D), lambda r: scene.point_value(D, r), *searched, unit=unit)
        except PlanError as error:
            return reason_of(error)
        grid = np.sort(np.append(grid, narrow.r))
        over = _excess(scene, D, grid)
    value = scene.point_value(D, grid)
    point = spread_answers(grid, over, value[None], float(grid[0]), value, level)
    r = float(point.r[0])
    row: dict[str, Any] = {"r": r, "r_lo": np.nan, "r_hi": np.nan}
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
    row["binds"] = _binds(scene, D, r, searched)
    row |= {name: float(column[0]) for name, column in losses_at(scene, D, np.array([r])).items()}
    return row


def binds_shortly(binding: Binding, name: str) -> str:
    """What binds, in as few words as a cell of a table has room for."""
    if binding == "none":
        return "nothing"
    if binding == "range":
        return f"range of {_ENDED[name]}"
    return f"{name} {binding}" if binding in ("ceiling", "pool", "epochs") else binding


def _binds(scene: Scene, D: float, r: float, searched: tuple[float, float]) -> str:
    """What keeps the ratio of a run of given size and tokens from going on."""
    for item in scene.ceilings:
        loss = float(scene.surfaces[item.label].mean(scene.N, D, np.array([r]))[0])
        if abs(loss - item.value) <= _AT_CEILING * item.value:
            return binds_shortly("ceiling", item.label)
    ends = zip(searched, scene.searched, (GENERAL, DOMAIN), strict=True)
    for end, asked, side in ends:
        if abs(r - end) <= _AT_END:
            return (
                binds_shortly("range", "r") if abs(end - asked) <= _AT_END else binds_shortly("epochs", side)
            )
    return binds_shortly("none", "")


def _excess(scene: Scene, D: float, r: Array) -> Array:
    """How far the point fits are above the nearest ceiling along the ratio, shape (1, n)."""
    over = [scene.surfaces[item.label].mean(scene.N, D, r) - item.value for item in scene.ceilings]
    return np.asarray(np.max([np.full(len(r), -1e300), *over], axis=0)[None])


def reason_of(error: PlanError) -> str:
    """Why there is no answer, with the nearest question that has one."""
    return error.message if error.hint is None else f"{error.message.rstrip('.')}; {error.hint}."


def ratio_table(
    axis: str, values: Sequence[float | str], questions: Sequence[tuple[Scene, float]]
) -> pd.DataFrame:
    """One row for each value, with the answer to its question: a scene and its tokens."""
    found = [best_ratio(scene, D) for scene, D in questions]
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
