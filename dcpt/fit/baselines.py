"""What a law has to beat: forms that know next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import FitData

Array = NDArray[np.float64]
Predictor = Callable[[FitData], Array]

SMALLEST_SHARE = 1e-3
"""Share used for s = 0, whose logarithm does not exist."""


def fit_constant(data: FitData) -> Predictor:
    """The geometric mean of the losses, whatever N, D and r."""
    level = float(np.exp(data.log_loss.mean()))
    return lambda rows: np.full(len(rows), level)


def fit_log_linear(data: FitData) -> Predictor:
    """Fit log L = a + b log s + c log N + d log D by least squares.

    Of a quantity that does not vary the coefficient is 0 (the least-norm solution on centred logs).
    """
    columns = _logs(data)
    centre = columns.mean(axis=0)
    slopes = np.linalg.lstsq(columns - centre, data.log_loss - data.log_loss.mean(), rcond=1e-10)[0]
    level = data.log_loss.mean()
    return lambda rows: np.asarray(np.exp(level + (_logs(rows) - centre) @ slopes))


def _logs(data: FitData) -> Array:
    return np.asarray(np.log(np.column_stack([np.maximum(data.s, SMALLEST_SHARE), data.N, data.D])))


BASELINES = MappingProxyType({"constant": fit_constant, "log-linear": fit_log_linear})
"""Name to fitting function; their errors stand beside every law's."""
