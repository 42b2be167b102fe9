"""Loss after continual pre-training from the base's loss: a surface of logarithms."""

from __future__ import annotations

from dcpt.laws.law import NOISE_DELTA, Law, nonlinear


class BaseSurface(Law):
    """Log loss as a surface over log tokens and log share, with the base's general loss as the size.

    What a model loses by being small shows in its general loss before continual pre-training, which can
    be measured on the target's own base; the losses after it follow that loss more closely than they
    follow N. Its effect has a slope of its own at every D and share, and so has the curvature in D at
    every share: where the domain is rare the loss is still on its way down when elsewhere it flattens.
    Before the first token of its own side (s*D = 0) the loss is the base's own, from which the surface takes
    over after 1/Q tokens and slowly: of powers from 0.3 to 1, 0.3 predicts larger models best. The surface
    describes the fitted range of D and s and says nothing far outside; it knows no irreducible loss.
    """

    name = "base-surface"
    formula = (
        "exp((1 + Q*s*D)**-0.3*log(L0) + (1 - (1 + Q*s*D)**-0.3)*(c + a*log(G0/3)"
        " + (b + p*log(G0/3))*log(D) + (g + q*log(G0/3))*log((s + 0.05)/1.05)"
        " + u*log(D)**2 + v*log((s + 0.05)/1.05)**2"
        " + (w + x*log(D) + y*log(G0/3))*log(D)*log((s + 0.05)/1.05)))"
    )
    reference = "this package; measured in experiments/domains_cpu"
    delta = NOISE_DELTA
    # No sign is promised: where a general loss rises with D at little replay, the surface follows.
    monotone = {}  # noqa: RUF012

    # Given Q, the log loss is linear in the others: the fit is a (robust) linear regression.
    # Slopes of real losses lie within 0.5 of 0; those with G0 within 5.
    c = nonlinear(-10.0, 10.0, "log loss at one unit of tokens, s = 1 and a base of 3 nats")
    a = nonlinear(-20.0, 20.0, "elasticity to the base's loss at one unit of tokens and s = 1")
    b = nonlinear(-5.0, 5.0, "slope in log tokens")
    g = nonlinear(-5.0, 5.0, "slope in log share")
    p = nonlinear(-20.0, 20.0, "change of the token slope with the log base loss")
    q = nonlinear(-20.0, 20.0, "change of the share slope with the log base loss")
    u = nonlinear(-5.0, 5.0, "curvature in log tokens")
    v = nonlinear(-5.0, 5.0, "curvature in log share")
    w = nonlinear(-5.0, 5.0, "change of the token slope with the log share")
    x = nonlinear(-5.0, 5.0, "change of the token curvature with the log share")
    y = nonlinear(-20.0, 20.0, "change of w with the log base loss")
    Q = nonlinear(0.1, 1e4, "rate at which the surface takes over from the base's loss", "1/unit of D")
