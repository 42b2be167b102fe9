"""Exact counts of a mixture: how many of the first n sequences each corpus gets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import TypeVar

from dcpt.core.mixture import MixtureSpec
from dcpt.core.symbols import DOMAIN

Weights = tuple[Fraction, ...]


class Apportionment:
    """Sequences of each corpus among the first n, by error diffusion in exact arithmetic.

    The corpora are the leaves of a binary tree: the root parts the domain side from the general side, the
    nodes below halve the corpora of a side in order of name. A node that has handed out m sequences has given
    ``floor(target + 1/2)`` of them to its first half, where the target is the sum over phases of share times
    sequences. Counts therefore grow with n and sum to n, a share of 0 gets nothing, and the domain side is
    within half a sequence of its target for every n and any phases; so is each corpus of a mixture of two.
    With one phase, every further level of the tree adds at most half a sequence.

    Shares are read as the decimals they are written as: 0.1 is one tenth.

    Parameters
    ----------
    mixture : MixtureSpec
        Its phases, shares and roles are used.
    """

    def __init__(self, mixture: MixtureSpec) -> None:
        domain = sorted(name for name, role in mixture.roles.items() if role == DOMAIN)
        general = sorted(name for name, role in mixture.roles.items() if role != DOMAIN)
        self.names: tuple[str, ...] = (*domain, *general)
        starts = [phase.start for phase in mixture.phases]
        weights = [_exact_shares(phase.shares, domain, general) for phase in mixture.phases]
        self._starts = starts
        self._weights = weights
        self._root = _Node(self.names, len(domain) if general else None, starts, weights)

    def counts(self, sequences: int) -> tuple[int, ...]:
        """Sequences of each corpus, in the order of ``names``; they sum to `sequences`.

        Parameters
        ----------
        sequences : int
            Number of sequences from the start of the run, 0 or more.
        """
        return tuple(self._root.counts(sequences))

    def target(self, sequences: int) -> Weights:
        """Share times sequences of each corpus, summed over phases, in the order of ``names``."""
        target = [Fraction(0)] * len(self.names)
        ends = [*self._starts[1:], sequences]
        for start, end, weights in zip(self._starts, ends, self._weights, strict=True):
            length = min(end, sequences) - start
            if length > 0:
                target = [total + weight * length for total, weight in zip(target, weights, strict=True)]
        return tuple(target)


class SegmentedApportionment:
    """Counts of a mixture whose phases were decided one after another, each apportioned by itself.

    A phase begins where the counts of the one before it have come to, whatever follows it: what was
    handed out does not change when a phase is added. Shares that are whole sequences of their phase over
    its length are met exactly at its end, for any number of corpora; before that `Apportionment` says how
    near they are.

    Parameters
    ----------
    mixture : MixtureSpec
        As for `Apportionment`.
    """

    def __init__(self, mixture: MixtureSpec) -> None:
        self._starts = [phase.start for phase in mixture.phases]
        self._parts = [
            Apportionment(replace(mixture, phases=(replace(phase, start=0),), reweighting=None))
            for phase in mixture.phases
        ]
        self.names = self._parts[0].names
        zero = tuple(0 for _ in self.names)
        self._before: list[tuple[int, ...]] = [zero]
        self._targets: list[Weights] = [tuple(map(Fraction, zero))]
        lengths = (after - before for before, after in zip(self._starts, self._starts[1:], strict=False))
        for part, length in zip(self._parts, lengths, strict=False):
            self._before.append(_plus(self._before[-1], part.counts(length)))
            self._targets.append(_plus(self._targets[-1], part.target(length)))

    def counts(self, sequences: int) -> tuple[int, ...]:
        """As `Apportionment.counts`."""
        place = bisect_right(self._starts, sequences) - 1
        return _plus(self._before[place], self._parts[place].counts(sequences - self._starts[place]))

    def target(self, sequences: int) -> Weights:
        """As `Apportionment.target`."""
        place = bisect_right(self._starts, sequences) - 1
        return _plus(self._targets[place], self._parts[place].target(sequences - self._starts[place]))


Number = TypeVar("Number", int, Fraction)


def _plus(one: tuple[Number, ...], other: tuple[Number, ...]) -> tuple[Number, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _exact_shares(shares: Mapping[str, float], domain: Sequence[str], general: Sequence[str]) -> Weights:
    """Shares in order of name, summing to exactly 1, with the domain side as written."""
    written = {name: Fraction(repr(float(shares[name]))) for name in (*domain, *general)}
    total_domain = sum((written[name] for name in domain), Fraction(0))
    total_general = sum((written[name] for name in general), Fraction(0))
    # Shares that are computed (1 - 0.9) miss a sum of 1 by some 1e-16; the general side takes what is left.
    side_domain = min(total_domain, Fraction(1)) if total_general else Fraction(1)
    sides = ((domain, total_domain, side_domain), (general, total_general, 1 - side_domain))
    return tuple(
        written[name] / total * side if total else Fraction(0)
        for side_names, total, side in sides
        for name in side_names
    )


class _Node:
    """One split of the tree; `starts` are phase starts in sequences that reach this node."""

    def __init__(
        self, names: Sequence[str], middle: int | None, starts: Sequence[int], weights: Sequence[Weights]
    ) -> None:
        self.leaf = len(names) == 1
        if self.leaf:
            return
        half = middle if middle else (len(names) + 1) // 2
        self.starts = list(starts)
        self.shares = [_first_share(row, half) for row in weights]
        self.targets = [Fraction(0)]
        for index in range(1, len(starts)):
            length = starts[index] - starts[index - 1]
            self.targets.append(self.targets[-1] + self.shares[index - 1] * length)
        # The same in whole numbers, which are several times as fast: (a + b * sequences) / d.
        self.lines: list[tuple[int, int, int]] = []
        for start, target, share in zip(starts, self.targets, self.shares, strict=True):
            d = lcm(target.denominator, share.denominator)
            b = share.numerator * (d // share.denominator)
            self.lines.append((target.numerator * (d // target.denominator) - b * start, b, d))
        firsts = [self.first(start) for start in starts]
        seconds = [start - first for start, first in zip(starts, firsts, strict=True)]
        self.children = (
            _Node(names[:half], None, firsts, [row[:half] for row in weights]),
            _Node(names[half:], None, seconds, [row[half:] for row in weights]),
        )

    def first(self, sequences: int) -> int:
        """How many of this node's first `sequences` go to its first half."""
        a, b, d = self.lines[bisect_right(self.starts, sequences) - 1]
        return (2 * (a + b * sequences) + d) // (2 * d)

    def counts(self, sequences: int) -> list[int]:
        """Counts of the corpora under this node."""
        if self.leaf:
            return [sequences]
        first = self.first(sequences)
        return self.children[0].counts(first) + self.children[1].counts(sequences - first)


def _first_share(row: Weights, half: int) -> Fraction:
    total = sum(row, Fraction(0))
    # A node without weight gets no sequences in that phase: any share will do.
    return sum(row[:half], Fraction(0)) / total if total else Fraction(1)
