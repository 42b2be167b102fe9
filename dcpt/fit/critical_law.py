"""The critical mixture ratio against tokens, fitted to pairs of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.laws.critical_ratio import TOKENS_PER_T, ratio_after

Array = NDArray[np.float64]

MOST = 3.0
"""Largest exponent of either sign, as in the other laws of critical ratios."""

_LEAST = 1e-4
"""Smallest exponent: the power is a logarithm long before, and its coefficient has no limit."""

_GRID = 601


@dataclass(frozen=True)
class CriticalRatioLaw:
    """R(T) = a T**s + b, kept between 0 and 1.

    Parameters
    ----------
    a, s, b : float
        Coefficients for T = D / unit. A ratio that rises with T has a and s of one sign.
    unit : float
        Tokens in one unit of T.
    miss : float
        Largest distance of a pair from the law; 0 up to rounding with three pairs.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467, Eq. 8.
    """

    a: float
    s: float
    b: float
    unit: float
    miss: float

    def at(self, D: ArrayLike) -> Array:
        """Critical mixture ratio after D tokens, of the shape of D.

        Raises
        ------
        ConfigError
            When D is not positive.
        """
        return ratio_after(np.asarray(D, dtype=np.float64) / self.unit, self.a, self.s, self.b)


def fit_critical_ratio(D: ArrayLike, ratio: ArrayLike, *, unit: float = TOKENS_PER_T) -> CriticalRatioLaw:
    """Fit R(T) = a T**s + b by least squares, exponents of either sign.

    a and b are solved for at each exponent, and the exponent is searched from -`MOST` to `MOST`: no
    start decides which branch is found.

    Parameters
    ----------
    D : array_like, shape (n,)
        Tokens, at three lengths of training at least.
    ratio : array_like, shape (n,)
        Critical mixture ratio after them.
    unit : float
        Tokens in one unit of T, in which a is given; the paper's by default.

    Raises
    ------
    ConfigError
        When the unit is not positive.
    DataError
        When shapes differ, D is not positive or a ratio is not between 0 and 1.
    FitError
        When there are fewer than three different D.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467, Eq. 8.
    """
    if not (unit > 0 and np.isfinite(unit)):
        raise ConfigError(f"critical ratio law: unit = {unit:g}; wanted a positive number of tokens.")
    D, R = np.asarray(D, dtype=np.float64), np.asarray(ratio, dtype=np.float64)
    if D.ndim != 1 or D.shape != R.shape:
        raise DataError(
            f"critical ratio law: D has shape {D.shape}, ratio {R.shape}; wanted two equal lists."
        )
    if not (np.isfinite(D) & (D > 0)).all():
        raise DataError("critical ratio law: D holds a value that is not a positive number of tokens.")
    if not ((R >= 0) & (R <= 1)).all():
        raise DataError("critical ratio law: ratio holds a value that is not between 0 and 1.")
    if len(np.unique(D)) < 3:
        raise FitError(
            f"critical ratio law: {len(np.unique(D))} different D; wanted three or more.",
            hint="measure more ratios: each gives one critical time",
        )
    centre = float(np.log(D).mean())
    x = np.log(D) - centre

    def solved(s: float) -> tuple[Array, Array]:
        basis = np.stack([np.ones_like(x), _power(x, s)], axis=1)
        found = np.linalg.lstsq(basis, R, rcond=None)[0]
        return found, basis @ found - R

    def cost(s: float) -> float:
        return float(np.sum(solved(s)[1] ** 2))

    grid = np.linspace(-MOST, MOST, _GRID)
    best = int(np.argmin([cost(s) for s in grid]))
    around = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)]))
    s = float(minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-12}).x)
    s = float(np.copysign(max(abs(s), _LEAST), s))
    (level, slope), miss = solved(s)
    a = slope / s * np.exp(s * (np.log(unit) - centre))
    return CriticalRatioLaw(float(a), s, float(level - slope / s), unit, float(np.abs(miss).max()))


def _power(x: Array, s: float) -> Array:
    """(exp(s x) - 1)/s, which stays apart from a constant where s goes to 0."""
    return np.asarray(x if s == 0 else np.expm1(s * x) / s)
