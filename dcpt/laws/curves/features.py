"""What a law of curves keeps of some curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Features:
    """What a law keeps of some curves: everything that does not depend on its parameters.

    Attributes
    ----------
    parts : tuple
        One entry per curve, as `CurveLaw.observe` makes it, or one for all, row by row in their order.
    curve : ndarray of int, shape (n,)
        Number of the curve each row belongs to.
    """

    parts: tuple[Any, ...]
    curve: Integers

    def __len__(self) -> int:
        return len(self.curve)
