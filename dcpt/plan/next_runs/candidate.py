"""Runs one could buy: a size, a domain share, and the token budgets to branch to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity

Array = NDArray[np.float64]
Kind = Literal["ratio", "repeat", "size", "mixed"]

KIND_WORDS: dict[Kind, str] = {
    "ratio": "another ratio",
    "repeat": "a repeat with another seed",
    "size": "a new size",
    "mixed": "several runs",
}


@dataclass(frozen=True)
class Cell:
    """One run: a trunk at one size and domain share, annealed at each of its budgets.

    Attributes
    ----------
    N : float
        Non-embedding parameters.
    r : float
        Domain share of tokens, in (0, 1): the laws of a plan are fitted between the corners.
    budgets : tuple of float
        Tokens at which a loss is measured, ascending.
    name : str
        Name of a run that can be bought once; candidates of one name are alternatives. Empty for a run
        that can be repeated with another seed.
    decay_share : float, optional
        Share of each budget that its decay takes, where it is not that of the other runs; 1 for a schedule
        without a plateau, of which every budget is a run of its own.
    """

    N: float
    r: float
    budgets: tuple[float, ...]
    name: str = ""
    decay_share: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.N) and self.N > 0):
            raise ConfigError(f"candidate: N = {self.N}; wanted a positive number of parameters.")
        if not 0 < self.r < 1:
            raise ConfigError(
                f"candidate: r = {self.r:g}; wanted a domain share between 0 and 1, both left out.",
                hint="looks like a percentage; write 0.3 for 30 %" if 1 < self.r <= 100 else None,
            )
        share = self.decay_share
        if share is not None and not 0 < share <= 1:
            raise ConfigError(f"candidate: decay_share is {share:g}; wanted a share above 0, at most 1.")
        good = bool(self.budgets) and all(np.isfinite(D) and D > 0 for D in self.budgets)
        if not good or any(x >= y for x, y in zip(self.budgets, self.budgets[1:], strict=False)):
            raise ConfigError(
                f"candidate: budgets are {self.budgets}; wanted one or more positive numbers of tokens, "
                "ascending."
            )

    def __str__(self) -> str:
        tokens = "+".join(format_quantity(D) for D in self.budgets)
        schedule = "" if self.decay_share is None else f" decay={self.decay_share:g}"
        return f"N={format_quantity(self.N)} r={self.r:.3g} D={tokens}{schedule}"


@dataclass(frozen=True)
class Candidate:
    """Runs that are bought together: one, or the first few of a new size.

    Attributes
    ----------
    cells : tuple of Cell
        The runs.
    kind : {"ratio", "repeat", "size", "mixed"}
        What they add to the runs that are there.
    """

    cells: tuple[Cell, ...]
    kind: Kind

    def __post_init__(self) -> None:
        if not self.cells:
            raise ConfigError("candidate: it has no runs; wanted at least one.")

    @property
    def sizes(self) -> tuple[float, ...]:
        """Sizes of its runs, ascending."""
        return tuple(sorted({cell.N for cell in self.cells}))

    @property
    def points(self) -> tuple[Array, Array, Array]:
        """N, D and r of every loss it would measure on one side, each of shape (n,)."""
        rows = [(cell.N, D, cell.r) for cell in self.cells for D in cell.budgets]
        N, D, r = np.array(rows, dtype=np.float64).T
        return N, D, r

    @property
    def runs(self) -> NDArray[np.int64]:
        """Number of the run behind each of those losses, shape (n,)."""
        return np.repeat(np.arange(len(self.cells)), [len(cell.budgets) for cell in self.cells])

    def __str__(self) -> str:
        if len(self.cells) == 1:
            return self.cells[0].name or str(self.cells[0])
        same = {(cell.N, cell.budgets, cell.decay_share) for cell in self.cells}
        if len(same) == 1:
            one = self.cells[0]
            shares = ", ".join(f"{cell.r:.3g}" for cell in self.cells)
            tokens = "+".join(format_quantity(D) for D in one.budgets)
            return f"N={format_quantity(one.N)} r={shares} D={tokens}"
        return "; ".join(cell.name or str(cell) for cell in self.cells)


def ladders(budgets: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """The budgets up to each of them: a longer trunk has the shorter ones' branches for little more."""
    ordered = tuple(sorted(set(map(float, budgets))))
    return tuple(ordered[: last + 1] for last in range(len(ordered)))
