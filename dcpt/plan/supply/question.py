"""What a plan under limits asks of one model size: which losses to make low, and which to keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.plan.supply.drawn_law import DrawnLaw, Members
from dcpt.plan.supply.repetition import Supply

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Term:
    """A loss to make low, and its weight; with weight 0 it is only told in the answer."""

    law: DrawnLaw
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Limit:
    """A loss to keep at or below a ceiling, in the unit of its fit.

    ``ceilings``, shape (draws,), are those of the draws where they differ: a tolerance on a base's loss that
    is itself uncertain. ``admitting`` spells the limit that a loss just keeps, as the user wrote this one.
    """

    law: DrawnLaw
    ceiling: float
    ceilings: Array | None = None
    admitting: Callable[[float], str] | None = None

    def nearest(self, loss: float) -> str:
        """The limit that a loss just keeps, in words."""
        up = np.ceil(loss * 1e4) / 1e4
        return f"{self.law.name} <= {up:.4f}" if self.admitting is None else self.admitting(loss)

    def log_ceilings(self, members: Members) -> Array:
        """Log of the ceiling of each member, shape (b,)."""
        drawn = np.full(self.law.draws, self.ceiling) if self.ceilings is None else self.ceilings
        return np.asarray(np.log(np.concatenate([[self.ceiling], drawn]))[members])

    def relaxed(self, factor: float) -> Limit:
        """The same limit with a ceiling `factor` times as high."""
        ceilings = None if self.ceilings is None else self.ceilings * factor
        return Limit(self.law, self.ceiling * factor, ceilings)

    @classmethod
    def between(cls, N: float, limits: Sequence[Limit], weights: Sequence[float]) -> Limit:
        """The limit at a size between those of others; see `DrawnLaw.between`."""
        logs = [w * limit.log_ceilings(slice(None)) for limit, w in zip(limits, weights, strict=True)]
        ceilings = np.exp(np.sum(logs, axis=0))
        law = DrawnLaw.between(N, [limit.law for limit in limits], weights)
        return cls(law, float(ceilings[0]), ceilings[1:])


@dataclass(frozen=True, eq=False)
class Question:
    """Losses to make low and losses to keep, of one model size.

    Raises
    ------
    ConfigError
        When there is nothing to minimise, or the laws differ in size or number of draws.
    """

    terms: tuple[Term, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if not self.minimised:
            raise ConfigError("plan: there is no loss to minimise.")
        sizes = {law.N for law in self.laws}
        if len(sizes) > 1:
            raise ConfigError(f"plan: laws of {len(sizes)} sizes in one question; wanted one size.")
        counts = {law.draws for law in self.laws}
        if len(counts) > 1:
            raise ConfigError(f"plan: laws with {sorted(counts)} draws in one question; wanted paired draws.")

    @classmethod
    def between(cls, N: float, questions: Sequence[Question], weights: Sequence[float]) -> Question:
        """The question of a size between those of others; see `DrawnLaw.between`."""
        terms = [
            Term(DrawnLaw.between(N, [term.law for term in same], weights), same[0].weight)
            for same in zip(*(question.terms for question in questions), strict=True)
        ]
        limits = [
            Limit.between(N, same, weights)
            for same in zip(*(question.limits for question in questions), strict=True)
        ]
        return cls(tuple(terms), tuple(limits))

    @property
    def minimised(self) -> tuple[Term, ...]:
        """Terms with a weight."""
        return tuple(term for term in self.terms if term.weight)

    @property
    def laws(self) -> tuple[DrawnLaw, ...]:
        """Laws of the terms and the limits."""
        return (*(term.law for term in self.terms), *(limit.law for limit in self.limits))

    @property
    def N(self) -> float:
        """Non-embedding parameters."""
        return self.terms[0].law.N

    @property
    def draws(self) -> int:
        """Number of paired draws."""
        return self.terms[0].law.draws

    def value(self, members: Members, D: Array, r: Array, supply: Supply) -> Array:
        """Weighted sum of the losses to make low, first axis the members."""
        parts = [term.weight * term.law.losses(members, D, r, supply) for term in self.minimised]
        return np.asarray(sum(parts[1:], parts[0]))

    def excess(self, members: Members, D: Array, r: Array, supply: Supply) -> Array | None:
        """Log of the worst loss over its ceiling: at most 0 where all are kept; None without limits."""
        found: Array | None = None
        for limit in self.limits:
            losses = np.log(limit.law.losses(members, D, r, supply))
            over = losses - limit.log_ceilings(members)[(..., *(None,) * (losses.ndim - 1))]
            found = over if found is None else np.maximum(found, over)
        return found
