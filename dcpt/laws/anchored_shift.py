"""General loss from its value before continual pre-training: a gain and a cost that grow with tokens."""

from __future__ import annotations

from dcpt.core.symbols import GENERAL
from dcpt.laws.law import Law, linear, nonlinear


class AnchoredShift(Law):
    """General loss as the base's loss, less what more tokens gain, plus what leaving the mixture costs.

    At D = 0 it is the loss before continual pre-training, which can be measured on the target's own base:
    nothing about the base is extrapolated in N. The cost grows with D, falls with the share s of general
    tokens, is zero at s = 1 and finite at s = 0, where it is the curve of forgetting without replay; it
    lets the loss rise with D at little replay and fall at much.
    """

    name = "anchored-shift"
    formula = "L0 - P*N**p*D**h + S*N**v*D**b*log((1 + eps)/(s + eps))"
    reference = "this package; measured in experiments/domains_cpu"
    sides = (GENERAL,)
    # Neither N (the base carries most of it) nor D (see above) moves the loss one way everywhere.
    monotone = {"s": -1}  # noqa: RUF012

    # Fitted exponents of D lie between 0.1 and 1.3; those of N within 0.2 of 0. Beyond an eps of 0.5 the
    # logarithm is a straight line.
    P = linear(0.0, 1e3, "gain after one unit of tokens at one unit of size")
    p = nonlinear(-1.0, 1.0, "size exponent of the gain")
    h = nonlinear(0.01, 2.0, "token exponent of the gain")
    S = linear(0.0, 1e3, "cost per factor of e in share, after one unit of tokens at one unit of size")
    v = nonlinear(-1.0, 1.0, "size exponent of the cost")
    b = nonlinear(1e-3, 2.0, "token exponent of the cost")
    eps = nonlinear(1e-6, 0.5, "offset of the share")
