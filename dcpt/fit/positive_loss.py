"""No law predicts a loss of zero or less: outside its reach it is refused instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import FitError
from dcpt.core.quantity import format_quantity

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

Array = NDArray[np.float64]


def positive(fit: LawFit, losses: Array, N: ArrayLike, D: ArrayLike) -> Array:
    """Pass predicted losses through.

    Raises
    ------
    FitError
        When one of them is not a positive number: the law's form does not reach there.
    """
    good = np.isfinite(losses) & (losses > 0)
    if not good.all():
        raise FitError(
            f"law {fit.law.name} has no positive loss of {fit.eval_set!r} at N = {_spell(N)}, "
            f"D = {_spell(D)} (got {losses[~good][0]:.4g}); it was fitted on N {_spell(fit.ranges['N'])} and "
            f"D {_spell(fit.ranges['D'])}.",
            hint="ask nearer to the fitted runs, or another law",
        )
    return losses


def _spell(values: ArrayLike) -> str:
    numbers = np.unique(np.asarray(values, dtype=np.float64))
    ends = [format_quantity(float(value)) for value in (numbers[0], numbers[-1])]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
