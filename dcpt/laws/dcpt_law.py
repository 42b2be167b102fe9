"""The D-CPT law: loss after continual pre-training against model size, tokens and mixture."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.errors import ConfigError
from dcpt.laws.law import Law, linear, nonlinear


class DCPT2024(Law):
    """Validation loss against model size, CPT tokens and the share of the side it is measured on.

    The exponent of s in the token term is the paper's eta, named nu here because eta is the
    learning rate. The form is the free one: the paper's constraint C > C0, which makes the loss
    fall in s everywhere, is not imposed; the fit checks its sign over the fitted range instead.
    At s = 0 the token term is off, unless nu is 0 and it does not see the mixture at all.
    """

    name = "d-cpt"
    formula = "E + A*N**-alpha + B*s**nu*D**-beta + C*(s + eps)**-gamma"
    reference = "Que et al. 2024, arXiv:2406.01375, Eq. 6"

    # Exponents to 3 as in the Chinchilla law; eps to 1 and nu from 0 (the paper's form L1, in which
    # the token term does not see the mixture) after the ranges of the paper's appendix E.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens at s = 1")
    C = linear(0.0, 1e3, "mixture loss at s + eps = 1")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    nu = nonlinear(0.0, 3.0, "share exponent of the token term (the paper's eta)")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")


def at_share(values: Mapping[str, float], s: float) -> dict[str, float]:
    """The Chinchilla law that a D-CPT law is at one share.

    Parameters
    ----------
    values : mapping
        Parameters of `d-cpt`.
    s : float
        Share of the side the loss is measured on, from 0 to 1.

    Returns
    -------
    dict
        E, A, B, alpha and beta of `chinchilla`.

    Raises
    ------
    ConfigError
        When the share is outside [0, 1].

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.1 (consistency): E0 = E + C/(s + eps)**gamma, B0 = B*s**nu.
    """
    if not 0 <= s <= 1:
        raise ConfigError(f"share s = {s:g}; wanted a number from 0 to 1.")
    return {
        "E": values["E"] + values["C"] / (s + values["eps"]) ** values["gamma"],
        "A": values["A"],
        "B": values["B"] * s ** values["nu"],
        "alpha": values["alpha"],
        "beta": values["beta"],
    }
