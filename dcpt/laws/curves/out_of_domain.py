"""Losses on third data sets, as a combination of the general and the domain loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import DataError, FitError

Array = NDArray[np.float64]

LEAST_R2 = 0.9
"""Below it the combination promises nothing. On 22 domains measured along one continual pre-training two were
not described by it, with R2 of 0.42 and 0.48."""

_LEAST_RCOND = 1e-8


@dataclass(frozen=True)
class OutOfDomain:
    """Loss on a third set: intercept + a share of the general and a share of the domain loss.

    Attributes
    ----------
    general, domain : float
        Coefficients of the two losses; properties of the data sets, whatever the schedule.
    intercept : float
        Constant, nats per token; 0 in the published form.
    r2 : float
        Share of the variance of the measured losses explained; below 0 without an intercept when the
        combination is worse than their mean.
    mae, worst : float
        Mean and largest absolute error, nats per token.
    points : int
        Measurements it rests on.
    """

    general: float
    domain: float
    intercept: float
    r2: float
    mae: float
    worst: float
    points: int

    @property
    def promises(self) -> bool:
        """Whether the combination describes what was measured well enough to predict with."""
        return self.r2 >= LEAST_R2

    def predict(self, general: ArrayLike, domain: ArrayLike) -> Array:
        """Loss on the third set from the two others.

        Parameters
        ----------
        general, domain : array_like, broadcast together
            Losses, measured or predicted, nats per token.

        Raises
        ------
        FitError
            When the combination did not describe the measured losses.
        """
        if not self.promises:
            raise FitError(
                f"out-of-domain loss: the combination explains {self.r2:.2f} of the variance of the measured "
                f"losses; wanted at least {LEAST_R2:g} to predict with it.",
                hint="fit a law of curves to this set's own losses",
            )
        general, domain = np.asarray(general, dtype=np.float64), np.asarray(domain, dtype=np.float64)
        return np.asarray(self.intercept + self.general * general + self.domain * domain)


def fit_out_of_domain(
    general: ArrayLike, domain: ArrayLike, measured: ArrayLike, intercept: bool = True
) -> OutOfDomain:
    """Fit the combination by least squares.

    Parameters
    ----------
    general, domain, measured : array_like, shape (n,)
        Losses at the same checkpoints, nats per token: of the general and the domain set, measured or as
        their laws have them, and of the third set.
    intercept : bool
        Whether a constant is added; without it the form is the published one.

    Raises
    ------
    DataError
        When the arrays do not match or a loss is not a positive number, or all are the same.
    FitError
        When there are no more points than coefficients, or the two losses move together.

    Examples
    --------
    >>> found = fit_out_of_domain([3.0, 3.1, 3.2, 3.3], [2.9, 2.6, 2.4, 2.3], [2.95, 2.95, 3.0, 3.09], False)
    >>> round(found.r2, 2), found.promises
    (0.94, True)

    References
    ----------
    Wang et al. 2025, arXiv:2505.07796, Eq. 6 (without intercept).
    """
    rows = [np.asarray(column, dtype=np.float64).ravel() for column in (general, domain, measured)]
    if len({len(row) for row in rows}) > 1:
        raise DataError(
            f"out-of-domain loss: {len(rows[0])} general, {len(rows[1])} domain and {len(rows[2])} measured "
            "losses; wanted one of each per checkpoint."
        )
    if not all((np.isfinite(row) & (row > 0)).all() for row in rows):
        raise DataError("out-of-domain loss: a loss is not a positive number.")
    table = np.column_stack([rows[0], rows[1], *([np.ones(len(rows[0]))] if intercept else [])])
    target = rows[2]
    if len(target) <= table.shape[1]:
        raise FitError(
            f"out-of-domain loss: {len(target)} checkpoints for {table.shape[1]} coefficients; wanted more."
        )
    size = np.linalg.norm(table, axis=0)
    values, _, rank, _ = np.linalg.lstsq(table / size, target, rcond=_LEAST_RCOND)
    if rank < table.shape[1]:
        raise FitError(
            "out-of-domain loss: the general and the domain loss move together in these checkpoints, so that "
            "their coefficients cannot be told apart.",
            hint="add checkpoints of another replay share" if not intercept else "try intercept=False",
        )
    values = values / size
    error = table @ values - target
    spread = float(((target - target.mean()) ** 2).sum())
    if spread == 0:
        raise DataError("out-of-domain loss: all measured losses are the same; there is nothing to explain.")
    return OutOfDomain(
        general=float(values[0]),
        domain=float(values[1]),
        intercept=float(values[2]) if intercept else 0.0,
        r2=1.0 - float(error @ error) / spread,
        mae=float(np.abs(error).mean()),
        worst=float(np.abs(error).max()),
        points=len(target),
    )
