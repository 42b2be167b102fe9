"""The multi-power law: the clock of a fall's gain lies between forward area and steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import Falls, KernelLaw
from dcpt.laws.curves.power_kernel import power_gain, power_growth
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]

REFERENCE_RATE = 1e-3
"""Rate that the law's clock is counted in, so that gamma and C are told apart: C of the paper, for rates as
they are, is C * REFERENCE_RATE**gamma here."""


class MultiPower(KernelLaw):
    """Loss along a curve: falls of the rate gain as a power of the forward area over the rate they fell to.

    gamma = 0 is the clock of the forward area, gamma = 1 that of steps. The size is K = B*beta: as beta goes
    to 0 the gain becomes logarithmic and only K stays known.

    Notes
    -----
    The paper's text has the warm-up leave no falls, its published parameters count the rise as negative ones
    (`with_warmup("signed")`); L0 of the two differ by about B times the peak rate.
    """

    name = "multi-power"
    formula = "L0 + A*S1**-alpha - K*sum(d*(1 - (1 + C*x*(eta/1e-3)**-gamma)**-beta)/beta)"
    reference = "Luo et al. 2025, arXiv:2503.12811"
    log_limit = "beta"
    starts = tuple(
        {"alpha": 0.5, "C": C, "beta": beta, "gamma": gamma}
        for C, beta, gamma in ((3.0, 0.5, 0.5), (100.0, 0.3, 0.2), (1.0, 0.1, 0.8), (10.0, 0.05, 0.0))
    )

    K = linear(0, 1e7, "gain per unit of a fall: B*beta")
    C = nonlinear(3e-4, 1e7, "pace of the gain at a rate of 1e-3", "1/(rate x steps)")
    beta = nonlinear(0, 20, "exponent of the gain; 0 is a logarithm")
    gamma = nonlinear(-1, 2, "how the pace depends on the rate fallen to")

    def _age(self, part: Falls, psi: Values) -> Array:
        return np.asarray(part.forward * (part.rate / REFERENCE_RATE) ** -psi["gamma"])

    def gains(self, part: Falls, psi: Values) -> Array:
        """What the falls have gained."""
        y = np.log1p(psi["C"] * self._age(part, psi))
        return part.gathered(power_gain(y, psi["beta"]))[:, None]

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By pace, exponent and clock."""
        _, pace, turn = power_growth(self._age(part, psi), psi["C"], psi["beta"])
        return {
            "C": part.gathered(pace)[:, None],
            "beta": part.gathered(turn)[:, None],
            "gamma": -psi["C"] * part.gathered(pace * np.log(part.rate / REFERENCE_RATE))[:, None],
        }

    def derived(self, params: Values) -> dict[str, float]:
        """B = K/beta, where beta is not 0, and C for rates as they are, as the paper prints them."""
        found = {"C_paper": params["C"] * REFERENCE_RATE ** params["gamma"]}
        return found | ({"B": params["K"] / params["beta"]} if params["beta"] > 0 else {})
