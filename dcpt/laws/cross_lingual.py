"""Continual pre-training on another language: size and tokens act jointly; what transfer is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN
from dcpt.laws.law import Law, linear, nonlinear


class CrossLingual(Law):
    """Loss on the new language: a size term as from scratch, and a joint term of tokens and size.

    Larger models bring more over from the language they were pre-trained on, so that the token term
    falls with size too. Fitted in two stages: E, A and alpha from scratch runs (law `chinchilla`), then
    held (`second_stage`) while B, beta and gamma are fitted to continual runs.
    """

    name = "cross-lingual"
    formula = "E + A*N**-alpha + B*D**-beta*N**-gamma"
    reference = "Breaking Language Barriers 2024, arXiv:2407.02118 (joint data-parameter law)"
    sides = (DOMAIN,)
    monotone = {"N": -1, "D": -1}  # noqa: RUF012

    # As in the Chinchilla law. gamma may be 0, no transfer with size; the published one is 0.08.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens at one unit of size")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    gamma = nonlinear(0.0, 3.0, "size exponent of the token term")


def second_stage(scratch: Mapping[str, float]) -> dict[str, float]:
    """Values of `cross-lingual` to hold, given a `chinchilla` fit of runs from scratch.

    Parameters
    ----------
    scratch : mapping
        Parameters of the scratch fit, in the same units of N and D as the continual runs.

    Returns
    -------
    dict
        E, A and alpha.

    Raises
    ------
    ConfigError
        When one of them is missing.

    References
    ----------
    arXiv:2407.02118: the second stage freezes E, A and alpha.
    """
    missing = [name for name in ("E", "A", "alpha") if name not in scratch]
    if missing:
        raise ConfigError(
            f"two-stage fit: the scratch fit has no {missing[0]!r}; it has {', '.join(scratch)}.",
            hint="fit the law chinchilla to the runs from scratch",
        )
    return {name: float(scratch[name]) for name in ("E", "A", "alpha")}


def tokens_to_reach(
    law: Law,
    values: Mapping[str, float],
    loss: float,
    given: Mapping[str, float],
    *,
    low: float = 1e-12,
    high: float = 1e18,
) -> float:
    """Tokens after which a law's loss is `loss`, by root finding in log D.

    Parameters
    ----------
    law : Law
        A law whose loss falls with D.
    values : mapping
        Its parameters.
    loss : float
        Loss to reach.
    given : mapping
        Its inputs except D.
    low, high : float
        Range of D searched, in the law's unit.

    Returns
    -------
    float
        In the law's unit of D. Infinite when the loss is not reached by `high`, 0 when it is by `low`.

    Raises
    ------
    ConfigError
        When the law does not see D.
    """
    if "D" not in law.inputs:
        raise ConfigError(f"law {law.name} does not see tokens; its inputs are {', '.join(law.inputs)}.")
    theta = np.array([values[name] for name in law.names], dtype=np.float64)

    def excess(log_tokens: float) -> float:
        return float(law.evaluate(theta, {**given, "D": np.exp(log_tokens)})[0]) - loss

    start, end = float(np.log(low)), float(np.log(high))
    if excess(end) > 0:
        return float("inf")
    if excess(start) <= 0:
        return 0.0
    return float(np.exp(brentq(excess, start, end, xtol=1e-14, rtol=1e-14)))


def transferred_tokens(
    scratch: tuple[Law, Mapping[str, float]],
    continual: tuple[Law, Mapping[str, float]],
    D: float,
    given: Mapping[str, float],
) -> float:
    """Effectively transferred data: tokens from scratch that D continual tokens are worth, less D.

    Parameters
    ----------
    scratch, continual : tuple of (Law, mapping)
        Law and parameters of each, in the same units.
    D : float
        Tokens of continual pre-training.
    given : mapping
        The other inputs of both laws, N among them.

    Returns
    -------
    float
        Infinite when no amount of training from scratch reaches that loss; negative when starting from
        the other language costs tokens.

    Notes
    -----
    Fit both laws yourself. With the coefficients of the paper as printed, two decimals an exponent, the
    continual law lies above the scratch law at many tokens, which the paper's own runs do not.

    References
    ----------
    arXiv:2407.02118: D_scratch(L) - D_CPT(L) at equal loss.
    """
    law, values = continual
    theta = np.array([values[name] for name in law.names], dtype=np.float64)
    reached = float(law.evaluate(theta, {**given, "D": D})[0])
    return tokens_to_reach(*scratch, reached, given) - D
