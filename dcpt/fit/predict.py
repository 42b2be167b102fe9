"""Predictions with intervals: what the law's mean may be, and where a new measurement may fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from dcpt.core.errors import ConfigError
from dcpt.fit.extrapolation import distance_outside, error_beyond, widened
from dcpt.fit.law_inputs import unmeasured
from dcpt.fit.reach import far_targets, wide_intervals
from dcpt.fit.score import LARGEST_D, LARGEST_N

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

Array = NDArray[np.float64]

NODES = 25
"""Equally likely values of the normal noise that each draw is combined with. With 400 draws the
interval's ends are good to about 1 % of its width, with no random numbers."""

_CHUNK = 2000


def observation_bounds(draws: Array, log_noise: Array, level: float) -> tuple[Array, Array]:
    """Quantiles of draws times log-normal noise.

    Parameters
    ----------
    draws : ndarray, shape (n_draws, n)
        Means under every draw.
    log_noise : ndarray, shape (n,)
        Standard deviation of the log noise.
    level : float
        Share of the probability between the bounds.

    Returns
    -------
    lo, hi : ndarray, shape (n,)
    """
    noise = ndtri((np.arange(NODES) + 0.5) / NODES)
    # Midpoint nodes have a variance a little below 1; scaled, the noise keeps its full spread.
    noise /= noise.std()
    tail = (1 - level) / 2
    bounds = np.empty((2, draws.shape[1]))
    for first in range(0, draws.shape[1], _CHUNK):
        part = slice(first, first + _CHUNK)
        spread = np.exp(noise[:, None] * log_noise[part])
        mixed = (draws[:, None, part] * spread).reshape(-1, spread.shape[1])
        bounds[:, part] = np.quantile(mixed, [tail, 1 - tail], axis=0)
    return bounds[0], bounds[1]


def log_noise(
    fit: LawFit, N: ArrayLike, D: ArrayLike, r: ArrayLike, given: Mapping[str, ArrayLike] | None = None
) -> Array:
    """Standard deviation of a new log measurement, shape (n,); see `LawFit.log_noise`."""
    points = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (N, D, r)))
    errors = [np.zeros(points[0].shape)]
    for symbol, value, kind in (("N", points[0], LARGEST_N), ("D", points[1], LARGEST_D)):
        beyond = distance_outside(value, *fit.ranges[symbol])
        held_out = [item for item in fit.holdout(kind) if item.reach > 0]
        errors += [error_beyond(item.rms_log, item.reach, beyond) for item in held_out]
    variance = widened(fit.residual_sigma, errors) ** 2
    needed = unmeasured(fit, given)
    if needed:
        found = {name: fit.bases[name].at(points[0]) for name in needed}
        known = {**(given or {}), **{name: loss for name, (loss, _) in found.items()}}
        for name, (loss, log_sd) in found.items():
            if log_sd.any():
                moved = {**known, name: loss * np.exp(log_sd)}
                at = points[0], points[1], points[2]
                shift = np.log(fit.mean(*at, moved) / fit.mean(*at, known))
                variance = variance + shift**2
    return np.asarray(np.sqrt(variance))


def extrapolates(fit: LawFit, N: ArrayLike, D: ArrayLike, r: ArrayLike) -> NDArray[np.bool_]:
    """Whether a point lies outside the fitted ranges, shape (n,); see `LawFit.extrapolates`."""
    points = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (N, D, r)))
    outside = np.zeros(points[0].shape, dtype=bool)
    for symbol, value in zip("NDr", points, strict=True):
        lo, hi = fit.ranges[symbol]
        outside |= (value < lo * (1 - 1e-9)) | (value > hi * (1 + 1e-9))
    return outside


def predict_frame(
    fit: LawFit,
    N: ArrayLike,
    D: ArrayLike,
    r: ArrayLike,
    level: float,
    given: Mapping[str, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Mean, interval of the mean and interval of a new measurement; see `LawFit.predict`.

    Raises
    ------
    ConfigError
        When `level` is not between 0 and 1, or a point is outside the law's domain.
    """
    if not 0 < level < 1:
        raise ConfigError(f"prediction: level is {level}; wanted a share between 0 and 1.")
    points = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in (N, D, r)]
    N, D, r = (array.ravel() for array in np.broadcast_arrays(*points))
    mean = fit.mean(N, D, r, given)
    draws = fit.draw_means(N, D, r, given)
    tail = (1 - level) / 2
    mean_lo, mean_hi = np.quantile(draws, [tail, 1 - tail], axis=0)
    obs_lo, obs_hi = observation_bounds(draws, fit.log_noise(N, D, r, given), level)
    frame = pd.DataFrame(
        {
            "N": N,
            "D": D,
            "r": r,
            "mean": mean,
            # The point fit may leave the middle of the draws when a parameter is on a bound; an
            # interval without its own estimate would be a riddle.
            "mean_lo": np.minimum(mean_lo, mean),
            "mean_hi": np.maximum(mean_hi, mean),
            "obs_lo": np.minimum(obs_lo, mean),
            "obs_hi": np.maximum(obs_hi, mean),
            "extrapolates": extrapolates(fit, N, D, r),
        }
    )
    frame.attrs["how"] = how(fit, level)
    doubts = [*far_targets(fit.ranges, N, D), *wide_intervals(N, D, obs_lo, obs_hi)]
    frame.attrs["doubts"] = [doubt.message for doubt in doubts]
    return frame


def how(fit: LawFit, level: float = 0.9) -> str:
    """How the intervals are made, in words."""
    share = f"{100 * level:g} %"
    if not len(fit.draws):
        mean = "There are no bootstrap draws, so the interval of the mean has no width."
    else:
        mean = (
            f"The interval of the mean spans the middle {share} of {len(fit.draws)} refits to runs resampled "
            "within each model size."
        )
    scatter = f"the scatter of the log residuals ({fit.residual_sigma:.2g})"
    text = f"{mean} The interval of a measurement adds {scatter}"
    terms = [
        f"{item.rms_log:.2g} at {np.exp(item.reach):.3g} times the {symbol} of the rest"
        for symbol, kind in (("N", LARGEST_N), ("D", LARGEST_D))
        for item in fit.holdout(kind)
        if item.reach > 0
    ]
    if terms:
        return (
            f"{text} or, outside the fitted range and where larger, the error on the largest size and tokens "
            f"when they were held out (log error {', '.join(terms)}), which grows slowly with the distance."
        )
    return f"{text}; there is no hold-out error to widen it with outside the fitted range."
