"""The joint law of Kaplan et al.: no irreducible loss, size and tokens under one exponent."""

from __future__ import annotations

from dcpt.laws.law import Law, linear, nonlinear


class Kaplan(Law):
    """Validation loss against model size and tokens without an irreducible loss; blind to the mixture.

    The paper's ((Nc/N)**(alpha/beta) + Dc/D)**beta with A = Nc**alpha, the loss at one unit of size
    and unlimited tokens, and B = Dc/Nc**(alpha/beta), the tokens at which both terms are equal there.
    """

    name = "kaplan"
    formula = "A*(N**-(alpha/beta) + B/D)**beta"
    reference = "Kaplan et al. 2020, arXiv:2001.08361, Eq. 1.5"
    monotone = {"N": -1, "D": -1}  # noqa: RUF012 (declared as ClassVar in Law)

    # With N and D in units near their means A is a loss and B of the order of 1. The exponents are divided
    # by each other, and small where no irreducible loss is left to explain.
    A = linear(0.0, 1e3, "loss of a model of one unit of size, unlimited tokens")
    B = nonlinear(1e-3, 1e3, "tokens that cost as much as one unit of size", "tokens")
    alpha = nonlinear(1e-2, 1.0, "size exponent")
    beta = nonlinear(3e-2, 1.0, "token exponent")
