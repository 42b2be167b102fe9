"""Replay against model size: which of the two buys more for the FLOPs of a new token."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.laws.law import Law, linear, nonlinear

Array = NDArray[np.float64]


class FlopsPerToken(Law):
    """Loss against training FLOPs per new token, 6N/r, which replay makes dearer as size does.

    To be fitted at one replay share each; the law of the share that lies lowest at a given cost is the better
    buy. Replay is 1 - r, so that r is the share of new tokens.
    """

    name = "flops-per-token"
    formula = "A*(6*N)**-q*r**q"
    reference = "arXiv:2508.01908 (inverse power law in FLOPs per token)"
    monotone = {"N": -1}  # noqa: RUF012

    A = linear(0.0, 1e6, "loss at one FLOP per token and unit of size")
    q = nonlinear(1e-3, 3.0, "exponent of the FLOPs per token")


def flops_per_token(N: ArrayLike, replay: ArrayLike) -> Array:
    """Training FLOPs for each new token when a share of the batch is replayed: 6N / (1 - replay).

    Parameters
    ----------
    N : array_like
        Parameters.
    replay : array_like, broadcast with N
        Share of old tokens, from 0 to below 1.

    Raises
    ------
    ConfigError
        When the share is outside [0, 1).

    Examples
    --------
    A quarter of replay costs as much as a third more parameters:

    >>> float(flops_per_token(3.0, 0.25)), float(flops_per_token(4.0, 0.0))
    (24.0, 24.0)

    References
    ----------
    arXiv:2508.01908: cost x 1/(1 - alpha).
    """
    share = np.asarray(replay, dtype=np.float64)
    if not ((share >= 0) & (share < 1)).all():
        raise ConfigError(f"replay = {share}; wanted shares from 0 to below 1.")
    return np.asarray(6.0 * np.asarray(N, dtype=np.float64) / (1.0 - share))
