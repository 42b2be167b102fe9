"""The answer to a question about limited data: share and tokens, how sure, what binds, at what price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.binding import Binding, binding_words
from dcpt.plan.caveat import Caveat

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Price:
    """What one per cent of a constraint is worth.

    Attributes
    ----------
    constraint : str
        Its kind.
    name : str
        The evaluation set of a ceiling, the side of a pool or its epochs, ``r``, ``D`` or ``N`` of a range.
    amount : float
        What there is of it: the ceiling, the tokens, the epochs.
    per_percent : float
        Change of the best value when there is 1 % more of it (of a range: when it ends 1 % farther out);
        negative where that helps.
    active : bool
        Whether the answer lies on it. A pool is active when it is repeated.
    """

    constraint: Binding
    name: str
    amount: float
    per_percent: float
    active: bool

    def __str__(self) -> str:
        return f"{self.constraint} {self.name}".rstrip()


@dataclass(frozen=True, eq=False)
class Draws:
    """The answer in every draw.

    Attributes
    ----------
    N, r, D, value : ndarray, shape (draws,)
        Size, domain share, tokens, and the value that is minimised.
    losses : mapping of str to ndarray, shape (draws,)
        Evaluation set to its loss there.
    feasible : ndarray of bool, shape (draws,)
        Whether any run keeps the limits in that draw; where none does, r and D come closest.
    lies_on : mapping of str to ndarray of bool, shape (draws,)
        Constraint to whether the answer lies on it.
    """

    N: Array
    r: Array
    D: Array
    value: Array
    losses: Mapping[str, Array]
    feasible: NDArray[np.bool_]
    lies_on: Mapping[str, NDArray[np.bool_]]

    @property
    def active(self) -> dict[str, float]:
        """Constraint to the share of the draws in which the answer lies on it."""
        return {name: float(on.mean()) for name, on in self.lies_on.items()}

    @property
    def infeasible_share(self) -> float:
        """Share of the draws in which no run keeps the limits."""
        return float(1.0 - self.feasible.mean())


@dataclass(frozen=True, eq=False)
class SupplyAnswer:
    """Best share and tokens of a run on limited data.

    Attributes
    ----------
    N, r, D : float
        Size, domain share and training tokens, repeats included.
    value : float
        The weighted loss that is minimised.
    losses : mapping
        Evaluation set to its loss.
    epochs : mapping
        Side to the passes over its pool; sides without a pool are left out.
    worth : mapping
        Side to the unique tokens that those passes are worth.
    binding : str
        What keeps the value from falling further: of what the answer lies on, the constraint whose 1 % is
        worth most. Where tokens are given and not free, they are no constraint.
    binding_name : str
        Which one, see `Price`.
    prices : tuple of Price
        Of every constraint that could bind, the dearest first.
    draws : Draws or None
        The answer in every draw; None without draws.
    interval : mapping
        "N", "r", "D", "value" and every loss to its (lowest, highest) value at the level.
    at_decay : mapping
        Other values of R_D* to the best (r, D) under them; empty where nothing is repeated.
    outside : tuple of str
        Those of N, D and r that lie outside the fitted ranges.
    caveats : tuple of Caveat
        Reasons for doubt that come with limited data.
    """

    N: float
    r: float
    D: float
    value: float
    losses: Mapping[str, float]
    epochs: Mapping[str, float]
    worth: Mapping[str, float]
    binding: Binding
    binding_name: str
    prices: tuple[Price, ...]
    draws: Draws | None
    interval: Mapping[str, tuple[float, float]]
    at_decay: Mapping[float, tuple[float, float]]
    outside: tuple[str, ...]
    caveats: tuple[Caveat, ...]

    @property
    def replay(self) -> float:
        """General share of the tokens."""
        return 1.0 - self.r

    @property
    def binding_words(self) -> str:
        """What binds, in words."""
        return binding_words(self.binding, self.binding_name)


def intervals(
    point: Mapping[str, float], drawn: Mapping[str, Array], feasible: NDArray[np.bool_], level: float
) -> dict[str, tuple[float, float]]:
    """Quantiles of the draws, widened to the point answer where it lies outside.

    Of draws without a feasible run the share and tokens that come closest count; their losses do not.
    """
    tail = (1 - level) / 2
    found = {}
    for name, values in drawn.items():
        kept = values if name in ("N", "r", "D") or not feasible.any() else values[feasible]
        low, high = np.quantile(kept, [tail, 1 - tail])
        found[name] = (min(float(low), point[name]), max(float(high), point[name]))
    return found


def outside_ranges(
    ranges: list[Mapping[str, tuple[float, float]]], at: Mapping[str, float]
) -> tuple[str, ...]:
    """Those of N, D and r that any fit has not seen."""
    found = []
    for name in ("N", "D", "r"):
        low = max(item[name][0] for item in ranges)
        high = min(item[name][1] for item in ranges)
        if not low * (1 - 5e-3) <= at[name] <= high * (1 + 5e-3):
            found.append(name)
    return tuple(found)
