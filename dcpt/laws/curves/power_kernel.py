"""Laws whose clock is the forward area: falls of the rate gain as the rates after them add up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import Falls, KernelLaw
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]

_SMALL = 1e-6


def power_gain(y: Array, beta: float) -> Array:
    """(1 - exp(-beta*y)) / beta, which is y itself at beta = 0.

    With y = log(1 + C*x) it is a power of 1 + C*x that turns into a logarithm.
    """
    if beta < _SMALL:
        return np.asarray(y * (1.0 - 0.5 * beta * y))
    return np.asarray(-np.expm1(-beta * y) / beta)


def power_gains(y: Array, beta: float) -> tuple[Array, Array]:
    """`power_gain` and its derivative by beta."""
    x = beta * y
    if beta < _SMALL:
        return power_gain(y, beta), y * y * (-0.5 + x / 3.0 - x * x / 8.0)
    fallen = np.expm1(-x)
    # expm1(-x) + x*exp(-x), which cancels for small x.
    closed = (fallen + x * (1.0 + fallen)) / beta**2
    near = x < 1e-3
    if near.any():
        closed[near] = y[near] ** 2 * (-0.5 + x[near] / 3.0 - x[near] ** 2 / 8.0)
    return np.asarray(-fallen / beta), closed


def power_growth(area: Array, pace: float, beta: float) -> tuple[Array, Array, Array]:
    """Gain (1 - (1 + pace*area)**-beta)/beta, and its derivatives by pace and beta, of shape as `area`."""
    grown = pace * area
    gain, slope = power_gains(np.log1p(grown), beta)
    # 1 - beta*gain is (1 + pace*area)**-beta.
    return gain, area * (1.0 - beta * gain) / (1.0 + grown), slope


class IntrinsicExponential(KernelLaw):
    """Loss along a curve: falls of the rate gain exponentially in the forward area after them."""

    name = "intrinsic-exponential"
    formula = "L0 + A*S1**-alpha - B*sum(d*(1 - exp(-c*x)))"
    reference = "The momentum law of Tissue et al. 2024 (arXiv:2408.11029) with the forward area as clock"
    starts = tuple({"alpha": 0.5, "c": c} for c in (0.3, 3.0, 30.0, 300.0))

    B = linear(0, 1e7, "gain per unit of a fall in the long run")
    c = nonlinear(1e-4, 1e6, "pace of the gain", "1/(rate x steps)")

    def gains(self, part: Falls, psi: Values) -> Array:
        """What the falls have gained."""
        return part.gathered(-np.expm1(-psi["c"] * part.forward))[:, None]

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By the pace."""
        return {"c": part.gathered(part.forward * np.exp(-psi["c"] * part.forward))[:, None]}


class IntrinsicPower(KernelLaw):
    """Loss along a curve: falls of the rate gain as a power of the forward area after them.

    The size is K = B*beta rather than B: as beta goes to 0 the gain becomes K*log(1 + C*x), and only K stays
    known. `derived` gives B.
    """

    name = "intrinsic-power"
    formula = "L0 + A*S1**-alpha - K*sum(d*(1 - (1 + C*x)**-beta)/beta)"
    reference = "Luo et al. 2025, arXiv:2503.12811, with gamma = 0"
    warmup = "signed"
    log_limit = "beta"
    starts = tuple(
        {"alpha": 0.5, "C": C, "beta": beta}
        for C, beta in ((3.0, 0.5), (100.0, 0.3), (1.0, 2.0), (1e3, 0.05))
    )

    K = linear(0, 1e7, "gain per unit of a fall: B*beta")
    C = nonlinear(3e-4, 1e7, "pace of the gain", "1/(rate x steps)")
    beta = nonlinear(0, 20, "exponent of the gain; 0 is a logarithm")

    def gains(self, part: Falls, psi: Values) -> Array:
        """What the falls have gained."""
        return part.gathered(power_gain(np.log1p(psi["C"] * part.forward), psi["beta"]))[:, None]

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By pace and exponent."""
        _, pace, turn = power_growth(part.forward, psi["C"], psi["beta"])
        return {"C": part.gathered(pace)[:, None], "beta": part.gathered(turn)[:, None]}

    def derived(self, params: Values) -> dict[str, float]:
        """B = K/beta, where beta is not 0."""
        return {"B": params["K"] / params["beta"]} if params["beta"] > 0 else {}
