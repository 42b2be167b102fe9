"""What the solver is given: losses, region, goal, ceilings; and how good a mixture is by them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.mixtures.goal import Goal
from dcpt.plan.mixtures.region import Region
from dcpt.plan.mixtures.surface import Surface

Array = NDArray[np.float64]

KEPT = 1e-6
"""Relative excess over a ceiling that counts as kept: far below what a loss can be measured to."""

_PENALTY = 1e3
"""Weight of a relative excess against the goal's scale where mixtures that break ceilings are ranked."""


@dataclass(frozen=True)
class Problem:
    """Minimise a goal over a region, with ceilings on some losses.

    Attributes
    ----------
    surface : Surface
        Losses of k targets.
    region : Region
        Mixtures allowed.
    goal : Goal
        What is minimised.
    columns : tuple of int, length m
        Targets with a ceiling.
    ceilings : ndarray, shape (m,)
        Their highest losses.
    scale : float
        Differences of the goal that matter are of this order.
    """

    surface: Surface
    region: Region
    goal: Goal
    columns: tuple[int, ...]
    ceilings: Array
    scale: float

    def excess(self, losses: Array) -> Array:
        """Greatest relative excess over the ceilings, shape (...), of losses (..., k); -1 without any."""
        if not self.columns:
            return np.full(losses.shape[:-1], -1.0)
        return np.asarray((losses[..., list(self.columns)] / self.ceilings - 1).max(axis=-1))

    def merit(self, losses: Array) -> Array:
        """The goal, with what breaks a ceiling ranked behind; shape (...)."""
        beyond = np.maximum(self.excess(losses) - KEPT, 0.0)
        return np.asarray(self.goal.value(losses) + self.scale * _PENALTY * beyond)

    def keeps(self, losses: Array) -> NDArray[np.bool_]:
        """Whether every ceiling is kept, shape (...)."""
        return np.asarray(self.excess(losses) <= KEPT)

    def with_(self, **changes: object) -> Problem:
        """The same problem with some parts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
