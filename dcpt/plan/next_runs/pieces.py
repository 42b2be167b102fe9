"""Candidates taken apart: single runs, which of them exclude each other, and which go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcpt.plan.next_runs.candidate import Candidate

Key = tuple[float | str, ...]


@dataclass(frozen=True)
class Pieces:
    """The smallest purchases a design is made of.

    Attributes
    ----------
    parts : tuple of Candidate
        Single runs; several that are bought together stay together, except those of one new size.
    keys : tuple
        Of each part; parts of one key are alternatives: one run, by different budgets or schedules.
    first : mapping of float to int
        New size to the least number of runs it starts with.
    """

    parts: tuple[Candidate, ...]
    keys: tuple[Key, ...]
    first: dict[float, int]

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> Pieces:
        """Take candidates apart."""
        found: dict[tuple[Key, tuple[float, ...], float | None], Candidate] = {}
        first: dict[float, int] = {}
        for number, candidate in enumerate(candidates):
            if candidate.kind == "size" and len(candidate.sizes) == 1:
                (N,) = candidate.sizes
                first[N] = min(first.get(N, len(candidate.cells)), len(candidate.cells))
                alone = len({(cell.r, cell.name) for cell in candidate.cells}) == len(candidate.cells)
                parts = [Candidate((cell,), "size") for cell in candidate.cells] if alone else [candidate]
            else:
                parts = [candidate]
            for part in parts:
                cell = part.cells[0]
                single = len(part.cells) == 1
                key: Key = ((cell.name,) if cell.name else (cell.N, cell.r)) if single else ("", number)
                found.setdefault((key, cell.budgets, cell.decay_share), part)
        return cls(tuple(found.values()), tuple(key for key, _, _ in found), first)
