"""The D-CPT law with the paper's constraint built in, and what the constraint amounts to."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.errors import ConfigError
from dcpt.laws.law import Law, linear, nonlinear


class ConstrainedDCPT(Law):
    """The D-CPT law in the paper's constrained form: the loss falls with the share wherever D >= Dmin.

    Written with C = C0 + C1, where C0 is the least mixture coefficient for which the loss falls at
    s = 1 and D = Dmin (`mixture_floor`), and nu >= 1. Dmin has to be the data's own least D, in
    the unit of D: with a smaller one, C0 is large and strangles the token term. This form cannot
    have an interior best share under a limited domain supply (`supply_limit`) unless that supply is of
    the order of Dmin; plan that case with the free law `d-cpt`.
    """

    name = "d-cpt-constrained"
    formula = (
        "E + A*N**-alpha"
        " + B*(s**nu*D**-beta + nu/gamma*(1 + eps)**(gamma + 1)*Dmin**-beta*(s + eps)**-gamma)"
        " + C1*(s + eps)**-gamma"
    )
    reference = "Que et al. 2024, arXiv:2406.01375, Sec. 4.1 and App. E.3"

    # Bounds as in `d-cpt`. gamma starts at 0.01, for C0 holds 1/gamma.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens at s = 1")
    C1 = linear(0.0, 1e3, "mixture loss at s + eps = 1, beyond C0")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    nu = nonlinear(1.0, 3.0, "share exponent of the token term (the paper's eta)")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-2, 3.0, "share exponent of the mixture term")


def mixture_floor(values: Mapping[str, float], Dmin: float) -> float:
    """C0: the mixture coefficient above which the D-CPT loss falls with the share for all D >= Dmin.

    Parameters
    ----------
    values : mapping
        B, nu, beta, eps and gamma of a D-CPT law.
    Dmin : float
        Least training tokens, in the unit of the law's D.

    Raises
    ------
    ConfigError
        When Dmin or gamma is not positive.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, Sec. 4.1. The paper states that C > C0 and nu > 1 suffice; given
    nu >= 1, C > C0 is also necessary, being tight at s = 1 and D = Dmin.
    """
    B, nu, beta, eps, gamma = (values[name] for name in ("B", "nu", "beta", "eps", "gamma"))
    if not (Dmin > 0 and gamma > 0):
        raise ConfigError(f"mixture floor: Dmin = {Dmin:g}, gamma = {gamma:g}; wanted positive numbers.")
    return float(B * nu * (1 + eps) ** (gamma + 1) / (gamma * Dmin**beta))


def to_free(values: Mapping[str, float], Dmin: float) -> dict[str, float]:
    """Parameters of `d-cpt` that equal a constrained law's at its Dmin: C = C0 + C1."""
    free = {name: float(value) for name, value in values.items() if name != "C1"}
    return {**free, "C": mixture_floor(values, Dmin) + float(values["C1"])}


def supply_limit(values: Mapping[str, float]) -> float:
    """Domain tokens below which mixing in general text beats training on the domain text alone.

    With D = supply / s and general text unlimited, the D-CPT loss is convex in s when nu > 1 and has its
    least value at s < 1 if, and only if, the supply is below this.

    Parameters
    ----------
    values : mapping
        B, C, nu, beta, eps and gamma of `d-cpt` fitted to the domain loss.

    Returns
    -------
    float
        In the unit of the law's D; infinite when C is 0.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, usage 2. The inequality is printed with (1 + eps)**gamma + 1; its own
    derivation gives (1 + eps)**(gamma + 1), which is used here.
    """
    B, C, nu, beta, eps, gamma = (values[name] for name in ("B", "C", "nu", "beta", "eps", "gamma"))
    if C == 0:
        return float("inf")
    return float((B * (nu + beta) * (1 + eps) ** (gamma + 1) / (gamma * C)) ** (1 / beta))
