"""How far a target lies outside the fitted data, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from dcpt.core.quantity import format_quantity
from dcpt.fit.doubt import FitWarning

FAR = 10.0
"""Factor beyond the fitted N or D from which a prediction is called far."""

WIDE = 2.0
"""Upper over lower end of the interval of a run from which it says next to nothing: the best and the worst
losses of a whole sweep seldom differ by as much."""

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


def wide_intervals(N: ArrayLike, D: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> Iterator[FitWarning]:
    """Doubt about the prediction whose interval of a run is widest, where that is too wide to decide by.

    Parameters
    ----------
    N, D : array_like, shape (n,)
        Points.
    lo, hi : array_like, shape (n,)
        Ends of their intervals for a new measurement.
    """
    sizes, tokens, low, high = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (N, D, lo, hi))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        factors = np.where(low > 0, high / low, np.inf)
    worst = int(factors.argmax())
    if factors[worst] > WIDE:
        yield FitWarning(
            "far_target",
            f"At N = {format_quantity(float(sizes[worst]))}, D = {format_quantity(float(tokens[worst]))} a "
            f"run may come out anywhere from {low[worst]:.3g} to {high[worst]:.3g}: nothing can be decided "
            "by that. Runs nearer to the target would narrow it.",
        )
