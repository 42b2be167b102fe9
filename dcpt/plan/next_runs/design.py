"""The cheapest set of runs that tells nearly as much as all candidates together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dcpt.plan.next_runs.candidate import Candidate, Cell
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.next_runs.metric import Measure
from dcpt.plan.next_runs.pieces import Key, Pieces
from dcpt.plan.next_runs.prices import Prices, same_size

Array = NDArray[np.float64]
State = dict[Key, int]
"""Key of a run to the part that buys it."""

SLACK = 0.1
"""Share of the interval's width that a first design leaves to runs not worth their price: the last tenth
costs as much as the rest (`python -m benchmarks.next_runs`). Where that much is reached, the next design goes
on to what the stopping rule still thinks worth a run."""


@dataclass(frozen=True)
class Design:
    """A set of parts.

    Attributes
    ----------
    parts : tuple of int
        Numbers of the parts.
    flops : float
        Their price, with the bases of new sizes.
    variance, everything : float
        Variance of the ratio after them, and after one of every run on offer.
    """

    parts: tuple[int, ...]
    flops: float
    variance: float
    everything: float


def cheapest_design(
    known: Knowledge,
    pieces: Pieces,
    prices: Prices,
    with_base: Collection[float],
    measure: Measure,
    slack: float = SLACK,
    money: float = np.inf,
) -> Design:
    """Take parts away from all of them, always those that tell least for their price.

    Choosing one run after another by what it tells per FLOP starts with many short runs of small sizes,
    which are worth little once the large ones are there; taking away from the whole knows what stays. It is
    no exhaustive search: where a base could be saved altogether, it may cost up to twice as much as needed.
    Designs without one of the new sizes were tried and bought worse on law_cpu: early on, few runs cannot
    tell which size can be spared.

    Parameters
    ----------
    known : Knowledge
        Of the parts of `pieces`.
    pieces : Pieces
        The parts.
    prices : Prices
        What they cost.
    with_base : collection of float
        Sizes that have a base.
    measure : Measure
        What is to be made smaller.
    slack : float
        Share by which it may stay above what all parts would leave.
    money : float
        Most FLOPs; parts are taken away until they cost no more.
    """
    search = _Search(known, pieces, prices, with_base)
    whole = search.everything()
    everything = search.variance(whole)
    goal = measure.within(everything, slack)
    if float(measure.amount(known.variance)) <= goal:
        return Design((), 0.0, known.variance, everything)
    state = _taken_away(search, whole, measure, goal, money)
    return Design(tuple(sorted(state.values())), search.cost(state), search.variance(state), everything)


def _taken_away(search: _Search, state: State, measure: Measure, goal: float, money: float) -> State:
    """What is left when no more can be taken away from a set."""
    while state:
        moves = search.moves(state)
        saved = np.array([move.saved for move in moves])
        left = measure.amount(search.variances(state, moves))
        allowed = (saved > 0) & ((left <= goal) | (search.cost(state) > money))
        if not allowed.any():
            break
        lost = left - float(measure.amount(search.variance(state)))
        state = search.after(
            state, moves[int(np.argmin(np.where(allowed, lost / np.where(allowed, saved, 1.0), np.inf)))]
        )
    return state


def in_order(
    known: Knowledge,
    pieces: Pieces,
    prices: Prices,
    with_base: Collection[float],
    measure: Measure,
    parts: Sequence[int],
    most: int,
) -> list[tuple[Candidate, float, Knowledge, Knowledge]]:
    """The first parts of a design to buy, those first that tell most for their price, after those before.

    The first runs of a new size, which share its base, are one purchase.

    Returns
    -------
    list of (Candidate, float, Knowledge, Knowledge)
        What is bought, its FLOPs, and what is known before and after it.
    """
    rest, bases, start = list(parts), list(with_base), known
    bought: tuple[Cell, ...] = ()
    found: list[tuple[Candidate, float, Knowledge, Knowledge]] = []
    while rest and len(found) < most:
        best: tuple[float, list[int], Candidate, float, Knowledge] | None = None
        now = float(measure.amount(known.variance))
        for group in _groups(pieces, rest, bases):
            after = reduce(Knowledge.buy, group, known)
            cells = tuple(cell for number in group for cell in pieces.parts[number].cells)
            candidate = Candidate(cells, pieces.parts[group[0]].kind)
            flops = prices.of(candidate, bases)
            gain = (now - float(measure.amount(after.variance))) / flops
            if best is None or gain > best[0]:
                best = gain, group, candidate, flops, after
        assert best is not None
        _, group, candidate, flops, after = best
        # What is told of the law's error: all runs of a size measure it together, whenever each was bought.
        # The order is that of `benchmarks.next_runs`, where each run is judged after those before it.
        bought = (*bought, *candidate.cells)
        error = start.law_error_after(replace(candidate, cells=bought))
        before = known if not found else replace(known, law_error=found[-1][3].law_error)
        found.append((candidate, flops, before, replace(after, law_error=error)))
        known, rest, bases = after, [n for n in rest if n not in group], [*bases, *candidate.sizes]
    return found


def _groups(pieces: Pieces, rest: Sequence[int], bases: Sequence[float]) -> Iterator[list[int]]:
    """What can be bought next: each part of a size that has a base, the first parts of each other size."""
    new: dict[float, list[int]] = {}
    for number in rest:
        sizes = pieces.parts[number].sizes
        if len(sizes) > 1 or sizes[0] not in pieces.first or any(same_size(sizes[0], N) for N in bases):
            yield [number]
        else:
            new.setdefault(sizes[0], []).append(number)
    for N, numbers in new.items():
        yield numbers[: pieces.first[N]]


@dataclass(frozen=True)
class _Move:
    """Runs that are taken away, or one that gets fewer budgets, and the FLOPs that saves."""

    gone: tuple[Key, ...]
    come: int | None
    saved: float


class _Search:
    """Variances and prices of sets of parts."""

    def __init__(
        self, known: Knowledge, pieces: Pieces, prices: Prices, with_base: Collection[float]
    ) -> None:
        self._known, self._pieces = known, pieces
        told = known.informations()
        self._gains = np.concatenate([told, np.zeros((1, *told.shape[1:]))])  # the last tells nothing
        self._runs = [sum(map(prices.run, part.cells)) for part in pieces.parts]
        self._sizes = [part.sizes for part in pieces.parts]
        self._base = {
            N: 0.0 if any(same_size(N, one) for one in with_base) else prices.base(N)
            for N in {N for sizes in self._sizes for N in sizes}
        }
        self._rungs: dict[Key, list[int]] = {}
        for number, key in enumerate(pieces.keys):
            self._rungs.setdefault(key, []).append(number)
        for rungs in self._rungs.values():
            rungs.sort(key=lambda number: self._runs[number])
        self._points = [
            [point for cell in part.cells if known.beyond(point := (cell.N, cell.budgets[-1]))]
            for part in pieces.parts
        ]
        self._law: dict[tuple[tuple[float, float], ...], float] = {}

    def everything(self) -> State:
        return {key: rungs[-1] for key, rungs in self._rungs.items()}

    def cost(self, state: State) -> float:
        bases = {N for number in state.values() for N in self._sizes[number]}
        return sum(self._runs[number] for number in state.values()) + sum(self._base[N] for N in bases)

    def moves(self, state: State) -> list[_Move]:
        """Every way to make a set smaller: a run less, fewer budgets of one, or all runs of a size less."""
        found = []
        runs: dict[float, list[Key]] = {}
        for key, number in state.items():
            for N in self._sizes[number]:
                runs.setdefault(N, []).append(key)
        for key, number in state.items():
            price, sizes = self._runs[number], self._sizes[number]
            cheaper = [other for other in self._rungs[key] if self._runs[other] < price]
            found += [_Move((key,), other, price - self._runs[other]) for other in cheaper]
            if all(len(runs[N]) > self._pieces.first.get(N, 1) for N in sizes):
                found.append(_Move((key,), None, price))
        for N, keys in runs.items():
            saved = sum(self._runs[state[key]] for key in keys) + self._base[N]
            found.append(_Move(tuple(keys), None, saved))
        return found

    @staticmethod
    def after(state: State, move: _Move) -> State:
        """The smaller set."""
        rest = {key: part for key, part in state.items() if key not in move.gone}
        return rest if move.come is None else {**rest, move.gone[0]: move.come}

    def variance(self, state: State) -> float:
        """Variance of the ratio after a set."""
        return float(self._known.variance_with(self._precision(state))) + self._law_variance(state)

    def variances(self, state: State, moves: Sequence[_Move]) -> Array:
        """Variance of the ratio after each move, shape (moves,)."""
        last = len(self._gains) - 1
        gone = [state[move.gone[0]] if len(move.gone) == 1 else last for move in moves]
        come = [last if move.come is None else move.come for move in moves]
        told = self._precision(state) - self._gains[gone] + self._gains[come]
        for row, move in enumerate(moves):
            if len(move.gone) > 1:
                told[row] -= self._gains[[state[key] for key in move.gone]].sum(axis=0)
        now = self._law_variance(state)
        law = [
            self._law_variance(self.after(state, move))
            if any(self._points[state[key]] for key in move.gone)
            else now
            for move in moves
        ]
        return np.asarray(self._known.variance_with(told) + np.array(law))

    def _precision(self, state: State) -> Array:
        return np.asarray(np.eye(self._gains.shape[1]) + self._gains[list(state.values())].sum(axis=0))

    def _law_variance(self, state: State) -> float:
        """Of the law's error after a set: only sizes and budgets beyond those there are move it."""
        points = [point for part in state.values() for point in self._points[part]]
        key = tuple(sorted(points))
        if key not in self._law:
            self._law[key] = self._known.law_variance_after(key)
        return self._law[key]
