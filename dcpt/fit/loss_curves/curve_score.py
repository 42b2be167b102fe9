"""How far predicted curves are from measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CurveScore:
    """Errors of predicted losses; means over curves, so that a long curve counts as one.

    Attributes
    ----------
    r2 : float
        Share of the variance along a curve that is explained.
    mae, rmse : float
        Mean absolute and root mean square error, in the loss's unit.
    mape : float
        Mean absolute error as a share of the loss.
    worst : float
        Largest relative error of a curve.
    last : float
        Absolute error of a curve's last point.
    """

    r2: float
    mae: float
    rmse: float
    mape: float
    worst: float
    last: float


def score_curves(measured: Sequence[Array], predicted: Sequence[Array]) -> CurveScore:
    """Compare curves, each of shape (n,)."""
    rows = []
    for seen, told in zip(measured, predicted, strict=True):
        error, relative = told - seen, np.abs(told - seen) / seen
        spread = float(((seen - seen.mean()) ** 2).sum())
        r2 = 1.0 - float((error**2).sum()) / spread if spread > 0 else float("-inf")
        rows.append(
            (
                r2,
                float(np.abs(error).mean()),
                float(np.sqrt((error**2).mean())),
                float(relative.mean()),
                float(relative.max()),
                float(abs(error[-1])),
            )
        )
    finite = [row[0] for row in rows if np.isfinite(row[0])]
    means = np.mean([row[1:] for row in rows], axis=0).tolist()
    return CurveScore(float(np.mean(finite)) if finite else 0.0, *means)
