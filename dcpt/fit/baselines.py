"""What a law has to beat: forms that know next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from dcpt.fit.dataset import FitData

Array = NDArray[np.float64]
Predictor = Callable[[FitData], Array]

SMALLEST_SHARE = 1e-3
"""Share used for s = 0, whose logarithm does not exist."""


def fit_constant(data: FitData) -> Predictor:
    """The geometric mean of the losses, whatever N, D and r."""
    level = float(np.exp(data.log_loss.mean()))
    return lambda rows: np.full(len(rows), level)


def fit_nearest(data: FitData) -> Predictor:
    """Predict the loss of the nearest measured row in log s, log N and log D, each over its spread.

    Of several equally near ones the geometric mean is taken.
    """
    columns = _logs(data)
    spread = columns.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    known, target = columns / scale, data.log_loss

    tree = KDTree(known)

    def predict(rows: FitData) -> Array:
        wanted = _logs(rows) / scale
        distance = tree.query(wanted)[0]
        near = tree.query_ball_point(wanted, distance * (1 + 1e-9) + 1e-12)
        return np.asarray(np.exp([target[at].mean() for at in near]))

    return predict


def fit_log_linear(data: FitData) -> Predictor:
    """Fit log L = a + b log s + c log N + d log D by least squares.

    Of a quantity that does not vary the coefficient is 0 (the least-norm solution on centred logs).
    """
    return _least_squares(data, _logs)


def fit_log_bilinear(data: FitData) -> Predictor:
    """Fit the log-linear form with a term in log s x log N: the effect of the mixture may shrink with size.

    The laws of the D-CPT family have no such term, which makes this the baseline that can show it.
    """
    centre = _logs(data).mean(axis=0)

    def features(rows: FitData) -> Array:
        logs = _logs(rows) - centre
        return np.column_stack([logs, logs[:, 0] * logs[:, 1]])

    return _least_squares(data, features)


def _least_squares(data: FitData, features: Callable[[FitData], Array]) -> Predictor:
    columns = features(data)
    centre, level = columns.mean(axis=0), data.log_loss.mean()
    slopes = np.linalg.lstsq(columns - centre, data.log_loss - level, rcond=1e-10)[0]
    return lambda rows: np.asarray(np.exp(level + (features(rows) - centre) @ slopes))


def _logs(data: FitData) -> Array:
    share = np.where(np.isfinite(data.s), np.maximum(data.s, SMALLEST_SHARE), 1.0)  # a table without ratios
    return np.asarray(np.log(np.column_stack([share, data.N, data.D])))


BASELINES = MappingProxyType(
    {
        "constant": fit_constant,
        "nearest": fit_nearest,
        "log-linear": fit_log_linear,
        "log-bilinear": fit_log_bilinear,
    }
)
"""Name to fitting function; their errors stand beside every law's."""
