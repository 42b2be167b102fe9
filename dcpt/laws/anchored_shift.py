"""General loss from its value before continual pre-training: a gain by tokens, a cost of the mixture."""

from __future__ import annotations

from dcpt.core.symbols import GENERAL
from dcpt.laws.law import NOISE_DELTA, Law, linear, nonlinear


class AnchoredShift(Law):
    """General loss as the base's loss, less what more tokens gain, plus what leaving the mixture costs.

    At D = 0 it is the loss before continual pre-training, which can be measured on the target's own base:
    nothing about the base is extrapolated in N. More tokens lower it by a power of D that starts from the
    base, the faster the more of them are general. The cost grows as the share s of general tokens falls, by
    the logarithm, down to a floor eps*N**w*D**-c below which replay no longer shows. The floor falls with
    tokens: with replay the cost comes to rest where s is well above it, without replay (s = 0) it goes on
    growing with log D, the curve of forgetting. The loss may rise with D at little replay and fall at much.
    """

    name = "anchored-shift"
    formula = "L0*(1 + Q*N**p*D*s**g)**-h + S*N**v*log((1 + eps*N**w*D**-c)/(s + eps*N**w*D**-c))"
    reference = "this package; measured in experiments/domains_cpu"
    delta = NOISE_DELTA
    sides = (GENERAL,)
    # Neither N (the base carries most of it) nor D (see above) moves the loss one way everywhere.
    monotone = {"s": -1}  # noqa: RUF012

    # Where every run is short against the base the gain is a straight line in D: Q goes to 0 and h to its
    # bound, and only their product is known. On five sweeps p is 0.13 to 0.2, g 0.07 to 0.6, v -0.14 to
    # -0.08, eps 3e-4 to 0.004, w -1 to -0.6 and c 0.7 to 1.5. Wider bounds of p and v let toy data
    # extrapolate to absurd losses.
    S = linear(0.0, 1e3, "cost per factor of e in share, at one unit of size")
    Q = nonlinear(1e-3, 1e3, "rate of the gain at one unit of size", "1/unit of D")
    p = nonlinear(-0.5, 0.5, "size exponent of the gain's rate")
    g = nonlinear(0.0, 2.0, "share exponent of the gain's rate")
    h = nonlinear(0.01, 3.0, "token exponent of the gain")
    v = nonlinear(-0.5, 0.5, "size exponent of the cost")
    eps = nonlinear(1e-6, 10.0, "share below which replay no longer shows, after one unit of tokens")
    w = nonlinear(-1.0, 1.0, "size exponent of that share")
    c = nonlinear(0.01, 3.0, "token exponent of that share")
