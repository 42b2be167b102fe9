"""The general loss of the base before continual pre-training: what the tolerance is measured from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import UNITS
from dcpt.fit.bases import LEAST_SIZES, Bases, read_bases
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.plan.objective import Objective

Array = NDArray[np.float64]
Source = Literal["given", "measured", "estimated"]

_EXAMPLES = {"loss": 2.95, "bpb": 0.95}
"""A usual loss of a language model in each metric, for the hint."""


@dataclass(frozen=True)
class BaseLoss:
    """General loss of the target's base before continual pre-training.

    Attributes
    ----------
    value : float
        Loss, in the unit of the fits.
    log_sd : float
        Standard deviation of its logarithm; 0 for a given or measured loss, whose evaluation windows
        are those of every other loss.
    source : {"given", "measured", "estimated"}
        Where it comes from.
    how : str
        The same in words.
    """

    value: float
    log_sd: float
    source: Source
    how: str

    def draws(self, n: int, rng: np.random.Generator) -> Array:
        """Plausible values of the loss, shape (n,)."""
        return np.asarray(self.value * np.exp(self.log_sd * rng.standard_normal(n)))


def find_base_loss(
    objective: Objective,
    table: LossTable | None,
    eval_set: str = "general",
    metric: str = "loss",
    unit: str | None = None,
) -> BaseLoss:
    """Find the base's general loss: given, else measured at that size, else estimated from other sizes.

    Parameters
    ----------
    objective : Objective
        Says N, and the loss if the caller has measured it.
    table : LossTable or None
        Losses; the rows of phase ``base`` are used.
    eval_set : str
        Evaluation set of the general side.
    metric : str
        Metric of the general fit: only its rows are used.
    unit : str, optional
        Unit of that fit; by default the metric's own.

    Returns
    -------
    BaseLoss
        In that unit; a loss that the objective gives is taken to be in it.

    Raises
    ------
    ConfigError
        When the table holds the metric in another unit.
    PlanError
        When the loss is neither given nor in the table, and fewer than three other sizes are.
    """
    if objective.general_now is not None:
        return BaseLoss(objective.general_now, 0.0, "given", "given with the objective")
    unit = UNITS.get(metric, "unknown") if unit is None else unit
    bases = _bases(table, eval_set, metric, unit)
    if not bases.covers(objective.N) and len(bases.sizes) < LEAST_SIZES:
        raise PlanError(
            f"the tolerance '{objective.keep}' needs the general loss of the "
            f"{format_quantity(objective.N)} base before continual pre-training, and the table holds base "
            f"losses of {len(bases.sizes)} other sizes in {unit_words(unit)}; at least three are needed to "
            "estimate it.",
            hint="measure the base once on the general held-out set and pass it as general_now "
            f"(--general-now), or give a ceiling in {unit_of_amount(unit)} "
            f"('general <= {_EXAMPLES.get(metric, 2.95)}')",
        )
    loss, log_sd = bases.at(objective.N)
    value, spread = float(loss[0]), float(log_sd[0])
    if bases.covers(objective.N):
        return BaseLoss(value, 0.0, "measured", f"measured on the base of {format_quantity(objective.N)}")
    spelled = ", ".join(format_quantity(size) for size in bases.sizes)
    return BaseLoss(value, spread, "estimated", f"estimated from the bases of {spelled} by E + A*N**-alpha")


def _bases(table: LossTable | None, eval_set: str, metric: str, unit: str) -> Bases:
    if table is None:
        return Bases()
    rows = table.select(eval_set, metric, ("base",)).frame
    found = set(rows["unit"]) - {unit}
    if found:
        raise ConfigError(
            f"the table holds the base losses of {eval_set!r} in {unit_words(str(found.pop()))}; wanted "
            f"{unit_words(unit)}, the unit of the fit."
        )
    return read_bases(table, eval_set, metric)
