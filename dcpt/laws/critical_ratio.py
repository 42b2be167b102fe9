"""The critical mixture ratio: the largest domain share whose cost to the general loss is bearable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from dcpt.core.errors import ConfigError

Array = NDArray[np.float64]

TOKENS_PER_T = 0.2e9
"""Tokens in one unit of the paper's T (arXiv:2407.17467): T = 100 is 20B tokens."""

LEAST_T = 1e-6
"""Where the search for a critical time starts, unless told."""

EPSILON = 0.05
"""Rise of the general loss the paper tolerates, nats per token."""


@dataclass(frozen=True)
class Change:
    """Change of a loss since before training: a sum of powers of T, and a constant.

    Parameters
    ----------
    terms : tuple of (float, float)
        Coefficient and exponent of each power: one for the domain loss, two for the general loss.
    constant : float
        What the powers are added to.
    """

    terms: tuple[tuple[float, float], ...]
    constant: float = 0.0

    def at(self, T: ArrayLike) -> Array:
        """Change at T > 0, of the shape of T."""
        T = np.asarray(T, dtype=np.float64)
        return np.asarray(self.constant + sum(a * T**s for a, s in self.terms))


@dataclass(frozen=True)
class RatioChanges:
    """What training at one domain ratio does to both losses.

    Parameters
    ----------
    r : float
        Domain share of tokens.
    domain, general : Change
        By T, in any one unit of tokens for all ratios.
    """

    r: float
    domain: Change
    general: Change


def critical_time(
    domain: Change, general: Change, lam: float, *, low: float = LEAST_T, high: float = 1e9
) -> float:
    """First T at which the domain loss gains as much as lam times what the general loss gives away.

    The root of d/dT (domain change + lam * general change) at which it turns negative.

    Parameters
    ----------
    domain, general : Change
        As fitted at one ratio; three powers in all.
    lam : float
        Weight of the general loss. The paper does not say which it used, so there is no default.
    low, high : float
        Range of T searched.

    Returns
    -------
    float
        0 when the weighted loss falls from the start, infinite when it never falls up to `high`.

    Raises
    ------
    ConfigError
        When lam is not positive, or there are more than three powers.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467, Eq. 7, solved numerically.
    """
    if not (lam > 0 and np.isfinite(lam)):
        raise ConfigError(f"critical time: lam = {lam:g}; wanted a positive weight of the general loss.")
    weighted = [*((a * s, s) for a, s in domain.terms), *((lam * a * s, s) for a, s in general.terms)]
    terms = [(slope, s) for slope, s in weighted if slope != 0]
    if len(terms) > 3:
        raise ConfigError(f"critical time: got {len(terms)} powers; wanted one domain and two general ones.")
    if not terms:
        return 0.0
    first = terms[0][1]
    rates = [(slope, s - first) for slope, s in terms]

    def slope(x: float) -> float:
        return float(sum(c * np.exp(p * x) for c, p in rates))

    # Divided by the first power, a sum of a constant and two exponentials turns at most once: between
    # the ends and that point it is monotone, and each piece has at most one root.
    ends = [float(np.log(low)), float(np.log(high))]
    if len(rates) == 3:
        (c, p), (d, q) = rates[1:]
        if p * q != 0 and p != q and c * p * d * q < 0:
            turn = float(np.log(-(c * p) / (d * q)) / (q - p))
            ends += [turn] if ends[0] < turn < ends[1] else []
    ends.sort()
    if slope(ends[0]) <= 0:
        return 0.0
    for left, right in pairwise(ends):
        if slope(right) <= 0:
            return float(np.exp(brentq(slope, left, right, xtol=1e-14)))
    return float("inf")


def feasible_ratios(
    changes: Sequence[RatioChanges], T_max: float, *, eps: float, lam: float, low: float = LEAST_T
) -> tuple[float, ...]:
    """The feasible mixture ratios among those measured.

    A ratio is feasible when the general loss has risen by at most eps at T_max, and the weighted loss
    falls from some T0 <= T_max on.

    Parameters
    ----------
    changes : sequence of RatioChanges
        One per ratio.
    T_max : float
        Length of training, in the unit of the changes.
    eps : float
        Tolerated rise of the general loss, nats per token; the paper takes `EPSILON`.
    lam : float
        Weight of the general loss, see `critical_time`.
    low : float
        Where the search for a critical time starts; the least T measured for changes that were fitted.

    Returns
    -------
    tuple of float
        In ascending order; empty when there is none.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467 (feasible mixture ratios).
    """
    return tuple(sorted(item.r for item in changes if _slack(item, T_max, eps, lam, low) >= 0))


def critical_mixture_ratio(
    changes: Sequence[RatioChanges], T_max: float, *, eps: float, lam: float, low: float = LEAST_T
) -> float | None:
    """The largest feasible ratio, interpolated between the last feasible one and the next.

    Parameters
    ----------
    changes, T_max, eps, lam, low
        As in `feasible_ratios`.

    Returns
    -------
    float or None
        None when no measured ratio is feasible. Between two ratios the rise of the general loss is taken
        as linear in r, and log T0 too; where T0 is 0 or infinite at one of them the answer is the ratio
        that was measured to be feasible.

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467 (CMR = max FMR; R is the CMR when T0 = T_max).
    """
    feasible = feasible_ratios(changes, T_max, eps=eps, lam=lam, low=low)
    if not feasible:
        return None
    ordered = sorted(changes, key=lambda item: item.r)
    last = max(index for index, item in enumerate(ordered) if item.r == feasible[-1])
    if last + 1 == len(ordered):
        return feasible[-1]
    below, above = ordered[last], ordered[last + 1]
    ways = [1.0]
    rise = [float(item.general.at(T_max)) - eps for item in (below, above)]
    if rise[1] > 0:
        ways.append(-rise[0] / (rise[1] - rise[0]))
    times = [critical_time(item.domain, item.general, lam, low=low) for item in (below, above)]
    if times[1] > T_max:
        known = times[0] > 0 and np.isfinite(times[1])
        ways.append(float(np.log(T_max / times[0]) / np.log(times[1] / times[0])) if known else 0.0)
    return float(below.r + min(ways) * (above.r - below.r))


def _slack(item: RatioChanges, T_max: float, eps: float, lam: float, low: float) -> float:
    """Negative when the ratio is not feasible."""
    room = eps - float(item.general.at(T_max))
    return room if critical_time(item.domain, item.general, lam, low=low) <= T_max else -1.0


def ratio_after(T: ArrayLike, a: float, s: float, b: float) -> Array:
    """Critical mixture ratio after T, a T**s + b, kept between 0 and 1.

    Parameters
    ----------
    T : array_like
        Length of training, in units of 0.2B tokens (`TOKENS_PER_T`) for the published coefficients.
    a, s, b : float
        The paper's a4, s4 and b3, which differ by model size.

    Raises
    ------
    ConfigError
        When T is not positive.

    Examples
    --------
    >>> print(f"{float(ratio_after(100, 0.22524761, 0.26944345, -0.48139982)):.4f}")
    0.2976

    References
    ----------
    Gu et al. 2024, arXiv:2407.17467, Eq. 8.
    """
    T = np.asarray(T, dtype=np.float64)
    if not (T > 0).all():
        raise ConfigError(f"critical ratio: T = {T.min():g}; wanted a positive length of training.")
    return np.asarray(np.clip(a * T**s + b, 0.0, 1.0))
