"""The shares and tokens that a run may have: what is given, the caps, and where the search ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.plan.supply.question import Question
from dcpt.plan.supply.repetition import Supply

Array = NDArray[np.float64]

REACH = 3.0
"""Factor beyond the fitted tokens that is searched where nothing else ends the run: the factor from which
the verdict on a plan calls its tokens doubtful."""


@dataclass(frozen=True)
class Tokens:
    """Training tokens: given, or free up to what ends the run.

    Attributes
    ----------
    D : float, optional
        The tokens, where they are given.
    most : float, optional
        Most tokens, where they are free.
    budget : float, optional
        Tokens that the budget buys at the question's size.
    least, reach : float, optional
        Ends of the search where nothing else ends it; by default the least tokens fitted, and `REACH`
        times the most.

    Raises
    ------
    ConfigError
        When a number is not positive, or tokens are both given and free.
    """

    D: float | None = None
    most: float | None = None
    budget: float | None = None
    least: float | None = None
    reach: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (value > 0 and np.isfinite(value)):
                raise ConfigError(f"tokens: {name} is {value:g}; wanted a positive number.")
        if self.D is not None and (self.most is not None or self.budget is not None):
            raise ConfigError(
                f"tokens: {format_quantity(self.D)} are given, and a limit on them too; wanted one of both."
            )


@dataclass(frozen=True)
class Region:
    """Shares and tokens that a run may have.

    Attributes
    ----------
    r_lo, r_hi : float
        Domain shares.
    least : float
        Lower end of the tokens searched.
    flat : mapping
        Name to a cap on all tokens: ``tokens``, ``budget``, ``range``.
    domain, general : float or None
        Caps on the tokens of one side.
    fixed : float or None
        The tokens, where they are given.
    """

    r_lo: float
    r_hi: float
    least: float
    flat: dict[str, float]
    domain: float | None
    general: float | None
    fixed: float | None

    def cap(self, r: Array) -> Array:
        """Most tokens at shares r."""
        if self.fixed is not None:
            return np.full(np.shape(r), self.fixed)
        cap = np.full(np.shape(r), min(self.flat.values(), default=np.inf))
        if self.domain is not None:
            cap = np.minimum(cap, self.domain / np.maximum(r, 1e-300))
        if self.general is not None:
            cap = np.minimum(cap, self.general / np.maximum(1.0 - r, 1e-300))
        return np.asarray(cap)

    def tokens(self, r: Array, v: Array) -> Array:
        """Tokens at a share and a height v from 0 (the least) to 1 (the cap)."""
        if self.fixed is not None:
            return np.full(np.broadcast_shapes(np.shape(r), np.shape(v)), self.fixed)
        top = self.cap(r)
        room = np.maximum(np.log(top / self.least), _ROOM)
        return np.asarray(top * np.exp((v - 1.0) * room))

    def kinks(self) -> Array:
        """Shares at which one cap takes over from another: the best share often is one of them."""
        flat = min(self.flat.values(), default=np.inf)
        found = []
        if self.domain is not None:
            found.append(self.domain / flat)
        if self.general is not None:
            found.append(1 - self.general / flat)
        if self.domain is not None and self.general is not None:
            found.append(self.domain / (self.domain + self.general))
        return np.array([r for r in found if self.r_lo < r < self.r_hi])


_ROOM = float(np.log(4.0))
"""Where the caps lie below the fitted tokens, runs down to a quarter of them are searched."""


def region_of(question: Question, supply: Supply, tokens: Tokens, r_range: tuple[float, float]) -> Region:
    """Shares and tokens that the caps leave.

    Raises
    ------
    ConfigError
        When the range of shares is not inside [0, 1] or is empty, or given tokens need more passes over a
        pool than are allowed.
    """
    r_lo, r_hi = r_range
    if not (0 <= r_lo <= r_hi <= 1):
        raise ConfigError(f"plan: the range of ratios is {r_lo:g} to {r_hi:g}; wanted shares from 0 to 1.")
    caps = {side: supply.token_cap(side) for side in (DOMAIN, GENERAL)}
    fitted = [law.fit.ranges["D"] for law in question.laws]
    least = min(low for low, _ in fitted) if tokens.least is None else tokens.least
    reach = REACH * max(high for _, high in fitted) if tokens.reach is None else tokens.reach
    if tokens.D is not None:
        r_lo, r_hi = _shares_of(tokens.D, supply, r_lo, r_hi)
        return Region(r_lo, r_hi, least, {}, None, None, tokens.D)
    named = {"tokens": tokens.most, "budget": tokens.budget}
    flat = {name: cap for name, cap in named.items() if cap is not None}
    # A cap that the user states may lie beyond the reach; the reach only ends what nothing else does.
    bounded = (
        bool(flat) or (caps[DOMAIN] is not None and r_lo > 0) or (caps[GENERAL] is not None and r_hi < 1)
    )
    if not bounded:
        flat["range"] = reach
    return Region(r_lo, r_hi, least, flat, caps[DOMAIN], caps[GENERAL], None)


def _shares_of(D: float, supply: Supply, r_lo: float, r_hi: float) -> tuple[float, float]:
    """Shares at which D tokens do not need more of a side than its caps leave."""
    domain, general = supply.token_cap(DOMAIN), supply.token_cap(GENERAL)
    low = r_lo if general is None else max(r_lo, 1 - general / D)
    high = r_hi if domain is None else min(r_hi, domain / D)
    if low <= high:
        return low, high
    parts = [
        f"{cap / D:.3g} of them may be {side} text"
        for side, cap in ((DOMAIN, domain), (GENERAL, general))
        if cap is not None
    ]
    raise ConfigError(
        f"plan: {format_quantity(D)} tokens cannot be filled at ratios {r_lo:g} to {r_hi:g}: at most "
        f"{' and '.join(parts)}.",
        hint="allow more epochs, fewer tokens, or other ratios",
    )
