"""How the rate falls: the forms of decay and of cool-down, as shares of the rate they start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Literal["linear", "1-sqrt", "sqrt", "geometric", "harmonic"]
Cooldown = Literal["cosine", "inverse-sqrt", "linear"]

SHAPES: tuple[str, ...] = get_args(Shape)
COOLDOWNS: tuple[str, ...] = get_args(Cooldown)
NEEDS_FLOOR = ("geometric", "harmonic")
"""Forms that divide by the floor: they cannot head for zero."""

INVERSE_SQRT_RATE = 10.0
"""a of the inverse-square-root cool-down 1 / sqrt(1 + a p) (Singh et al. 2025, arXiv:2503.02844)."""

# How much of the way from the plateau to the floor has been gone at progress p.
_FALLS: dict[str, Callable[[Array], Array]] = {
    "cosine": lambda p: 0.5 * (1 - np.cos(np.pi * p)),
    "linear": lambda p: p,
    "1-sqrt": np.sqrt,
    "sqrt": lambda p: 1 - np.sqrt(1 - p),
    "inverse-sqrt": lambda p: (
        (1 / np.sqrt(1 + INVERSE_SQRT_RATE * p) - 1) / (1 / np.sqrt(1 + INVERSE_SQRT_RATE) - 1)
    ),
}


def level(shape: str, progress: Array, floor: float) -> Array:
    """Rate at a progress of the fall, as a share of the rate that falls.

    Parameters
    ----------
    shape : str
        One of `SHAPES` or `COOLDOWNS`, or ``"cosine"``.
    progress : ndarray
        Share of the fall that is over, in [0, 1].
    floor : float
        Share that is reached at progress 1; positive for `NEEDS_FLOOR`.

    Returns
    -------
    ndarray, shape as `progress`

    Notes
    -----
    With p the progress and f the floor: linear 1 - (1-f) p; 1-sqrt 1 - (1-f) sqrt(p) (Haegele et al. 2024,
    arXiv:2405.18392); sqrt f + (1-f) sqrt(1-p); cosine 1 - (1-f) (1 - cos(pi p)) / 2; geometric f**p (an
    exponential that is at the floor at its end); harmonic 1 / (p/f + (1-p)), whose inverse is linear (the
    decay of WSD-S, Wen et al. 2024, arXiv:2410.05192); inverse-sqrt 1 - (1-f) h(p)/h(1) with
    h(p) = 1/sqrt(1 + 10 p) - 1.
    """
    if shape == "geometric":
        return np.asarray(floor**progress, dtype=np.float64)
    if shape == "harmonic":
        return np.asarray(1 / (progress / floor + (1 - progress)), dtype=np.float64)
    return 1 - (1 - floor) * _FALLS[shape](progress)
