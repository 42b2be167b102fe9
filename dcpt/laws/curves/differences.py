"""Derivatives of a law's columns by differences, for laws without closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dcpt.laws.curves.curve_law import CurveLaw

Array = NDArray[np.float64]

DIFFERENCE = 1e-5
"""Step of the central differences, relative to a parameter or, near 0, to its range."""


def difference_ends(value: float, lo: float, hi: float) -> tuple[float, float]:
    """Values of a parameter ahead of and behind a value, inside its bounds."""
    step = DIFFERENCE * max(abs(value), 1e-3 * min(hi - lo, 1.0))
    return min(value + step, hi), max(value - step, lo)


def central_differences(law: CurveLaw, part: Any, psi: Mapping[str, float]) -> tuple[Array | None, Array]:
    """Derivatives of offset and columns of a law; see `CurveLaw.slopes`."""
    offsets, tables = [], []
    for item in law.nonlinear:
        ends = difference_ends(psi[item.name], item.lo, item.hi)
        (ahead, one), (behind, other) = (law.columns(part, {**psi, item.name: end}) for end in ends)
        width = ends[0] - ends[1]
        tables.append((one - other) / width)
        if ahead is not None and behind is not None:
            offsets.append((ahead - behind) / width)
    if not tables:
        return None, np.zeros((0, *law.columns(part, psi)[1].shape))
    return (np.stack(offsets) if offsets else None), np.stack(tables)
