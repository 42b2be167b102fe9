"""The scatter of measurements around a fitted law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def residual_sigma(residual: NDArray[np.float64], parameters: int) -> float:
    """Robust standard deviation of log residuals: 1.4826 x their median size, for the freedom left.

    The factor makes it the standard deviation of normal residuals (Rousseeuw and Croux 1993,
    J. Am. Stat. Assoc. 88:1273); the square root of n / (n - parameters) makes up for fitting them.
    """
    freedom = max(len(residual) - parameters, 1)
    return float(1.4826 * np.median(np.abs(residual)) * np.sqrt(len(residual) / freedom))
