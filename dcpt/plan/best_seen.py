"""The best run that was trained so far: what a plan has to beat to be worth anything."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dcpt.core.errors import PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.plan.base_loss import find_base_loss
from dcpt.plan.baselines import SEEN, Mix
from dcpt.plan.scene import Ceiling, Scene

_LEAST_RATIOS = 2
"""Ratios that a size and number of tokens must have been trained at to have a best one."""


def best_seen(scene: Scene, D: float, table: LossTable | None) -> Mix:
    """Ratio of the run with the lowest objective among those that kept the limits, nearest to the target.

    The runs of one size and number of tokens are compared: the nearest to the target that was trained at
    several ratios. A limit on the target becomes the same relative rise over that size's own base.

    Parameters
    ----------
    scene : Scene
        The question at the target.
    D : float
        Tokens of the target.
    table : LossTable or None
        Losses; without it no run was seen.

    Returns
    -------
    Mix
        With the reason where there is no such run.
    """
    if table is None:
        return Mix(SEEN, None, "no losses are at hand")
    wide = _ends(scene, table)
    cells = [(key, cell) for key, cell in wide.groupby(["N", "D"]) if cell["r"].nunique() >= _LEAST_RATIOS]
    if not cells:
        return Mix(SEEN, None, "no size was trained at several ratios with every loss measured")
    (N, tokens), cell = min(cells, key=lambda item: _distance(item[0], scene.N, D))
    means = cell.groupby("r", as_index=False)[list(scene.sides.fits)].mean()
    kept = np.ones(len(means), dtype=bool)
    for item in scene.ceilings:
        ceiling = _ceiling_at(item, scene, float(N))
        if ceiling is None:
            return Mix(
                SEEN, None, f"the {item.label} loss of the bases is not known, so no run kept its limit"
            )
        kept &= (means[item.label] <= ceiling).to_numpy()
    where = f"of {format_quantity(float(N))} on {format_quantity(float(tokens))} tokens"
    if not kept.any():
        return Mix(SEEN, None, f"no run {where} kept the limits")
    value = scene.value({label: means[label].to_numpy(float) for label in scene.sides.fits})
    return Mix(SEEN, float(means["r"].to_numpy(float)[np.where(kept, value, np.inf).argmin()]), where)


def _ends(scene: Scene, table: LossTable) -> pd.DataFrame:
    """One row a run that has every loss of the question: N, D, r and the losses by label."""
    frame = table.frame
    mixed = (frame["D"] > 0) & (frame["r"] > 0) & (frame["r"] < 1)
    frame = frame.loc[
        (frame["metric"] == scene.sides.metric) & (frame["phase"] == "end") & mixed,
        ["run_id", "N", "D", "r", "eval_set", "value"],
    ]
    wide = frame.pivot_table(index=["run_id", "N", "D", "r"], columns="eval_set", values="value")
    sets = {label: fit.eval_set for label, fit in scene.sides.fits.items()}
    if not set(sets.values()) <= set(wide.columns):
        return pd.DataFrame({name: np.empty(0) for name in ("N", "D", "r", *sets)})
    found = pd.DataFrame({label: wide[name] for label, name in sets.items()})
    return found.dropna().reset_index()


def _distance(cell: tuple[float, float], N: float, D: float) -> float:
    return float(abs(np.log(cell[0] / N)) + abs(np.log(cell[1] / D)))


def _ceiling_at(item: Ceiling, scene: Scene, N: float) -> float | None:
    """The limit for runs of another size: the same rise over that size's base."""
    fit = scene.surfaces[item.label].fit
    plain = scene.objective.model_copy(update={"general_now": None})
    known = scene.measured.get(fit.eval_set) or fit.bases.get("L0")
    try:
        base = find_base_loss(plain, None, fit.eval_set, fit.metric, fit.unit, known=known, N=N)
    except PlanError:
        return None
    target = scene.bases.get(item.label)
    if item.limit.needs_base:
        return item.limit.ceiling(base.value)
    return None if target is None else item.value / target.value * base.value
