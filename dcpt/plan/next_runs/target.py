"""The losses of the target along the ratio, from its own base: point fit or draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import GENERAL
from dcpt.fit.bases import read_bases
from dcpt.fit.law_fit import LawFit
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_STEP = 0.01
"""Change of the log base loss over which a law's elasticity to it is taken."""


@dataclass(frozen=True, eq=False)
class Target:
    """The run a plan is for.

    Attributes
    ----------
    N, D : float
        Non-embedding parameters and tokens.
    now : mapping of str to tuple of (float, float)
        Evaluation set to the base's loss before continual pre-training, and the standard deviation of its
        logarithm: 0 where it was given or measured.
    """

    N: float
    D: float
    now: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, objective: Objective, fits: Mapping[str, LawFit], table: LossTable) -> Target:
        """The target of an objective; bases it does not give are looked up in the table or estimated.

        Raises
        ------
        ConfigError
            When N or D is not given.
        FitError
            When a base was measured at other sizes, and at too few to estimate it.
        """
        if objective.N is None or objective.D is None:
            raise ConfigError(
                "next runs: the target's N or D is left open; wanted both, as in N=7B, D=20B.",
                hint="plan first, then ask for the run it recommends",
            )
        now = {name: (loss, 0.0) for name, loss in objective.losses_now.items()}
        for fit in fits.values():
            for name in dict.fromkeys((fit.eval_set, GENERAL)):
                bases = read_bases(table, name, fit.metric)
                if name not in now and bases.sizes:
                    loss, log_sd = bases.at(objective.N)
                    now[name] = (float(loss[0]), float(log_sd[0]))
        return cls(float(objective.N), float(objective.D), now)

    def base(self, eval_set: str) -> float | None:
        """Loss of the base on a set, where it is known."""
        return self.now[eval_set][0] if eval_set in self.now else None

    def start(self, fit: LawFit) -> dict[str, float]:
        """Losses of the base that a fit's law starts from, where they are known."""
        known = {"L0": self.now.get(fit.eval_set), "G0": self.now.get(GENERAL)}
        return {name: loss[0] for name, loss in known.items() if loss is not None and name in fit.law.inputs}

    def mean(self, fit: LawFit, grid: Array) -> Array:
        """Loss of the point fit along the ratio, shape (n,)."""
        return fit.mean(self.N, self.D, grid, self.start(fit))

    def draws(self, fit: LawFit, grid: Array, rows: Integers, normal: Array) -> Array:
        """Loss of chosen draws along the ratio, shape (draws, n).

        Parameters
        ----------
        fit : LawFit
            Whose draws.
        grid : ndarray, shape (n,)
            Domain shares.
        rows : ndarray of int, shape (draws,)
            Rows of its draws.
        normal : ndarray, shape (draws,)
            How far each draw's base lies from its estimate, in standard deviations: an estimated base
            moves the laws that start from it, and relative limits with them.
        """
        start = self.start(fit)
        losses = fit.draw_means(self.N, self.D, grid, start)[rows]
        sd = {name: self.now[fit.eval_set if name == "L0" else GENERAL][1] for name in start}
        if not any(sd.values()):
            return losses
        moved = {name: value * float(np.exp(_STEP * (sd[name] > 0))) for name, value in start.items()}
        higher = fit.draw_means(self.N, self.D, grid, moved)[rows]
        elasticity = np.log(higher / losses) / _STEP
        return np.asarray(losses * np.exp(elasticity * max(sd.values()) * normal[:, None]))

    def ceiling(self, limit: Limit, normal: Array | None = None) -> Array:
        """Highest loss a limit allows, shape (draws,); of the estimate itself without `normal`, (1,)."""
        base = self.now.get(limit.eval_set)
        if base is None:
            return np.full(1 if normal is None else len(normal), limit.ceiling(None))
        shifts = np.zeros(1) if normal is None else base[1] * normal
        return np.array([limit.ceiling(base[0] * float(np.exp(shift))) for shift in shifts])
