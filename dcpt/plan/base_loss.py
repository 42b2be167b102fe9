"""The general loss of the base before continual pre-training: what the tolerance is measured from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import UNITS
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.plan.objective import Objective

Array = NDArray[np.float64]
Source = Literal["given", "measured", "estimated"]

SAME_SIZE = 0.005
"""Relative difference in N up to which a base counts as the target's: half a unit of the third digit,
which is how sizes are printed and typed (7.00B)."""

_MAX_EXPONENT = 2.0
"""Upper bound of the size exponent; published ones lie between 0.05 and 0.8."""

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
    sizes, losses = _base_rows(table, eval_set, metric, unit)
    near = np.abs(np.log(sizes / objective.N)) <= SAME_SIZE
    if near.any():
        value = float(np.exp(np.log(losses[near]).mean()))
        return BaseLoss(value, 0.0, "measured", f"measured on the base of {format_quantity(objective.N)}")
    if len(sizes) < 3:
        raise PlanError(
            f"the tolerance '{objective.keep}' needs the general loss of the "
            f"{format_quantity(objective.N)} base before continual pre-training, and the table holds base "
            f"losses of {len(sizes)} other sizes in {unit_words(unit)}; at least three are needed to "
            "estimate it.",
            hint="measure the base once on the general held-out set and pass it as general_now "
            f"(--general-now), or give a ceiling in {unit_of_amount(unit)} "
            f"('general <= {_EXAMPLES.get(metric, 2.95)}')",
        )
    value, log_sd = _estimate(sizes, losses, objective.N)
    spelled = ", ".join(format_quantity(size) for size in sizes)
    return BaseLoss(value, log_sd, "estimated", f"estimated from the bases of {spelled} by E + A*N**-alpha")


def _base_rows(table: LossTable | None, eval_set: str, metric: str, unit: str) -> tuple[Array, Array]:
    """Sizes in ascending order and the mean log loss of their bases, as a loss."""
    if table is None:
        return np.empty(0), np.empty(0)
    rows = table.select(eval_set, metric, ("base",)).frame
    found = set(rows["unit"]) - {unit}
    if found:
        raise ConfigError(
            f"the table holds the base losses of {eval_set!r} in {unit_words(str(found.pop()))}; wanted "
            f"{unit_words(unit)}, the unit of the fit."
        )
    mean = np.log(rows["value"]).groupby(rows["N"]).mean().sort_index()
    return mean.index.to_numpy(float), np.exp(mean.to_numpy(float))


def _estimate(sizes: Array, losses: Array, N: float) -> tuple[float, float]:
    """Power law through the bases at N, and the standard deviation of its logarithm.

    The spread adds the residual scatter to the larger of two errors of extrapolation: the jackknife
    over sizes, and the miss at the largest size when it is left out, scaled by the distance in log N.
    """
    value = _power_law(sizes, losses, N)
    count = len(sizes)
    fitted = np.array([_power_law(sizes, losses, size) for size in sizes])
    residual = float(np.sqrt(np.sum(np.log(losses / fitted) ** 2) / max(count - 3, 1)))
    left_out = np.log([_power_law(np.delete(sizes, i), np.delete(losses, i), N) for i in range(count)])
    jackknife = float(np.sqrt((count - 1) / count * np.sum((left_out - left_out.mean()) ** 2)))
    miss = abs(float(np.log(losses[-1] / _power_law(sizes[:-1], losses[:-1], sizes[-1]))))
    beyond = max(0.0, float(np.log(N / sizes[-1]))) / float(np.log(sizes[-1] / sizes[-2]))
    return value, float(np.hypot(residual, max(jackknife, miss * beyond)))


def _power_law(sizes: Array, losses: Array, N: float) -> float:
    """Loss at N of E + A*n**-alpha, least squares in log loss; of A*n**-alpha with two sizes."""
    unit = float(np.exp(np.log(sizes).mean()))
    n, logs = sizes / unit, np.log(losses)
    slope = float(np.clip(-np.polyfit(np.log(n), logs, 1)[0], 1e-3, _MAX_EXPONENT))
    level = float(np.exp(logs.mean()))
    if len(sizes) < 3:
        return float(level * (N / unit) ** -slope)

    def miss(p: Array) -> Array:
        return np.asarray(np.log(p[0] + p[1] * n ** -p[2]) - logs)

    best = None
    for share in (0.0, 0.5, 0.9):  # starts: share of the lowest loss that no size removes
        floor = share * float(losses.min())
        start = [floor, level - floor, min(slope / (1 - share), _MAX_EXPONENT)]
        found = least_squares(
            miss, start, bounds=([0, 1e-9, 0], [losses.min(), np.inf, _MAX_EXPONENT]), x_scale="jac"
        )
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    E, A, alpha = best.x
    return float(E + A * (N / unit) ** -alpha)
