"""The perplexity-aware law: which documents the base model finds hard decides how fast it learns."""

from __future__ import annotations

from dcpt.core.symbols import DOMAIN, Symbol
from dcpt.laws.law import Law, linear, nonlinear


class PerplexityAware(Law):
    """Domain loss against tokens and the perplexity of the training text under the base model.

    The exponents of mean and spread each vary with the other. The source calls the spread a variance in
    one place; what counts is that all rows use the same.
    """

    name = "perplexity-aware"
    formula = "E + C*mu**-(a0 + a1*sigma)*sigma**-(b0 + b1*mu)*D**-alpha"
    reference = "arXiv:2512.21515 (perplexity-aware law)"
    sides = (DOMAIN,)
    columns = (
        Symbol("mu", "mean perplexity of the training chunks under the base model", "1", "\\mu"),
        Symbol("sigma", "spread of those perplexities", "1", "\\sigma"),
    )
    domain = {"mu": (1.0, 100.0), "sigma": (0.1, 100.0)}  # noqa: RUF012
    monotone = {"D": -1}  # noqa: RUF012

    # Perplexities lie between 1 and 100: with slopes within 0.05 no exponent moves by more than 5.
    E = linear(0.0, 20.0, "irreducible loss")
    C = linear(0.0, 1e6, "loss after one unit of tokens at mean and spread 1")
    a0 = nonlinear(-3.0, 3.0, "exponent of the mean at spread 0")
    a1 = nonlinear(-0.05, 0.05, "its change per unit of spread")
    b0 = nonlinear(-3.0, 3.0, "exponent of the spread at mean 0")
    b1 = nonlinear(-0.05, 0.05, "its change per unit of mean")
    alpha = nonlinear(1e-3, 3.0, "token exponent")
