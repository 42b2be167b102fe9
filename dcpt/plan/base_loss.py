"""Losses of the base before continual pre-training: what limits are measured from and laws start from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import GENERAL, UNITS
from dcpt.fit.bases import LEAST_SIZES, Bases, read_bases
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.plan.objective import Objective

Array = NDArray[np.float64]
Source = Literal["given", "measured", "estimated"]

_EXAMPLES = {"loss": 2.95, "bpb": 0.95}
"""A usual loss of a language model in each metric, for the hint."""


_WORTH_SAYING = 0.01
"""Weight of the nearest base from which an estimate names it."""


@dataclass(frozen=True)
class BaseLoss:
    """Loss of the target's base on one evaluation set before continual pre-training.

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
    eval_set: str = GENERAL,
    metric: str = "loss",
    unit: str | None = None,
    *,
    names: tuple[str, ...] = (),
    known: Bases | None = None,
    N: float | None = None,
) -> BaseLoss:
    """Find the base's loss on one set: given, else measured at that size, else estimated from other sizes.

    Parameters
    ----------
    objective : Objective
        Says N, and the loss if the caller has measured it.
    table : LossTable or None
        Losses; the rows of phase ``base`` are used.
    eval_set : str
        Evaluation set.
    metric : str
        Metric of the fit: only its rows are used.
    unit : str, optional
        Unit of that fit; by default the metric's own.
    names : tuple of str
        What the objective may call the set beside its own name.
    known : Bases, optional
        Bases that came with the fit: used where the table has none.
    N : float, optional
        Size; by default the objective's.

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
    given = objective.losses_now
    for key in (eval_set, *names):
        if key in given:
            return BaseLoss(given[key], 0.0, "given", "given with the objective")
    N = objective.N if N is None else N
    assert N is not None
    unit = UNITS.get(metric, "unknown") if unit is None else unit
    bases = _bases(table, eval_set, metric, unit)
    bases = known if known is not None and not bases.sizes else bases
    if not bases.covers(N) and len(bases.sizes) < LEAST_SIZES:
        limits = [limit for limit in objective.keep if limit.eval_set in (eval_set, *names)]
        what = f"the tolerance '{limits[0]}'" if limits else "the plan"
        raise PlanError(
            f"{what} needs the {eval_set} loss of the "
            f"{format_quantity(N)} base before continual pre-training, and the table holds base "
            f"losses of {len(bases.sizes)} other sizes in {unit_words(unit)}; at least three are needed to "
            "estimate it.",
            hint="measure the base once on that held-out set and pass it as general_now "
            f"(--general-now), or give a ceiling in {unit_of_amount(unit)} "
            f"('{eval_set} <= {_EXAMPLES.get(metric, 2.95)}')",
        )
    if bases.covers(N):
        measured = float(bases.measured(N)[0])
        return BaseLoss(measured, 0.0, "measured", f"measured on the base of {format_quantity(N)}")
    value, log_sd = (float(found[0]) for found in bases.at(N))
    near = bases.nearest(N)
    spelled = ", ".join(format_quantity(size) for size in bases.sizes)
    how = f"estimated from the bases of {spelled} by E + A*N**-alpha"
    if near.weight[0] > _WORTH_SAYING:
        how += f", led to the measured loss of {format_quantity(float(near.size[0]))}"
    return BaseLoss(value, log_sd, "estimated", how)


def read_bases_of(table: LossTable | None, sets: Iterable[str], metric: str, unit: str) -> dict[str, Bases]:
    """The bases of several evaluation sets, of those that have any, read once for many questions.

    Raises
    ------
    ConfigError
        When the table holds the metric in another unit.
    """
    if table is None:
        return {}
    rows = table.select(None, metric, ("base",))
    found = {name: _bases(rows, name, metric, unit) for name in sets}
    return {name: bases for name, bases in found.items() if bases.sizes}


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
