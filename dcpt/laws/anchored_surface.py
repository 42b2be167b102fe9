"""General loss from its value before continual pre-training, times a surface of logarithms."""

from __future__ import annotations

from dcpt.core.symbols import GENERAL
from dcpt.laws.law import NOISE_DELTA, Law, nonlinear


class AnchoredSurface(Law):
    """Log ratio of the general loss to that of the base, as a quadratic of log tokens and log share.

    Its slopes change with log N. Like `base-surface` it describes the fitted range of D and s and
    says nothing far outside; it is anchored at the base's loss with an elasticity of one.
    """

    name = "anchored-surface"
    formula = (
        "L0*exp(c + d*log(N) + (b + p*log(N))*log(D) + (g + q*log(N))*log((s + 0.05)/1.05)"
        " + u*log(D)**2 + v*log((s + 0.05)/1.05)**2 + w*log(D)*log((s + 0.05)/1.05))"
    )
    reference = "this package; measured in experiments/domains_cpu"
    delta = NOISE_DELTA
    sides = (GENERAL,)
    monotone = {}  # noqa: RUF012

    # The log loss is linear in all nine: one optimum.
    c = nonlinear(-10.0, 10.0, "log ratio at one unit of size and tokens, s = 1")
    d = nonlinear(-5.0, 5.0, "slope in log size, beyond that of the base")
    b = nonlinear(-5.0, 5.0, "slope in log tokens")
    g = nonlinear(-5.0, 5.0, "slope in log share")
    p = nonlinear(-5.0, 5.0, "change of the token slope with log size")
    q = nonlinear(-5.0, 5.0, "change of the share slope with log size")
    u = nonlinear(-5.0, 5.0, "curvature in log tokens")
    v = nonlinear(-5.0, 5.0, "curvature in log share")
    w = nonlinear(-5.0, 5.0, "change of the token slope with the log share")
