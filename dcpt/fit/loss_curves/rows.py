"""Which measured losses a law of curves can be asked to describe: those behind the warm-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, DataError
from dcpt.fit.doubt import FitWarning

Array = NDArray[np.float64]

EARLY_SHARE = 0.05
"""Share of a curve's forward area that counts as its beginning."""

FAR_OFF, LEAST_OFF = 5.0, 2e-3
"""Mean error of the beginning, in standard deviations of all residuals and as such, that is named."""


def past_warm_up(
    curves: Sequence[Curve], weights: Sequence[ArrayLike] | None = None
) -> tuple[list[Curve], list[Array] | None, int]:
    """Leave out the losses measured during the warm-up in front.

    Returns
    -------
    curves : list of Curve
    weights : list of ndarray or None
        Those of the losses that are left.
    dropped : int
        Losses left out.

    Raises
    ------
    DataError
        When a curve has no others.
    ConfigError
        When the weights do not match the curves.
    """
    parts = None if weights is None else [np.asarray(part, dtype=np.float64) for part in weights]
    if parts is not None and [part.shape for part in parts] != [(len(curve),) for curve in curves]:
        raise ConfigError(
            "fit: weights do not match the curves; wanted one array per curve, one number per loss."
        )
    rows = [curve.steps >= curve.history.front for curve in curves]
    for curve, kept in zip(curves, rows, strict=True):
        if not kept.any():
            raise DataError(
                f"curve {curve.name}: all {len(curve)} losses were measured during the warm-up of "
                f"{curve.history.front} steps; wanted some behind it."
            )
    dropped = int(sum((~kept).sum() for kept in rows))
    if dropped:
        curves = [curve.take(kept) for curve, kept in zip(curves, rows, strict=True)]
        parts = None if parts is None else [part[kept] for part, kept in zip(parts, rows, strict=True)]
    return list(curves), parts, dropped


def early_doubts(
    curves: Sequence[Curve], residuals: Sequence[Array], sigma: float, dropped: int
) -> Iterator[FitWarning]:
    """Losses of the warm-up that were left out, and beginnings of curves that lie off the law.

    Parameters
    ----------
    curves : sequence of Curve
    residuals : sequence of ndarray
        Log residuals of each.
    sigma : float
        Their robust standard deviation.
    dropped : int
        Losses left out.
    """
    if dropped:
        yield FitWarning("warm_up", f"{dropped} losses measured during the warm-up are left out.")
    off = []
    for curve, residual in zip(curves, residuals, strict=True):
        area = curve.history.S1[curve.steps - 1]
        early = area < EARLY_SHARE * area[-1]
        if early.any() and float(np.abs(residual[early]).mean()) > max(FAR_OFF * sigma, LEAST_OFF):
            off.append(curve.name)
    if off:
        yield FitWarning(
            "early_losses",
            f"The first losses of {', '.join(off[:3])}{' and others' if len(off) > 3 else ''} lie off the "
            "law, which describes training that has settled: leaving out the first steps behind the warm-up "
            "may change the answer.",
        )
