"""A D-CPT-like law whose mixture term fades with model size."""

from __future__ import annotations

from dcpt.laws import Law, linear, nonlinear


class SizeAwareMixture(Law):
    """Loss against size, tokens and share; larger models mind the mixture less."""

    name = "size-aware-mixture"
    formula = "E + A*N**-alpha + B*D**-beta + C*N**-kappa*(s + eps)**-gamma"
    reference = "the test of dcpt's entry point for laws"

    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    C = linear(0.0, 1e3, "mixture loss of a model of one unit of size at s + eps = 1")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    kappa = nonlinear(0.0, 3.0, "size exponent of the mixture term")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")
