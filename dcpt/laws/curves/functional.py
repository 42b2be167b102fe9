"""The functional scaling law: what a fall gains may fade with the forward area it happens at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import Falls, KernelLaw
from dcpt.laws.curves.power_kernel import power_gain, power_growth
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]


class Functional(KernelLaw):
    """Loss along a curve: falls of the rate gain a constant part and one that fades with the forward area.

    The paper's c2*(c3 + S1**-alpha) has two linear sizes here, so that c3 = infinity, which real curves want,
    is K1 = 0 and no bound of a nonlinear parameter.
    """

    name = "functional"
    formula = "L0 + A*S1**-alpha - sum(d*(K + K1*S1k**-alpha)*(1 - (1 + C*x)**-beta)/beta)"
    reference = "Functional scaling law, Eq. 30, in the notation of Luo et al. 2025, arXiv:2503.12811"
    log_limit = "beta"
    starts = tuple(
        {"alpha": 0.5, "C": C, "beta": beta}
        for C, beta in ((3.0, 0.5), (100.0, 0.3), (1.0, 2.0), (1e3, 0.05))
    )

    K = linear(0, 1e7, "gain per unit of a fall: c2*c3*beta")
    K1 = linear(0, 1e7, "gain that fades with the forward area: c2*beta")
    C = nonlinear(3e-4, 1e7, "pace of the gain", "1/(rate x steps)")
    beta = nonlinear(0, 20, "exponent of the gain; 0 is a logarithm")

    def gains(self, part: Falls, psi: Values) -> Array:
        """The steady and the fading gain."""
        gain = power_gain(np.log1p(psi["C"] * part.forward), psi["beta"])
        return np.column_stack([part.gathered(gain), part.gathered(gain * part.at ** -psi["alpha"])])

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By pace, exponent and the exponent of the forward area."""
        gain, pace, turn = power_growth(part.forward, psi["C"], psi["beta"])
        faded = part.at ** -psi["alpha"]
        steady = np.zeros_like(part.area)
        return {
            "alpha": np.column_stack([steady, -part.gathered(gain * faded * np.log(part.at))]),
            "C": np.column_stack([part.gathered(pace), part.gathered(pace * faded)]),
            "beta": np.column_stack([part.gathered(turn), part.gathered(turn * faded)]),
        }

    def derived(self, params: Values) -> dict[str, float]:
        """The paper's c3, where the fading part is not 0."""
        return {"c3": params["K"] / params["K1"]} if params["K1"] > 0 else {}
