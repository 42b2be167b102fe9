"""What candidate runs cost: training FLOPs of bases, trunks and branches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.fit.bases import SAME_SIZE
from dcpt.plan.cost import FLOPS_PER_TOKEN_AND_PARAMETER
from dcpt.plan.next_runs.candidate import Candidate, Cell

DECAY_SHARE = 0.2
"""Share of a budget that its decay takes in the sweeps this package ships."""


@dataclass(frozen=True)
class Prices:
    """Training FLOPs of runs that share a trunk.

    The budgets of a run share a constant-rate trunk up to where the longest starts to decay; each pays for
    its own decay only. Evaluations are not counted: they cost the same share of every run.

    Attributes
    ----------
    base_tokens : float
        Tokens of the pre-training of a size that has no base yet; 0 where bases are given checkpoints.
    decay_share : float
        Share of each budget that its own decay takes; 1 where every budget is a run of its own.
    flops_per_token : mapping of float to float
        Size N to its training FLOPs per token (`dcpt.cost.flops`); 6 N for the others.
    """

    base_tokens: float = 0.0
    decay_share: float = DECAY_SHARE
    flops_per_token: Mapping[float, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.base_tokens) and self.base_tokens >= 0):
            raise ConfigError(f"prices: base_tokens is {self.base_tokens}; wanted 0 or more tokens.")
        if not 0 < self.decay_share <= 1:
            raise ConfigError(
                f"prices: decay_share is {self.decay_share}; wanted a share above 0, at most 1."
            )
        bad = [value for value in self.flops_per_token.values() if not (np.isfinite(value) and value > 0)]
        if bad:
            raise ConfigError(f"prices: {bad[0]} FLOPs per token; wanted a positive number.")
        object.__setattr__(self, "flops_per_token", MappingProxyType(dict(self.flops_per_token)))

    def per_token(self, N: float) -> float:
        """Training FLOPs per token of a size."""
        for size, flops in self.flops_per_token.items():
            if same_size(size, N):
                return flops
        return FLOPS_PER_TOKEN_AND_PARAMETER * N

    def run(self, cell: Cell) -> float:
        """FLOPs of a run's trunk and branches, without its base."""
        share = self.decay_share if cell.decay_share is None else cell.decay_share
        return self.per_token(cell.N) * ((1 - share) * cell.budgets[-1] + share * sum(cell.budgets))

    def base(self, N: float) -> float:
        """FLOPs of pre-training a size."""
        return self.per_token(N) * self.base_tokens

    def of(self, candidate: Candidate, with_base: Collection[float]) -> float:
        """FLOPs of a candidate, bases included for sizes that none of `with_base` is."""
        new = [N for N in candidate.sizes if not any(same_size(N, known) for known in with_base)]
        return sum(map(self.run, candidate.cells)) + sum(map(self.base, new))


def same_size(one: float, other: float) -> bool:
    """Whether two sizes are the same one, up to how sizes are rounded in print."""
    return bool(abs(np.log(one / other)) <= SAME_SIZE)
