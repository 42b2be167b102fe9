"""What a law that starts from the base's loss is told about the target's base."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.law_fit import LawFit
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.objective import Objective

Array = NDArray[np.float64]
Start = Mapping[str, float]

_STEP = 0.01
"""Change of the log base loss over which a law's elasticity is taken."""


def start_of(fit: LawFit, general: LawFit, base: BaseLoss | None) -> dict[str, float]:
    """Start losses of a fit's law that follow from the base's general loss.

    Parameters
    ----------
    fit : LawFit
        Whose law needs them: L0 for the general side, G0 for either.
    general : LawFit
        The fit of the general side, whose evaluation set `base` was measured on.
    base : BaseLoss or None
        General loss of the target's base; without it the fit's own bases are asked.
    """
    if base is None:
        return {}
    found = {"L0": base.value} if fit is general else {}
    if fit.bases.get("G0") == general.bases.get("L0"):
        found["G0"] = base.value
    return {name: value for name, value in found.items() if name in fit.law.inputs}


def draws_from(
    fit: LawFit, objective: Objective, grid: Array, start: Start, rows: NDArray[np.int64], shifts: Array
) -> Array:
    """Losses of chosen draws along the ratios, each from its own loss of the base.

    A relative tolerance moves with the base's loss, and so does a law that starts from it: the two
    must be drawn together, or an uncertain base makes a certain ratio look uncertain.

    Parameters
    ----------
    fit, objective, start
        The law, the target, and the start losses the law is given.
    grid : ndarray, shape (n,)
        Domain shares.
    rows : ndarray of int, shape (draws,)
        Draws of the fit.
    shifts : ndarray, shape (draws,)
        Log of each draw's base loss over the base's value.

    Returns
    -------
    ndarray, shape (draws, n)
    """
    losses = fit.draw_means(objective.N, objective.D, grid, start)[rows]
    if not start or not shifts.any():
        return losses
    moved = {name: value * float(np.exp(_STEP)) for name, value in start.items()}
    higher = fit.draw_means(objective.N, objective.D, grid, moved)[rows]
    elasticity = np.log(higher / losses) / _STEP
    return np.asarray(losses * np.exp(elasticity * shifts[:, None]))
