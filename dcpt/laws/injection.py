"""Forgetting when a little pre-training text is injected into fine-tuning, and what fine-tuning learns."""

from __future__ import annotations

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.laws.law import Law, linear, nonlinear


class InjectionForgetting(Law):
    """General loss after fine-tuning: it rises with target tokens, less in a model made larger by injection.

    p, the injected share of pre-training text, is s here, and the target tokens are (1 - s)*D: at s = 1
    nothing is forgotten. A share p acts like a model 1 + kappa*p times as large (`effective_size_factor`).
    """

    name = "injection-forgetting"
    formula = "L0 + A*((1 - s)*D)**beta*((1 + kappa*s)*N)**-alpha"
    reference = "Bethune et al. 2025, arXiv:2502.06042, law of the pre-training loss"
    sides = (GENERAL,)
    # Not in D: the paper's runs forget more the longer they train.
    monotone = {"N": -1, "D": 1, "s": -1}  # noqa: RUF012

    # kappa (the paper's B) is near 829 to 1e4 by domain; exponents as in the Chinchilla law.
    A = linear(0.0, 1e6, "rise of a model of one unit of size after one unit of tokens")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    kappa = nonlinear(0.0, 1e5, "gain in effective size per unit of injected share (the paper's B)")


class InjectionFinetuning(Law):
    """Target loss after fine-tuning: the product of a size and a token power, the injected share aside.

    The target tokens are s*D, s being the share of target text.
    """

    name = "injection-finetuning"
    formula = "E + A*N**-alpha*(s*D)**-beta"
    reference = "Bethune et al. 2025, arXiv:2502.06042, law of the fine-tuning loss"
    sides = (DOMAIN,)
    # The paper injects up to 5 %; without target text there is nothing to describe.
    domain = {"s": (1e-2, 1.0)}  # noqa: RUF012

    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss at one unit of size and of target tokens")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")


def effective_size_factor(share: float, kappa: float) -> float:
    """How many times larger a model seems to the forgetting law for an injected share.

    Parameters
    ----------
    share : float
        Share of pre-training text, 0.01 for 1 %.
    kappa : float
        The law's parameter.

    Raises
    ------
    ConfigError
        When the share is outside [0, 1].

    Examples
    --------
    >>> round(effective_size_factor(0.01, 829.0), 2)
    9.29

    References
    ----------
    Bethune et al. 2025, arXiv:2502.06042: 1 + B p.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"injected share = {share:g}; wanted a number from 0 to 1.")
    return 1.0 + kappa * share
