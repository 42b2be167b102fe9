"""How the effect of continual pre-training depends on replay: the factors of the field, to choose from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL

Array = NDArray[np.float64]

_FORMULAS: dict[tuple[str, str], str] = {
    ("power", GENERAL): "s**-k - 1",
    ("log", GENERAL): "log(1/(s + eps))",
    ("growing", GENERAL): "exp(a*(1 - s)) - 1",
    ("saturating", GENERAL): "1 - exp(-a*(1 - s))",
    ("growing", DOMAIN): "exp(a*s) - 1",
    ("saturating", DOMAIN): "1 - exp(-a*s)",
}


def power_factor(replay: ArrayLike, k: float) -> Array:
    """replay**-k - 1: no shift at pure replay, without limit as replay goes to 0.

    Parameters
    ----------
    replay : array_like
        General share of tokens, above 0.
    k : float
        Exponent.
    """
    return np.asarray(np.asarray(replay, dtype=np.float64) ** -k - 1.0)


def log_factor(replay: ArrayLike, eps: float) -> Array:
    """-log(replay + eps): what the power tends to for a small exponent, finite without replay."""
    return np.asarray(-np.log(np.asarray(replay, dtype=np.float64) + eps))


def growing_factor(share: ArrayLike, a: float) -> Array:
    """exp(a share) - 1, of the domain share.

    The paper prints it for the new domain's loss. With the coefficients printed beside it (a = 5.696) it
    gives hundreds of nats at share 1; a sign error for `saturating_factor`.

    References
    ----------
    arXiv:2505.07796, Eq. 8.
    """
    return np.asarray(np.expm1(a * np.asarray(share, dtype=np.float64)))


def saturating_factor(share: ArrayLike, a: float) -> Array:
    """1 - exp(-a share), of the domain share; for both losses once the printed sign is mended.

    References
    ----------
    arXiv:2505.07796, Eq. 8.
    """
    return np.asarray(-np.expm1(-a * np.asarray(share, dtype=np.float64)))


FACTORS: dict[str, Callable[[ArrayLike, float], Array]] = {
    "power": power_factor,
    "log": log_factor,
    "growing": growing_factor,
    "saturating": saturating_factor,
}


def factor_formula(factor: str, side: str) -> str:
    """The factor as text for a law's formula, in s, the share of the side the loss is measured on.

    Parameters
    ----------
    factor : {"power", "log", "growing", "saturating"}
        Its parameter is called k, eps, a and a.
    side : {"general", "domain"}
        Whose loss the law describes.

    Raises
    ------
    ConfigError
        When there is no such factor for that side.
    """
    found = _FORMULAS.get((factor, side))
    if found is None:
        known = ", ".join(name for name, of in _FORMULAS if of == side)
        raise ConfigError(f"replay factor {factor!r} of side {side!r} is unknown; wanted one of {known}.")
    return found
