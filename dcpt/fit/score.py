"""How far predictions are from measurements, for laws and baselines alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGEST_N = "largest N"
LARGEST_D = "largest D"
RATIO = "ratio"
SIZE = "size"
D_SEGMENT = "D segment"
RATIO_PAIR = "ratio pair"
DOMAIN_ALONE = "domain"
DOMAIN_PAIR = "domain pair"
TOP_COMPUTE = "top compute"


@dataclass(frozen=True)
class HoldoutScore:
    """Error on rows a model was not fitted on.

    Parameters
    ----------
    kind : str
        What was left out, a key of `dcpt.fit.splits.SPLITS`.
    level : float
        The size, domain share or least tokens left out.
    model : str
        Name of the law or baseline.
    rows : int
        Rows left out.
    mae, bias : float
        Mean absolute and mean signed error (predicted minus measured), in the loss's unit.
    mape : float
        Mean absolute error as a share of the measured loss.
    rms_log : float
        Root mean square of the log error.
    reach : float
        Log distance of the largest left-out value beyond the largest of the rest; 0 for a ratio.
    coverage : float, optional
        Share of the rows inside the 90 % interval of a measurement, made from the rest of the data
        alone: draws, scatter and the error of extrapolation; None for baselines and without draws.
    """

    kind: str
    level: float
    model: str
    rows: int
    mae: float
    mape: float
    bias: float
    rms_log: float
    reach: float
    coverage: float | None = None


def score(
    kind: str,
    level: float,
    model: str,
    measured: Array,
    predicted: Array,
    reach: float = 0.0,
    coverage: float | None = None,
) -> HoldoutScore:
    """Compare predictions with measurements, arrays of shape (n,)."""
    error = predicted - measured
    return HoldoutScore(
        kind=kind,
        level=float(level),
        model=model,
        rows=len(measured),
        mae=float(np.abs(error).mean()),
        mape=float((np.abs(error) / measured).mean()),
        bias=float(error.mean()),
        rms_log=float(np.sqrt(np.mean(np.log(predicted / measured) ** 2))),
        reach=float(reach),
        coverage=coverage,
    )
