"""Many histories of two phases as one: every term of a law is then one array over all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.kernel import Falls
from dcpt.laws.curves.two_phases import Annealing, MixturePhase, TwoPhases

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JoinedPhase:
    """A stretch of continual pre-training of every curve, each under one mixture; see `MixturePhase`.

    Attributes
    ----------
    share, start, end : ndarray, shape (n,)
        As in `MixturePhase`; a curve of fewer stretches has empty ones behind its last.
    annealing : Annealing
        Falls of the rate in the stretch.
    """

    share: Array
    start: Array
    end: Array
    annealing: Annealing


@dataclass(frozen=True, eq=False)
class JoinedPhases:
    """What the dynamics laws keep of several curves of one side; attributes as in `TwoPhases`.

    Runs of one schedule, as a sweep over sizes, mixtures and seeds makes them, share their falls, which are
    by far the most numbers: a row is 2 of them, the falls before it some hundreds.
    """

    S: Array
    pre: Annealing | None
    phases: tuple[JoinedPhase, ...]
    side: str
    millions: Array

    @classmethod
    def of(cls, parts: Sequence[TwoPhases]) -> JoinedPhases:
        """Put curves together, all of one side and one law."""
        lengths = [len(part.S) for part in parts]
        before = [part.pre for part in parts if part.pre is not None]
        count = max(len(part.phases) for part in parts)
        padded = [_padded(part, count) for part in parts]
        return cls(
            np.concatenate([part.S for part in parts]),
            _joined_annealing(before, lengths) if before else None,
            tuple(_joined_phase([row[place] for row in padded], lengths) for place in range(count)),
            parts[0].side,
            np.repeat([part.millions for part in parts], lengths),
        )


def _padded(part: TwoPhases, count: int) -> list[MixturePhase]:
    """Stretches of a curve, empty ones behind the last."""
    last, nothing = part.phases[-1], np.zeros_like(part.S)
    still = Annealing(last.annealing.kernel, nothing, None, 0.0)
    empty = MixturePhase(last.share, nothing, nothing, still)
    return [*part.phases, *[empty] * (count - len(part.phases))]


def _joined_phase(phases: Sequence[MixturePhase], lengths: Sequence[int]) -> JoinedPhase:
    return JoinedPhase(
        np.repeat([phase.share for phase in phases], lengths),
        np.concatenate([phase.start for phase in phases]),
        np.concatenate([phase.end for phase in phases]),
        _joined_annealing([phase.annealing for phase in phases], lengths),
    )


def _joined_annealing(parts: Sequence[Annealing], lengths: Sequence[int]) -> Annealing:
    """The falls of several curves, those of equal schedules once."""
    kernel, total = parts[0].kernel, sum(part.total for part in parts)
    if not kernel.shapes:
        areas = [part.area for part in parts if part.area is not None]
        return Annealing(kernel, np.concatenate(areas), None, total)
    begins: dict[tuple[bytes, ...], int] = {}
    kept: list[Falls] = []
    rows, end = [], 0
    for part, length in zip(parts, lengths, strict=True):
        if part.falls is None:  # no fall in this stretch
            rows.append(np.full(length, -1))
            continue
        falls = part.falls
        tables = (falls.first, falls.steps, falls.forward, falls.mass, falls.high, falls.low, falls.source)
        key = tuple(table.tobytes() for table in tables)
        if key not in begins:
            begins[key] = end
            kept.append(falls)
            end += length
        rows.append(begins[key] + np.arange(length))
    if not kept:
        return Annealing(kernel, np.zeros(sum(lengths)), None, 0.0)
    return Annealing(kernel, None, Falls.joined(kept), total, np.concatenate(rows))
