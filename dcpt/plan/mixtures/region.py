"""The mixtures that are allowed: bounds, groups, pins, epoch caps, replay; a polytope inside the simplex."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]
RuleKind = Literal["share", "replay", "epochs"]

INSIDE = 1e-8
"""How far a share or sum may lie beyond its end by rounding."""

_PASSES = 30
"""Passes of the rough projection that `Region.pull` begins with."""


@dataclass(frozen=True)
class Rule:
    """One constraint: low <= sum of the members' shares <= high.

    Attributes
    ----------
    name : str
        What the plan calls it.
    kind : {"share", "replay", "epochs"}
        Where it comes from.
    members : tuple of int
        Numbers of the corpora.
    low, high : float
        Ends.
    text : str
        As it was written.
    """

    name: str
    kind: RuleKind
    members: tuple[int, ...]
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Region:
    """Mixtures that keep every rule.

    Attributes
    ----------
    corpora : tuple of str, length p
        Names.
    rules : tuple of Rule
        The constraints, in the order of the question.
    """

    corpora: tuple[str, ...]
    rules: tuple[Rule, ...] = ()

    @cached_property
    def low(self) -> Array:
        """Least share of each corpus, shape (p,)."""
        return self._ends()[0]

    @cached_property
    def high(self) -> Array:
        """Greatest share of each corpus, shape (p,)."""
        return self._ends()[1]

    def _ends(self) -> tuple[Array, Array]:
        low, high = np.zeros(len(self.corpora)), np.ones(len(self.corpora))
        for rule in self.rules:
            if len(rule.members) == 1:
                at = rule.members[0]
                low[at], high[at] = max(low[at], rule.low), min(high[at], rule.high)
        return low, high

    @cached_property
    def rows(self) -> tuple[Array, Array, Array]:
        """Sums over several corpora: members (m, p), low ends (m,) and high ends (m,)."""
        several = [rule for rule in self.rules if len(rule.members) > 1]
        members = np.zeros((len(several), len(self.corpora)))
        for row, rule in enumerate(several):
            members[row, list(rule.members)] = 1.0
        return members, np.array([rule.low for rule in several]), np.array([rule.high for rule in several])

    @cached_property
    def inequalities(self) -> tuple[Array, Array]:
        """A and b of A x <= b, of everything but equalities; ends of fixed shares are left out."""
        members, low, high = self.rows
        unit = np.eye(len(self.corpora))
        loose, open_rows = self.low < self.high, low < high
        a = np.vstack([-unit[loose], unit[loose], -members[open_rows], members[open_rows]])
        b = np.r_[-self.low[loose], self.high[loose], -low[open_rows], high[open_rows]]
        return a, b

    @cached_property
    def equalities(self) -> tuple[Array, Array]:
        """A and b of A x = b: the sum, pins, pinned groups; rows that follow from others left out."""
        members, low, high = self.rows
        unit = np.eye(len(self.corpora))
        fixed, pinned = self.low >= self.high, low >= high
        a = np.vstack([unit[fixed], np.ones((1, len(self.corpora))), members[pinned]])
        b = np.r_[self.low[fixed], 1.0, low[pinned]]
        kept: list[int] = []
        for row in range(len(a)):
            if np.linalg.matrix_rank(a[[*kept, row]], tol=1e-9) > len(kept):
                kept.append(row)
        return a[kept], b[kept]

    def contains(self, shares: Array, tolerance: float = INSIDE) -> NDArray[np.bool_]:
        """Whether each mixture, shape (q, p), keeps every rule; shape (q,)."""
        a, b = self.inequalities
        e, f = self.equalities
        inside = (shares @ a.T <= b + tolerance).all(axis=1)
        return np.asarray(inside & (np.abs(shares @ e.T - f) <= tolerance).all(axis=1))

    @cached_property
    def centre(self) -> Array:
        """A mixture far from every end that can be kept away from, shape (p,)."""
        a, b = self.inequalities
        e, f = self.equalities
        width = len(self.corpora)
        # Distance to each end in units of the room there is, so that narrow bounds do not decide alone.
        found = linprog(
            np.r_[np.zeros(width), -1.0],
            A_ub=np.column_stack([a, self._room]),
            b_ub=b,
            A_eq=np.column_stack([e, np.zeros(len(e))]),
            b_eq=f,
            # Where every share is fixed no end limits the distance.
            bounds=[(None, None)] * width + [(0.0, 1.0)],
        )
        if found.x is None:
            raise ConfigError("shares: the rules leave no mixture.")
        return np.asarray(found.x[:width], dtype=np.float64)

    @property
    def _room(self) -> Array:
        _, low, high = self.rows
        loose, open_rows = self.low < self.high, low < high
        one, several = (self.high - self.low)[loose], (high - low)[open_rows]
        return np.asarray(np.r_[one, one, several, several], dtype=np.float64)

    def pull(self, shares: Array) -> Array:
        """Mixtures inside the region near those given, shape (q, p).

        Ends are met one after the other first; what is then still outside is moved towards the centre
        until it is inside.
        """
        members, lows, highs = self.rows
        x = np.array(shares, dtype=np.float64)
        for _ in range(_PASSES if len(lows) else 3):
            x = np.clip(x, self.low, self.high)
            for row, low, high in zip(members, lows, highs, strict=True):
                x = _towards(x, row, low, high, self.low, self.high)
            x = _towards(x, np.ones(len(self.corpora)), 1.0, 1.0, self.low, self.high)
        e, f = self.equalities
        x = x - (x @ e.T - f) @ np.linalg.pinv(e).T
        a, b = self.inequalities
        slack_here, slack_centre = b - x @ a.T, b - self.centre @ a.T
        beyond = slack_here < 0
        share = np.where(beyond, slack_centre / np.where(beyond, slack_centre - slack_here, 1.0), 1.0)
        step = np.clip(share.min(axis=1), 0.0, 1.0) if a.size else np.ones(len(x))
        return np.asarray(self.centre + step[:, None] * (x - self.centre))

    def snap(self, shares: Array) -> Array:
        """A mixture of shape (p,) with rounding taken off: ends met exactly, sums kept."""
        x = np.where(np.abs(shares - self.low) < 1e-7, self.low, shares)
        x = np.where(np.abs(x - self.high) < 1e-7, self.high, x)
        return np.asarray(self.pull(x[None])[0])

    def relaxed(self, number: int, low: float, high: float) -> Region:
        """The region with other ends for one rule."""
        rules = list(self.rules)
        rules[number] = replace(rules[number], low=max(low, 0.0), high=min(high, 1.0))
        return Region(self.corpora, tuple(rules))

    def without_rules(self) -> Region:
        """The whole simplex."""
        return Region(self.corpora)


def _towards(x: Array, row: Array, low: float, high: float, floor: Array, top: Array) -> Array:
    """Bring the sums over a row's members between their ends, in proportion to the room each share has."""
    total = x @ row
    lack = np.clip(total, low, high) - total
    room = np.where(lack[:, None] > 0, (top - x) * row, (x - floor) * row)
    whole = room.sum(axis=1)
    part = np.where(whole > 0, lack / np.where(whole > 0, whole, 1.0), 0.0)
    return np.asarray(x + np.clip(part, -1.0, 1.0)[:, None] * room)
