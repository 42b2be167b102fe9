"""D-CPT with a mixture term that depends on the size; its token term does not see the mixture."""

from __future__ import annotations

from dcpt.laws.law import NOISE_DELTA, Law, linear, nonlinear


class SizeMixture(Law):
    """D-CPT's form L1 with an interaction of size and mixture: its effect shrinks as the model grows.

    On real sweeps the share exponent of D-CPT's token term fits to 0; a size exponent of the
    mixture term takes its place, with as many parameters.
    """

    name = "size-mixture"
    formula = "E + A*N**-alpha + B*D**-beta + C*N**-kappa*(s + eps)**-gamma"
    reference = "this package (experiments/domains_cpu), after L1 of Que et al. 2024, arXiv:2406.01375"
    delta = NOISE_DELTA

    # kappa may be negative: the mixture may matter more to larger models. Other bounds as in `d-cpt`.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    C = linear(0.0, 1e3, "mixture loss at s + eps = 1 and one unit of size")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    kappa = nonlinear(-1.0, 1.0, "size exponent of the mixture term")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")
