"""General loss along continual pre-training, for every size, mixture and schedule at once."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.joint import LEAST_AREA, JointLaw, JointRows
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]

_LEAST_POWER = 1e-6


class JointGeneral(JointLaw):
    """General loss from its value before continual pre-training, for any size, mixture and schedule.

    The law `anchored-shift` with the forward area of continual pre-training, over that of pre-training, in
    the place of the tokens, and with the gain of every fall of the rate: what more training gains, starting
    from the base's loss; what leaving its mixture costs, with a floor of the replay share that falls as
    training goes on; what annealing gains, where the falls of pre-training go on gaining and the re-warm-up
    loses.
    """

    name = "joint-general"
    formula = (
        "L0*(1 + Q*M**p*x*s**g)**-h + S*M**v*(((1 + e)/(s + e))**k - 1)/k - C*R; e = eps*M**w*x**-c, "
        "x = S1cpt/S1pt, R = gain of the falls of the rate since the switch, M = N/1e6"
    )
    reference = "this package; measured in experiments/cpt_dynamics_cpu and experiments/domains_cpu"
    sides = (GENERAL,)
    needs = ("N", "s", "L0")
    # A single size says nothing of the size exponents, a few shares little of k.
    prior = MappingProxyType(
        {"p": (0.0, 0.5), "g": (0.7, 0.5), "v": (0.0, 0.3), "w": (-0.5, 0.5), "k": (0.1, 0.1)}
    )
    starts = tuple(
        {"Q": Q, "p": 0.0, "g": 0.7, "h": h, "v": 0.0, "eps": eps, "w": -0.5, "c": c, "k": 0.1}
        for Q, h, eps, c in ((2.0, 0.2, 0.02, 1.0), (0.5, 0.5, 0.005, 1.3), (20.0, 0.05, 0.05, 0.7))
    )

    S = linear(0.0, 1e3, "cost per factor of e in share, at a million parameters")
    C = linear(0.0, 1e3, "gain per fall of the rate by the base's peak")
    Q = nonlinear(1e-3, 1e3, "pace of the gain at a million parameters")
    p = nonlinear(-2.0, 2.0, "size exponent of that pace")
    g = nonlinear(0.0, 2.0, "share exponent of that pace")
    h = nonlinear(0.01, 3.0, "exponent of the gain")
    v = nonlinear(-1.0, 1.0, "size exponent of the cost")
    eps = nonlinear(1e-6, 10.0, "share below which replay no longer shows, after the base's forward area")
    w = nonlinear(-2.0, 2.0, "size exponent of that share")
    c = nonlinear(0.01, 3.0, "forward area exponent of that share")
    k = nonlinear(0.0, 1.0, "exponent of the share in the cost; 0 is a logarithm")

    def columns(self, part: JointRows, psi: Values) -> tuple[Array, Array]:
        """The gain from the base's loss; the cost of the mixture and, with a minus, the annealing gain."""
        pace = psi["Q"] * part.N ** psi["p"] * part.s ** psi["g"]
        # No area, no cost, however small c is: there the floor has no limit.
        begun = part.area > LEAST_AREA
        floor = np.where(begun, psi["eps"] * part.N ** psi["w"] * part.area ** -psi["c"], np.inf)
        # 1e-300: without replay and with a floor of 0 the cost has no limit.
        far = np.log1p((1.0 - part.s) / np.maximum(part.s + floor, 1e-300))
        k = psi["k"]
        cost = far * (1.0 + 0.5 * k * far) if k < _LEAST_POWER else np.expm1(k * far) / k
        offset = part.L0 * np.exp(-psi["h"] * np.log1p(pace * part.area))
        return offset, np.column_stack([part.N ** psi["v"] * cost, -part.gain])
