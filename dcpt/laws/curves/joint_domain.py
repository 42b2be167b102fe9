"""Domain loss along continual pre-training, for every size, mixture and schedule at once."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dcpt.core.symbols import DOMAIN
from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.joint import JointLaw, JointRows
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]


class JointDomain(JointLaw):
    """Domain loss as a surface over forward area and share, with the base's general loss as the size.

    The law `base-surface` with the forward area of continual pre-training, over that of pre-training, in the
    place of the tokens, less the gain of every fall of the rate. At the switch it is the base's own domain
    loss. It describes the fitted range of areas and shares and says nothing far outside.
    """

    name = "joint-domain"
    formula = (
        "exp(t*log(L0) + (1 - t)*(f + a*G + (b + p*G)*X + (g + q*G)*Y + u*X**2 + v*Y**2"
        " + (w + z*X + y*G)*X*Y)) - C*R; t = 1/(1 + Q*x), x = S1cpt/S1pt, X = log(x/0.05), G = log(G0/3), "
        "Y = log((s + 0.05)/1.05), R = gain of the falls of the rate since the switch"
    )
    reference = "this package; measured in experiments/cpt_dynamics_cpu and experiments/domains_cpu"
    sides = (DOMAIN,)
    needs = ("s", "L0", "G0")
    # A single size says nothing of what changes with the base's loss; where areas or shares lie close
    # together, their curvatures are worth less than they cost on longer runs.
    prior = MappingProxyType(
        {"a": (1.5, 1.0), "p": (0.0, 0.5), "q": (0.0, 0.5), "y": (0.0, 0.2)}
        | {"u": (0.0, 0.03), "v": (0.0, 0.03), "w": (0.0, 0.05), "z": (0.0, 0.02)}
    )
    starts = tuple(
        {"f": 1.0, "a": 1.0, "b": -0.1, "g": -0.15, "Q": Q}
        | dict.fromkeys(("p", "q", "u", "v", "w", "z", "y"), 0.0)
        for Q in (100.0, 1000.0)
    )

    C = linear(0.0, 1e3, "gain per fall of the rate by the base's peak")
    f = nonlinear(-10.0, 10.0, "log loss at x = 0.05, s = 1 and a base of 3 nats")
    a = nonlinear(-20.0, 20.0, "elasticity to the base's general loss there")
    b = nonlinear(-5.0, 5.0, "slope in log area")
    g = nonlinear(-5.0, 5.0, "slope in log share")
    p = nonlinear(-20.0, 20.0, "change of the area slope with the log base loss")
    q = nonlinear(-20.0, 20.0, "change of the share slope with the log base loss")
    u = nonlinear(-5.0, 5.0, "curvature in log area")
    v = nonlinear(-5.0, 5.0, "curvature in log share")
    w = nonlinear(-5.0, 5.0, "change of the area slope with the log share")
    z = nonlinear(-5.0, 5.0, "change of the area curvature with the log share")
    y = nonlinear(-20.0, 20.0, "change of w with the log base loss")
    Q = nonlinear(0.1, 1e5, "pace at which the surface takes over from the base's loss")

    def columns(self, part: JointRows, psi: Values) -> tuple[Array, Array]:
        """The surface; and the annealing gain with a minus."""
        X, G, Y = np.log(part.area / 0.05), np.log(part.G0 / 3.0), np.log((part.s + 0.05) / 1.05)
        start = 1.0 / (1.0 + psi["Q"] * part.area)
        surface = (
            psi["f"]
            + psi["a"] * G
            + (psi["b"] + psi["p"] * G) * X
            + (psi["g"] + psi["q"] * G) * Y
            + psi["u"] * X**2
            + psi["v"] * Y**2
            + (psi["w"] + psi["z"] * X + psi["y"] * G) * X * Y
        )
        # 50: far outside what is fitted a surface may grow without limit.
        log_loss = np.minimum(start * np.log(part.L0) + (1.0 - start) * surface, 50.0)
        return np.exp(log_loss), -part.gain[:, None]
