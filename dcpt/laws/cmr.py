"""The laws behind the critical mixture ratio: loss against ratio, and its change against tokens."""

from __future__ import annotations

from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.laws.law import Law, linear, nonlinear

_COEFFICIENT = 1e3
"""Largest coefficient: powers that almost cancel describe a logarithm, and need no larger ones."""


class CMRRatio(Law):
    """Loss against the domain ratio at one size and one number of tokens, either side.

    Coefficient and exponent are both signed: a loss that falls with the ratio has a < 0 and k > 0, or
    a > 0 and k < 0, and published data take either branch.
    """

    name = "cmr-ratio"
    formula = "b + a*r**k"
    reference = "Gu et al. 2024, arXiv:2407.17467, law of the loss in the mixture ratio"
    # The paper fits ratios inside (0, 1); a negative exponent has no value at 0.
    domain = {"r": (1e-3, 1.0)}  # noqa: RUF012
    monotone = {}  # noqa: RUF012

    b = linear(-_COEFFICIENT, _COEFFICIENT, "loss the power is added to")
    a = linear(-_COEFFICIENT, _COEFFICIENT, "change of the loss at r = 1")
    k = nonlinear(-3.0, 3.0, "ratio exponent")


class CMRDomainTokens(Law):
    """Domain loss against tokens at one size and ratio, as a change from the loss before training.

    The paper counts tokens in units of 0.2B: its coefficient is a*(0.2e9/unit of D)**k.
    """

    name = "cmr-domain-tokens"
    formula = "L0 + b + a*D**k"
    reference = "Gu et al. 2024, arXiv:2407.17467, law of the domain loss in tokens"
    sides = (DOMAIN,)
    monotone = {"D": -1}  # noqa: RUF012

    b = linear(-_COEFFICIENT, _COEFFICIENT, "change the power is added to")
    a = linear(-_COEFFICIENT, _COEFFICIENT, "change after one unit of tokens")
    k = nonlinear(-3.0, 3.0, "token exponent")


class CMRGeneralTokens(Law):
    """General loss against tokens at one size and ratio: it may rise first and fall later.

    Two powers, as a change from the loss before training. The exponents are ordered, k and k + d, so
    that the terms cannot change places.
    """

    name = "cmr-general-tokens"
    formula = "L0 + b + a*D**k + c*D**(k + d)"
    reference = "Gu et al. 2024, arXiv:2407.17467, law of the general loss in tokens"
    sides = (GENERAL,)
    monotone = {}  # noqa: RUF012

    b = linear(-_COEFFICIENT, _COEFFICIENT, "change the powers are added to")
    a = linear(-_COEFFICIENT, _COEFFICIENT, "first change after one unit of tokens")
    c = linear(-_COEFFICIENT, _COEFFICIENT, "second change after one unit of tokens")
    k = nonlinear(-3.0, 3.0, "smaller token exponent")
    d = nonlinear(1e-2, 3.0, "larger token exponent less the smaller")
