"""How a share enters a predictor: its root, cube root or logarithm, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]

SMALL_SHARE = 1e-5
"""Added under a root, so that the slope at a share of 0 is finite; far below the rounding of shares."""

LOG_SHARE = 1e-3
"""Added under the logarithm: a share of 0 counts like one of the usual rounding, 0.001."""


@dataclass(frozen=True)
class Warp:
    """A growing function of the share, with its derivative.

    Attributes
    ----------
    name : str
        ``root``, ``cube-root`` or ``log``.
    """

    name: str
    _value: Callable[[Array], Array]
    _slope: Callable[[Array], Array]

    def __call__(self, shares: Array) -> Array:
        """The warped shares; shares below 0 count as 0."""
        return self._value(np.maximum(shares, 0.0))

    def slope(self, shares: Array) -> Array:
        """Derivative of the warped share by the share."""
        return self._slope(np.maximum(shares, 0.0))


def _power(name: str, exponent: float) -> Warp:
    return Warp(
        name,
        lambda r: np.asarray((r + SMALL_SHARE) ** exponent - SMALL_SHARE**exponent),
        lambda r: np.asarray(exponent * (r + SMALL_SHARE) ** (exponent - 1)),
    )


_SPAN = float(np.log1p(1 / LOG_SHARE))
WARPS = {
    "root": _power("root", 1 / 2),
    "cube-root": _power("cube-root", 1 / 3),
    "log": Warp(
        "log",
        lambda r: np.asarray(np.log1p(r / LOG_SHARE) / _SPAN),
        lambda r: np.asarray(1 / (r + LOG_SHARE) / _SPAN),
    ),
}


def get_warp(name: str) -> Warp:
    """The warp of this name.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if name not in WARPS:
        raise ConfigError(f"warp: got {name!r}; wanted one of {', '.join(WARPS)}.")
    return WARPS[name]
