"""Losses of the targets a question needs, over mixtures: values, slopes, draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.mixtures.predictor import FittedPredictor
from dcpt.fit.threads import one_thread
from dcpt.plan.mixtures.narrow import narrow, smooth_part
from dcpt.plan.mixtures.repetition import Repetition

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """A predictor narrowed to some targets, shown what repeated tokens are worth.

    Attributes
    ----------
    fitted : FittedPredictor
        The predictor of these targets.
    smooth : FittedPredictor or None
        The part of it that has gradients; the same object when all of it has.
    repetition : Repetition or None
        Discount of repeated tokens.
    """

    fitted: FittedPredictor
    smooth: FittedPredictor | None
    repetition: Repetition | None = None

    @classmethod
    def of(
        cls, fitted: FittedPredictor, targets: tuple[str, ...], repetition: Repetition | None = None
    ) -> Surface:
        """The surface of these targets."""
        part = narrow(fitted, targets)
        return cls(part, smooth_part(part), repetition)

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora, length p."""
        return self.fitted.corpora

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, length k."""
        return self.fitted.targets

    @property
    def is_smooth(self) -> bool:
        """Whether slopes are those of the losses themselves."""
        return self.smooth is self.fitted

    def losses(self, shares: Array) -> Array:
        """Expected losses, shape (q, k)."""
        shown, lost = self._shown(shares)
        with one_thread():
            return np.asarray(self.fitted.mean(shown) + lost[:, None])

    def smooth_losses(self, shares: Array) -> tuple[Array, Array]:
        """Losses by the smooth part, shape (q, k), and their derivatives, shape (q, k, p)."""
        if self.smooth is None:
            raise ValueError("the predictor has no smooth part")
        shown, lost = self._shown(shares)
        with one_thread():
            losses, gradient = self.smooth.mean(shown), self.smooth.gradient(shown)
        assert gradient is not None
        if self.repetition is not None:
            gradient = self.repetition.chain(shares, gradient)
        return np.asarray(losses + lost[:, None]), gradient

    def sd(self, shares: Array, noise: bool = False) -> Array:
        """Standard deviation of the expected losses, or of new runs', shape (q, k)."""
        with one_thread():
            return self.fitted.sd(self._shown(shares)[0], noise)

    def noise(self, shares: Array) -> Array:
        """Standard deviation between runs of one mixture, shape (q, k)."""
        return np.sqrt(np.maximum(self.sd(shares, True) ** 2 - self.sd(shares, False) ** 2, 0.0))

    def draws(self, shares: Array, count: int, seed: int) -> Array:
        """Joint draws of the expected losses, shape (count, q, k); the same functions in every call."""
        shown, lost = self._shown(shares)
        with one_thread():
            return np.asarray(self.fitted.draws(shown, count, seed) + lost[:, None])

    def _shown(self, shares: Array) -> tuple[Array, Array]:
        if self.repetition is None:
            return shares, np.zeros(len(shares))
        return self.repetition.seen(shares)
