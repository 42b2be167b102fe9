"""Pools that are passed more than once: the mixture a predictor is shown in place of the one trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Repetition:
    """Tokens seen again count for less and less (Muennighoff et al. 2023, arXiv:2305.16264).

    A share r of D tokens from a pool of U unique ones passes it e = r D / U times and is worth
    U (1 + R (1 - exp(-(e - 1) / R))) tokens when e > 1. A predictor of losses by mixture is shown the
    shares of the tokens' worth; what is lost in all costs `slope` times the logarithm of D over their sum.

    Attributes
    ----------
    pools : ndarray, shape (p,)
        Unique tokens; infinite where there are enough.
    tokens : float
        D.
    decay : float
        R, in epochs.
    slope : float
        Loss that a factor e of fewer useful tokens costs.
    """

    pools: Array
    tokens: float
    decay: float
    slope: float = 0.0

    @classmethod
    def of(
        cls, pools: Mapping[str, float], corpora: Sequence[str], tokens: float, decay: float, slope: float
    ) -> Repetition:
        """From pools by name."""
        return cls(np.array([pools.get(name, np.inf) for name in corpora]), tokens, decay, slope)

    def worth(self, shares: Array) -> tuple[Array, Array]:
        """Worth of each share, as a share of D, and its derivative by the share, each of shape (q, p)."""
        unique = self.pools / self.tokens
        finite = np.where(np.isfinite(unique), unique, 1.0)
        more = np.where(np.isfinite(unique), np.maximum(shares / finite - 1, 0.0), 0.0)
        fading = np.exp(-more / self.decay)
        again = finite * self.decay * (1 - fading)
        repeated = more > 0
        return np.where(repeated, finite + again, shares), np.where(repeated, fading, 1.0)

    def seen(self, shares: Array) -> tuple[Array, Array]:
        """Shares the predictor is shown, shape (q, p), and what is added to every loss, shape (q,)."""
        worth, _ = self.worth(shares)
        total = worth.sum(axis=1)
        return worth / total[:, None], -self.slope * np.log(total)

    def chain(self, shares: Array, gradient: Array) -> Array:
        """Derivatives by the shares trained, from those by the shares shown, each of shape (q, k, p)."""
        worth, slope = self.worth(shares)
        total = worth.sum(axis=1)
        shown = worth / total[:, None]
        inner = np.einsum("qkp,qp->qk", gradient, shown)
        made = (gradient - inner[:, :, None] - self.slope) * (slope / total[:, None])[:, None, :]
        return np.asarray(made)

    def epochs(self, shares: Array) -> Array:
        """Passes over each pool, shape (q, p); 0 where the pool is unlimited."""
        return np.where(np.isfinite(self.pools), shares * self.tokens / self.pools, 0.0)
