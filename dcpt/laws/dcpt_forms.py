"""The other candidate forms of the D-CPT paper: L1, L2, L4 to L7 (L3 is the law `d-cpt`)."""

from __future__ import annotations

from dcpt.laws.law import Law, linear, nonlinear


class _Form(Law):
    # What all forms share, with the bounds of `d-cpt` and for its reasons.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")


class _Powers(_Form):
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    C = linear(0.0, 1e3, "mixture loss at s + eps = 1")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")


class DCPTL1(_Powers):
    """D-CPT form L1: the token term does not see the mixture.

    The paper sets it aside because tokens then help as much at any share (its implicit trend).
    """

    name = "d-cpt-l1"
    formula = "E + A*N**-alpha + B*D**-beta + C*(s + eps)**-gamma"
    reference = "Que et al. 2024, arXiv:2406.01375, Sec. 4.2, form L1"


class DCPTL2(_Form):
    """D-CPT form L2: tokens and mixture under one exponent.

    The paper sets it aside because it is no Chinchilla law at a fixed share (consistency).
    """

    name = "d-cpt-l2"
    formula = "E + A*N**-alpha + (B*D**-beta + C*(s + eps)**-gamma)**nu"
    reference = "Que et al. 2024, arXiv:2406.01375, Sec. 4.2, form L2"

    # Inside the power B and C are not linear; 1e3 is above any loss a term can carry.
    B = nonlinear(0.0, 1e3, "loss after one unit of tokens, before nu", "1")
    C = nonlinear(1e-6, 1e3, "mixture loss at s + eps = 1, before nu", "1")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")
    nu = nonlinear(1e-2, 3.0, "exponent of tokens and mixture together (the paper's eta)")


class DCPTL4(_Form):
    """D-CPT form L4: the share in exponents.

    The paper sets it aside because b > 1 lets the loss rise with the share (its explicit trend).
    """

    name = "d-cpt-l4"
    formula = "E + A*N**-alpha + B*b**s*D**-beta + C*c**-s"
    reference = "Que et al. 2024, arXiv:2406.01375, Sec. 4.2, form L4"

    # From s = 0 to 1 a term changes by the factor b or 1/c; c < 1 would make the mixture term rise.
    B = linear(0.0, 1e6, "loss after one unit of tokens at s = 0")
    C = linear(0.0, 1e3, "mixture loss at s = 0")
    b = nonlinear(1e-2, 1e2, "factor of the token term from s = 0 to 1")
    c = nonlinear(1.0, 1e4, "divisor of the mixture term from s = 0 to 1")


class DCPTL5(_Form):
    """D-CPT form L5: effective tokens, the other side's counting as a constant.

    As printed, sigma is not multiplied by D: it is an amount of tokens, not a rate of exchange.
    The loss falls with the share where D > sigma. The paper found it to fit much worse.
    """

    name = "d-cpt-l5"
    formula = "E + A*N**-alpha + B*(s*D + (1 - s)*sigma)**-beta"
    reference = "Que et al. 2024, arXiv:2406.01375, Sec. 4.2, form L5"

    B = linear(0.0, 1e6, "loss after one unit of effective tokens")
    # Tokens lie near one unit in a fit; beyond four decades from it sigma has no effect or is all.
    sigma = nonlinear(1e-4, 1e4, "tokens the other side is worth", "tokens")


class DCPTL6(_Powers):
    """D-CPT form L6: the token term grows exponentially with the share."""

    name = "d-cpt-l6"
    formula = "E + A*N**-alpha + B*exp(s)*D**-beta + C*(s + eps)**-gamma"
    reference = "Que et al. 2024, arXiv:2406.01375, App. E.4, form L6"


class DCPTL7(_Powers):
    """D-CPT form L7: L3 with the offset in both powers of the share, finite slopes at s = 0."""

    name = "d-cpt-l7"
    formula = "E + A*N**-alpha + B*(s + eps)**nu*D**-beta + C*(s + eps)**-gamma"
    reference = "Que et al. 2024, arXiv:2406.01375, App. E.4, form L7"

    nu = nonlinear(0.0, 3.0, "share exponent of the token term (the paper's eta)")
