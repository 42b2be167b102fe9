"""Shares and losses on the scales predictors are fitted in, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.mixtures.warp import get_warp

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShareScale:
    """Warped shares, moved and divided so that the fitted runs span 0 to 1.

    Attributes
    ----------
    warp : str
        Name of the warp.
    low, span : tuple of float, length p
        Smallest warped share of the fitted runs, and its range; a corpus whose share never changed has
        an infinite span: it says nothing.
    """

    warp: str
    low: tuple[float, ...]
    span: tuple[float, ...]

    @classmethod
    def of(cls, warp: str, shares: Array) -> ShareScale:
        """The scale on which these runs, shape (n, p), span 0 to 1."""
        warped = get_warp(warp)(shares)
        low, high = warped.min(axis=0), warped.max(axis=0)
        span = np.where(high - low > 1e-9, high - low, np.inf)
        return cls(warp, tuple(low.tolist()), tuple(span.tolist()))

    def __call__(self, shares: Array) -> Array:
        """Scaled shares, shape (q, p)."""
        return np.ascontiguousarray((get_warp(self.warp)(shares) - np.array(self.low)) / np.array(self.span))

    def slope(self, shares: Array) -> Array:
        """Derivative of each scaled share by the share, shape (q, p)."""
        return np.asarray(get_warp(self.warp).slope(shares) / np.array(self.span))


@dataclass(frozen=True)
class LossScale:
    """Losses of one target, or their logarithms, with mean 0 and variance 1.

    Attributes
    ----------
    log : bool
        Whether it is the logarithm of the loss that is fitted.
    centre, spread : float
        Mean and standard deviation of what is fitted.
    """

    log: bool
    centre: float
    spread: float

    @classmethod
    def of(cls, losses: Array, log: bool) -> LossScale:
        """The scale of these losses, shape (n,)."""
        values = np.log(losses) if log else losses
        return cls(log, float(values.mean()), float(values.std()) or 1.0)

    def __call__(self, losses: Array) -> Array:
        """Standardised losses."""
        return np.asarray(((np.log(losses) if self.log else losses) - self.centre) / self.spread)

    def back(self, scaled: Array) -> Array:
        """Losses; of a mean it is the median where the logarithm was fitted."""
        values = self.centre + self.spread * scaled
        return np.asarray(np.exp(values) if self.log else values)

    def slope(self, loss: Array) -> Array:
        """Derivative of the loss by its standardised value, at this loss."""
        return np.asarray(self.spread * loss if self.log else np.full(np.shape(loss), self.spread))
