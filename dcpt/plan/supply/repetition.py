"""Pools that run out: what a law of the mixture is shown when tokens are seen more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.laws.data_constrained import R_D, effective_tokens

Array = NDArray[np.float64]
Side = Literal["domain", "general"]

_ROUNDING = 1e-6
"""Relative excess over a cap on epochs that a search leaves."""


@dataclass(frozen=True)
class Supply:
    """Unique tokens there are of each side, and how often they may be seen.

    Attributes
    ----------
    domain, general : float, optional
        Unique tokens; None where there are more than any run takes.
    domain_epochs, general_epochs : float, optional
        Most passes over the pool; None where the discount alone speaks against more.
    decay : float
        R_D*, in epochs: no number of passes is worth more than 1 + R_D* of them. By default the
        published one, which was fitted to pre-training runs.

    Raises
    ------
    ConfigError
        When a pool is empty, a cap or the decay is not positive, or a cap stands without its pool.
    """

    domain: float | None = None
    general: float | None = None
    domain_epochs: float | None = None
    general_epochs: float | None = None
    decay: float = R_D

    def __post_init__(self) -> None:
        for side in ROLES:
            pool, cap = self.pool(side), self.epoch_cap(side)
            if pool is not None and not (pool > 0 and np.isfinite(pool)):
                raise ConfigError(
                    f"supply: the {side} pool has {pool:g} unique tokens; wanted a positive number.",
                    hint="leave the pool out where text is unlimited; without any text of a side there is no "
                    "mixture to choose",
                )
            if cap is None:
                continue
            if pool is None:
                raise ConfigError(
                    f"supply: {side} text is capped at {cap:g} epochs, of a pool that is not given.",
                    hint=f"give the unique tokens of the {side} side",
                )
            if not (cap > 0 and np.isfinite(cap)):
                raise ConfigError(f"supply: {side} epochs are {cap:g}; wanted a positive number.")
        if not (self.decay > 0 and np.isfinite(self.decay)):
            raise ConfigError(f"supply: the decay is {self.decay:g}; wanted a positive number of epochs.")

    def pool(self, side: str) -> float | None:
        """Unique tokens of a side."""
        return self.domain if side == DOMAIN else self.general

    def epoch_cap(self, side: str) -> float | None:
        """Most passes over a side's pool."""
        return self.domain_epochs if side == DOMAIN else self.general_epochs

    def token_cap(self, side: str) -> float | None:
        """Most tokens of a side that a run may take, repeats included."""
        pool, cap = self.pool(side), self.epoch_cap(side)
        return None if pool is None or cap is None else pool * cap

    def epochs(self, side: str, D: float, r: float) -> float | None:
        """Passes over a side's pool in a run; None without a pool."""
        pool = self.pool(side)
        return None if pool is None else (r if side == DOMAIN else 1 - r) * D / pool

    def overdrawn(self, D: float, r: float) -> str:
        """Which caps on epochs a run breaks, in words; empty where it keeps them."""
        found = []
        for side in ROLES:
            passes, cap = self.epochs(side, D, r), self.epoch_cap(side)
            if passes is not None and cap is not None and passes > cap * (1 + _ROUNDING):
                found.append(f"needs {passes:.3g} epochs of the {side} pool, {cap:g} allowed")
        return "; ".join(found)

    def worth(self, side: str, tokens: ArrayLike) -> Array:
        """Unique tokens that `tokens` of a side are worth, repeats included."""
        taken, pool = np.asarray(tokens, dtype=np.float64), self.pool(side)
        return taken if pool is None else effective_tokens(np.maximum(taken, 1e-300), pool, self.decay)


class Shown(NamedTuple):
    """What a law is shown in place of a run: tokens, the share of its own side, and tokens unique."""

    D: Array
    s: Array
    U: Array


def shown_to(side: str, D: Array, r: Array, supply: Supply, sees_U: bool = False) -> tuple[Shown, ...]:
    """Runs without repetition that stand for a run with it; its loss is the highest of theirs.

    A law L(N, D, s) of the mixture was fitted to runs that saw every token once. Let a run take w = s D
    tokens of the loss's own side and o = (1 - s) D of the other's, from pools of U_w and U_o unique
    tokens, and let w' = D'(w, U_w) be what its own are worth (Muennighoff et al. 2023).

    The domain loss falls by what is learnt from the domain's own tokens, and the share of the steps they
    get is what it is, repeated or not. So it sees a shorter run of the same mixture: D w'/w tokens, share s.
    That is the data-constrained law with D' in the place of D, the epochs being those of the domain's pool.
    More steps on a pool that is used up come to rest at 1 + R_D* epochs; they never raise the loss,
    as in the published law.

    The general loss has two movements in one formula: forgetting, which goes on with every step, and replay,
    which holds against it with what replayed text has to say. Steps are steps whatever they repeat, so D
    stays; a repeated replay counts for w' only, so the effective share of replay falls to w'/D.

    Neither side gains from repeats of the other's text. In the formulas it would: where a law gains from D
    at all, it takes every token for a fresh one. The loss is therefore not below that of the run without
    the other side's repeats, D w'/w (domain: w' (w + o_1)/w, general: w' + o_1) tokens long with
    o_1 = min(o, U_o).

    Without repeats all of this is the run itself: with one epoch of the domain and unlimited general text,
    L(N, D = U/r, r), usage 2 of the D-CPT paper.

    Parameters
    ----------
    side : str
        Side of the loss: ``domain`` or ``general``.
    D, r : ndarray, broadcast together
        Training tokens, repeats included, and domain share.
    supply : Supply
        The pools.
    sees_U : bool
        Whether the law counts repetition itself (``d-cpt+repetition``): the domain's discount is then left to
        it, with U the unique tokens of a run that has the domain's epochs.

    Returns
    -------
    tuple of Shown
        One run, or two where the other side's pool is limited.

    References
    ----------
    Muennighoff et al. 2023, arXiv:2305.16264 (D'); Que et al. 2024, arXiv:2406.01375, Sec. 4.4, usage 2.
    """
    s = r if side == DOMAIN else 1.0 - r
    other_pool = supply.pool(GENERAL if side == DOMAIN else DOMAIN)
    if supply.pool(side) is None:
        part: Array = np.ones(())
    else:
        own = np.maximum(s * D, 1e-300)
        part = supply.worth(side, own) / own
    runs = [_run(side, D, s, part, sees_U, supply)]
    if other_pool is not None:
        other = np.minimum((1.0 - s) * D, other_pool)
        own = s * D
        if side == DOMAIN:
            runs.append(_run(side, own + other, own / (own + other), part, sees_U, supply))
        else:
            left = own * part + other
            share = own * part / np.maximum(left, 1e-300)
            runs.append(Shown(*np.broadcast_arrays(left, share, left)))
    return tuple(runs)


def _run(side: str, D: Array, s: Array, part: Array, sees_U: bool, supply: Supply) -> Shown:
    if side == GENERAL:
        return Shown(*np.broadcast_arrays(D, s * part, D))
    if not sees_U:
        return Shown(*np.broadcast_arrays(D * part, s, D * part))
    pool = supply.pool(side)
    unique = D if pool is None else D * np.minimum(1.0, pool / np.maximum(s * D, 1e-300))
    return Shown(*np.broadcast_arrays(D, s, unique))
