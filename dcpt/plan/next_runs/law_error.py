"""The law's own error at the target: what no further run inside the fitted range takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.extrapolation import distance_outside, error_beyond, widened
from dcpt.fit.law_fit import LawFit
from dcpt.fit.score import LARGEST_D, LARGEST_N

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LawError:
    """Standard deviation of the log loss about the law at a target, and how it falls with larger proxies.

    The error grows with a power of the log distance beyond the largest fitted size and tokens, from the
    error made on the largest ones when they were held out (`dcpt.fit.extrapolation`). A larger proxy
    shortens the distance; the error at that proxy itself remains as far as its runs do not measure it.

    Attributes
    ----------
    scatter : float
        Scatter of the log residuals: one run's noise, and what the law misses inside its range.
    held_out : mapping of {"N", "D"} to tuple of (float, float)
        Root mean square log errors on the largest values held out, and their log distances.
    bottom, top, target : mapping of {"N", "D"} to float
        Smallest and largest fitted value, and the target's.
    remainder : float
        Variance of the error at the largest proxy that is left by the runs bought there.
    """

    scatter: float
    held_out: dict[str, tuple[tuple[float, float], ...]]
    bottom: dict[str, float]
    top: dict[str, float]
    target: dict[str, float]
    remainder: float = 0.0

    @classmethod
    def of(cls, fit: LawFit, N: float, D: float) -> LawError:
        """The law error of a fit at a target."""
        kinds = {"N": LARGEST_N, "D": LARGEST_D}
        held_out = {
            symbol: tuple((item.rms_log, item.reach) for item in fit.holdout(kind) if item.reach > 0)
            for symbol, kind in kinds.items()
        }
        bottom, top = ({symbol: fit.ranges[symbol][end] for symbol in kinds} for end in (0, 1))
        return cls(fit.residual_sigma, held_out, bottom, top, {"N": N, "D": D})

    @property
    def sd(self) -> float:
        """Standard deviation of a log loss of the target."""
        return float(widened(self.scatter, [np.array([np.sqrt(self.beyond)])])[0])

    @property
    def beyond(self) -> float:
        """Variance of the error of extrapolation at the target."""
        return self.remainder + sum(self.at(symbol, self.target[symbol]) ** 2 for symbol in ("N", "D"))

    @property
    def extrapolates(self) -> bool:
        """Whether the error of extrapolation, not the scatter, sets the deviation."""
        return self.sd > self.scatter * (1 + 1e-9)

    def at(self, symbol: str, value: float) -> float:
        """Error of extrapolation at a value of N or D; 0 inside the fitted range."""
        return float(self.along(symbol, np.array([value]))[0])

    def along(self, symbol: str, values: Array) -> Array:
        """Error of extrapolation at values of N or D, shape (n,)."""
        beyond = distance_outside(values, self.bottom[symbol], self.top[symbol])
        found = [error_beyond(rms, reach, beyond) for rms, reach in self.held_out[symbol]]
        return np.asarray(np.sqrt(np.sum([error**2 for error in found], axis=0)) if found else 0.0 * beyond)

    def after(self, N: Sequence[float], D: Sequence[float], runs: Sequence[int]) -> LawError:
        """The error after buying runs; `runs` numbers the run of each point.

        Only points nearer to the target than the largest fitted size (or tokens) move it. One beyond the
        target is as near as one that far below it: the law has to reach from there to the target all the
        same.
        """
        made = self
        for symbol, values in (("N", N), ("D", D)):
            target, top = self.target[symbol], self.top[symbol]
            nearest = max(values, key=lambda value: min(value, target**2 / value))
            reached = min(nearest, target**2 / nearest)
            if target <= top or reached <= top * (1 + 1e-9) or not self.held_out[symbol]:
                continue
            count = len({run for run, value in zip(runs, values, strict=True) if value == nearest})
            prior = made.at(symbol, nearest) ** 2
            # Known from the runs bought there as well as their scatter lets it be.
            left = prior * self.scatter**2 / (prior * count + self.scatter**2) if prior > 0 else 0.0
            nearer = replace(made, top={**made.top, symbol: reached}, remainder=0.0)
            # What is known already is not lost: too few runs there leave the error as it was.
            left = min(made.remainder + left, max(made.beyond - nearer.beyond, 0.0))
            made = replace(nearer, remainder=left)
        return made
