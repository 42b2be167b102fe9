"""The data-constrained law: repeated tokens and excess parameters count for less and less."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.laws.law import Law, linear, nonlinear

Array = NDArray[np.float64]

R_D = 15.387756
"""Published decay of repeated tokens, in epochs (arXiv:2305.16264, coefficients in its authors' code)."""

R_N = 5.309743
"""Published decay of excess parameters (same source)."""

_SEEN = "min(D, U)"
_TOKENS = f"({_SEEN} + {_SEEN}*R_D*(1 - exp(-(D/{_SEEN} - 1)/R_D)))"
_USEFUL = f"min(N, exp(g)*({_SEEN}*exp(g))**(beta/alpha))"
_SIZE = f"({_USEFUL} + {_USEFUL}*R_N*(1 - exp(-(N/{_USEFUL} - 1)/R_N)))"


class DataConstrained(Law):
    """Loss after training on U unique tokens for several epochs, with size and tokens discounted.

    The published law with A expressed by the allocation constant G = exp(g), so that the loss stays
    linear in B: A = beta/alpha*B*G**(alpha + beta) (`from_chinchilla` converts). It is monotone in
    epochs by construction: it cannot show a loss that rises when tokens are repeated too often.
    """

    name = "data-constrained"
    formula = f"E + B*(beta/alpha*exp(g*(alpha + beta))*{_SIZE}**-alpha + {_TOKENS}**-beta)"
    reference = "Muennighoff et al. 2023, arXiv:2305.16264 (law with D' and N')"
    monotone = {"N": -1, "D": -1}  # noqa: RUF012

    # The exponents are divided by each other; both published ones are 0.35. g within a factor of 1000 of one
    # unit of size per unit of tokens. Decays from a tenth of an epoch (a
    # second look is worthless) to 1000 (repeating costs nothing within any published number of epochs).
    E = linear(0.0, 20.0, "irreducible loss")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    alpha = nonlinear(0.05, 2.0, "size exponent")
    beta = nonlinear(0.05, 2.0, "token exponent")
    g = nonlinear(-7.0, 7.0, "logarithm of the allocation constant G")
    R_D = nonlinear(0.1, 1e3, "decay of repeated tokens", "epochs")
    R_N = nonlinear(0.1, 1e3, "decay of excess parameters")


def from_chinchilla(
    values: Mapping[str, float], repeated: float = R_D, excess: float = R_N
) -> dict[str, float]:
    """Parameters of `data-constrained` from those of `chinchilla` and the two decays.

    Raises
    ------
    ConfigError
        When A or B is not positive.
    """
    A, B, alpha, beta = (float(values[name]) for name in ("A", "B", "alpha", "beta"))
    if not (A > 0 and B > 0):
        raise ConfigError(f"data-constrained law: A = {A:g}, B = {B:g}; wanted positive coefficients.")
    g = float(np.log(alpha * A / (beta * B)) / (alpha + beta))
    rest = {"B": B, "alpha": alpha, "beta": beta, "g": g, "R_D": repeated, "R_N": excess}
    return {"E": float(values["E"]), **rest}


def epochs(D: ArrayLike, U: ArrayLike) -> Array:
    """How often each unique token is seen: D / U, at least 1 by definition when U tokens are used.

    Raises
    ------
    ConfigError
        When D or U is not positive.
    """
    D, U = np.asarray(D, dtype=np.float64), np.asarray(U, dtype=np.float64)
    if not ((D > 0).all() and (U > 0).all()):
        raise ConfigError(f"epochs: D = {D}, U = {U}; wanted positive tokens.")
    return np.asarray(D / U)


def effective_tokens(D: ArrayLike, U: ArrayLike, decay: float = R_D) -> Array:
    """D': unique tokens that D tokens, U of them unique, are worth.

    Parameters
    ----------
    D, U : array_like, broadcast together
        Training tokens and unique tokens, in one unit. With fewer tokens than unique ones nothing is
        repeated and D' = D.
    decay : float
        R_D*, in epochs: no number of epochs is worth more than 1 + R_D* of them.

    Raises
    ------
    ConfigError
        When D, U or the decay is not positive.

    Examples
    --------
    >>> [round(float(effective_tokens(n, 1.0)), 3) for n in (1, 2, 4, 16)]
    [1.0, 1.968, 3.726, 10.582]

    References
    ----------
    Muennighoff et al. 2023, arXiv:2305.16264.
    """
    more = np.maximum(epochs(D, U) - 1, 0.0)
    if not decay > 0:
        raise ConfigError(f"effective tokens: decay = {decay:g}; wanted a positive number of epochs.")
    return np.asarray(np.minimum(D, U) + np.asarray(U) * decay * (1 - np.exp(-more / decay)))


def useful_size(U: ArrayLike, values: Mapping[str, float]) -> Array:
    """Compute-optimal size for U unique tokens, G (U G)**(beta/alpha): parameters beyond it are excess.

    Parameters
    ----------
    U : array_like
        Unique tokens, in the unit of the law's D.
    values : mapping
        Parameters of `data-constrained`.
    """
    G = float(np.exp(values["g"]))
    return np.asarray(G * (np.asarray(U, dtype=np.float64) * G) ** (values["beta"] / values["alpha"]))
