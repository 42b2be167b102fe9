"""The Chinchilla law: loss against model size and tokens, blind to the mixture."""

from __future__ import annotations

from dcpt.laws.law import Law, linear, nonlinear


class Chinchilla(Law):
    """Validation loss against model size and tokens; the mixture has no part in it."""

    name = "chinchilla"
    formula = "E + A*N**-alpha + B*D**-beta"
    reference = "Hoffmann et al. 2022, arXiv:2203.15556, Eq. 2"
    monotone = {"N": -1, "D": -1}  # noqa: RUF012 (declared as ClassVar in Law)

    # Exponents are held to (0, 3]: without bounds half of all starts end in valleys with negative
    # or merged terms, and no published exponent of these laws is near 3.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")
