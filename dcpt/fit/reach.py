"""How far a target lies outside the fitted data, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from dcpt.core.quantity import format_quantity
from dcpt.fit.doubt import FitWarning

FAR = 10.0
"""Factor beyond the fitted N or D from which a prediction is called far."""

_WORDS = {"N": "model size", "D": "number of tokens"}


def far_targets(
    ranges: Mapping[str, tuple[float, float]], N: ArrayLike, D: ArrayLike, factor: float = FAR
) -> Iterator[FitWarning]:
    """Doubts about targets that are more than `factor` times outside the fitted N or D.

    Parameters
    ----------
    ranges : mapping
        "N" and "D" to the (lowest, highest) fitted value, as in `LawFit.ranges`.
    N, D : array_like
        Targets: non-embedding parameters and CPT tokens.
    factor : float
        How many times outside is far.
    """
    for symbol, values in (("N", N), ("D", D)):
        lo, hi = ranges[symbol]
        wanted = np.atleast_1d(np.asarray(values, dtype=np.float64))
        with np.errstate(over="ignore"):  # an infinite factor is far, too
            times = np.maximum(wanted / hi, lo / wanted)
        worst = int(times.argmax())
        if times[worst] > factor * (1 + 1e-9):
            yield FitWarning(
                "far_target",
                f"The {_WORDS[symbol]} {format_quantity(float(wanted[worst]))} is {times[worst]:.3g} times "
                f"outside the fitted range ({format_quantity(lo)} to {format_quantity(hi)}); the form of the "
                f"law was not tested that far (more than {factor:g} times is far).",
            )
