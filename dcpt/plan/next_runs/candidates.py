"""Which runs to consider where none are named: the table's sizes, ratios and budgets, and some between."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.plan.next_runs.candidate import Candidate, Cell, Kind, ladders
from dcpt.plan.next_runs.prices import same_size

FIRST_RUNS = 3
"""Runs a new size starts with: its own scatter over ratios is then seen, and resampled."""

MOST_STEP = 4.0
"""Largest factor in N to the next proxy: that of the sweeps this package ships is 1.5 to 3."""

ROUND = 0.05
"""Unseen ratios are offered in steps of this."""


@dataclass(frozen=True)
class Bought:
    """The runs a table holds.

    Attributes
    ----------
    runs : tuple of (float, float, tuple of float)
        N, r and budgets of every run between the corners; repeats stand as often as they were run.
    sizes, with_base : tuple of float
        Sizes of those runs; the same and those whose loss before continual pre-training is known.
    """

    runs: tuple[tuple[float, float, tuple[float, ...]], ...]
    sizes: tuple[float, ...]
    with_base: tuple[float, ...]

    @classmethod
    def of(cls, table: LossTable) -> Bought:
        """Read off a table which runs there are.

        Raises
        ------
        ConfigError
            When it has no annealed run between the corners.
        """
        ends = table.select(None, table.frame["metric"].iloc[0])
        frame = ends.frame.assign(run=ends.groups)
        frame = frame[(frame["D"] > 0) & (frame["r"] > 0) & (frame["r"] < 1)]
        if not len(frame):
            raise ConfigError("next runs: the table has no annealed run with r between 0 and 1.")
        runs = tuple(
            (float(rows["N"].iloc[0]), float(rows["r"].iloc[0]), tuple(sorted(set(map(float, rows["D"])))))
            for _, rows in frame.groupby("run")
        )
        every = table.frame
        start = every.loc[(every["phase"] == "base") | (every["D"] == 0), "N"]
        sizes = {N for N, _, _ in runs}
        return cls(runs, tuple(sorted(sizes)), tuple(sorted(sizes | set(map(float, start.unique())))))

    @property
    def budgets(self) -> tuple[float, ...]:
        """Budgets of any run, ascending."""
        return tuple(sorted({D for _, _, budgets in self.runs for D in budgets}))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of any run, ascending."""
        return tuple(sorted({r for _, r, _ in self.runs}))

    def kind(self, cells: Sequence[Cell]) -> Kind:
        """What runs add to those that are there."""
        kinds: set[Kind] = set()
        for cell in cells:
            if not any(same_size(cell.N, size) for size in self.sizes):
                kinds.add("size")
            elif any(same_size(cell.N, N) and abs(cell.r - r) < 1e-9 for N, r, _ in self.runs):
                kinds.add("repeat")
            else:
                kinds.add("ratio")
        return kinds.pop() if len(kinds) == 1 else "mixed"


def default_candidates(
    bought: Bought, target: float, longest: float, ratio: float, sizes: Collection[float] | None = None
) -> tuple[Candidate, ...]:
    """A grid of candidates around what was bought.

    Offered are, at every size of the table, each of its ratios and a few unseen ones up to each of its
    budgets (and the target's tokens, where those are more); and new sizes, in wide gaps and above the
    largest, each with its first runs: near the planned ratio and either side of it.

    Parameters
    ----------
    bought : Bought
        The runs there are.
    target, longest : float
        Parameters and tokens of the target.
    ratio : float
        The planned ratio.
    sizes : collection of float, optional
        New sizes to offer; by default halfway (in log N) between neighbours that are a factor of 2 or more
        apart, and halfway from the largest to the target.

    Returns
    -------
    tuple of Candidate
    """
    budgets = sorted({*bought.budgets, *([longest] if longest > bought.budgets[-1] else [])})
    rungs = ladders(budgets)
    ratios = _with_unseen(bought.ratios, ratio)
    found = []
    for N in bought.sizes:
        for r in ratios:
            for rung in rungs:
                cell = Cell(N, r, rung)
                found.append(Candidate((cell,), bought.kind((cell,))))
    first = _spread(bought.ratios, ratio)
    for N in _between(bought.sizes, target) if sizes is None else sizes:
        for rung in rungs[-2:]:
            found.append(Candidate(tuple(Cell(N, r, rung) for r in first), "size"))
    return tuple(found)


def _with_unseen(ratios: Sequence[float], planned: float) -> list[float]:
    """The ratios, the middle of each gap, and the planned one, in steps of `ROUND`."""
    low, high = ratios[0], ratios[-1]
    middle = [(one + other) / 2 for one, other in pairwise(ratios)]
    asked = [round(round(r / ROUND) * ROUND, 10) for r in (*middle, planned)]
    return sorted({*ratios, *(r for r in asked if low < r < high)})


def _spread(ratios: Sequence[float], planned: float) -> tuple[float, ...]:
    """`FIRST_RUNS` of the ratios: the one nearest to the plan, and the middle of those on either side."""
    near = min(range(len(ratios)), key=lambda i: abs(ratios[i] - planned))
    if len(ratios) <= FIRST_RUNS:
        return tuple(ratios)
    chosen = {near, near // 2 if near else 1, (near + len(ratios) - 1 + 1) // 2}
    for index in range(len(ratios)):
        if len(chosen) == FIRST_RUNS:
            break
        chosen.add(index)
    return tuple(ratios[index] for index in sorted(chosen))


def _between(sizes: Sequence[float], target: float) -> list[float]:
    """New sizes: halves of wide gaps, and steps from the largest towards the target."""
    made = [float(np.sqrt(one * other)) for one, other in pairwise(sizes) if other / one >= 2 * (1 + 1e-9)]
    top = sizes[-1]
    if target > 1.5 * top:
        made.append(min(float(np.sqrt(top * target)), MOST_STEP * top))
    return [_three_digits(N) for N in made]


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")
