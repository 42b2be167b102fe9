"""A law on the rows of a data set, for many parameter vectors at once, in the layout the solver wants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData
from dcpt.fit.space import Space
from dcpt.laws.law import Law

Array = NDArray[np.float64]

_TINY = 1e-300
"""Least value whose logarithm is taken: a law that falls to 0 or below has a log residual of about -690."""

_FAR = 1e3
"""Log residual in place of an undefined one: far beyond what any finite loss gives."""


class Evaluator:
    """Log residuals and their derivatives, with the rows in an order of their own.

    The rows are sorted by what they hold, so that sums, and with them the fit, do not depend on the
    order of a table. Powers of the inputs are exponentials of logarithms that are taken once here.

    Parameters
    ----------
    law, data, space
        What is fitted to what, over which parameters.
    """

    def __init__(self, law: Law, data: FitData, space: Space) -> None:
        inputs = data.inputs
        columns = [np.asarray(inputs[name], dtype=np.float64) for name in law.inputs]
        self.order = np.lexsort([data.loss, *columns])
        self.space = space
        self._kernel = law.compiled.kernel
        self._prepared = self._kernel.prepare(*(column[self.order] for column in columns))
        self._target = np.log(data.loss[self.order])

    def __len__(self) -> int:
        return len(self._target)

    def residual(self, u: Array) -> Array:
        """log(law) - log(loss), shape (b, n), for free parameters of shape (b, q)."""
        theta, _ = self.space.expand(u)
        with np.errstate(all="ignore"):
            value = self._kernel.value(*self._prepared, *theta.T[:, :, None])
            return self._log(np.broadcast_to(value, (len(u), len(self))))[0]

    def columns(self, u: Array, out: Array) -> tuple[Array, Array]:
        """Residuals and the columns of their Jacobian.

        Parameters
        ----------
        u : ndarray, shape (b, q)
            Free parameters.
        out : ndarray, shape (q, b, n)
            Is filled with the columns.

        Returns
        -------
        residual : ndarray, shape (b, n)
        factor : ndarray, shape (b, q)
            What each column is still to be multiplied by.
        """
        theta, slope = self.space.expand(u)
        with np.errstate(all="ignore"):
            value, *parts = self._kernel.columns(*self._prepared, *theta.T[:, :, None])
            value = np.broadcast_to(value, (len(u), len(self)))
            residual, sound = self._log(value)
            inverse = 1.0 / value if sound else np.where(value > _TINY, 1.0 / value, 0.0)
            factors = np.empty((len(u), len(self.space.names)))
            for column, factor in enumerate(self._kernel.factors(*theta.T)):
                factors[:, column] = factor
            if slope is None:
                for position, index in enumerate(self.space.free):
                    np.multiply(parts[index], inverse, out=out[position])
                if not sound:
                    np.nan_to_num(out, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
                return residual, factors[:, self.space.free]
            out[:] = 0.0
            for column, part in enumerate(parts):
                full = part * inverse * factors[:, column, None]
                for place in np.flatnonzero(slope[:, column].any(axis=0)):
                    out[place] += slope[:, column, place, None] * full
            return residual, np.ones_like(u)

    def _log(self, value: Array) -> tuple[Array, bool]:
        """Log residuals, and whether every value has one of its own."""
        residual = np.log(value)
        residual -= self._target
        if np.isfinite(residual.sum()):
            return residual, True
        residual = np.log(np.maximum(value, _TINY)) - self._target
        return np.where(np.isfinite(residual), residual, _FAR), False
