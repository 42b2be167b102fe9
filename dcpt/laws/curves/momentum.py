"""The momentum law: a fall of the rate gains what its momentum gathers, with a memory in steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import Falls, KernelLaw
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]


def momentum_gain(age: Array, tau: float) -> Array:
    """Sum of the momentum a unit fall leaves over `age` steps, with the memory tau in steps."""
    return np.asarray(np.expm1(-age / tau) / np.expm1(-1.0 / tau))


def momentum_gain_slope(age: Array, tau: float) -> Array:
    """Derivative of `momentum_gain` by tau."""
    kept, one = np.exp(-age / tau), -np.expm1(-1.0 / tau)
    slope = (1.0 - kept) * (1.0 - one) - age * kept * one
    return np.asarray(slope / (tau * one) ** 2)


class Momentum(KernelLaw):
    """Loss along a curve: a power of the forward area S1 less the annealing area S2.

    The memory of S2 is fitted, as the time tau in steps over which the momentum of a fall fades:
    memory = exp(-1/tau), so that the usual 0.999 is tau = 1000.

    Notes
    -----
    S2 goes on growing while the rate is 0: zero-rate steps at the end of a schedule lower the prediction
    further and further, though nothing is learnt in them. Schedules with such a tail are flagged.
    """

    name = "momentum"
    formula = "L0 + A*S1**-alpha - C*S2(tau)"
    reference = "Tissue et al. 2024, arXiv:2408.11029"
    gains_at_zero = True
    starts = tuple(
        {"alpha": alpha, "tau": tau} for alpha, tau in ((0.5, 300.0), (0.5, 3000.0), (0.3, 1000.0))
    )

    C = linear(0, 1e6, "gain per annealing area")
    tau = nonlinear(1, 1e5, "memory of a fall of the rate", "steps")

    def gains(self, part: Falls, psi: Values) -> Array:
        """The annealing area."""
        return part.gathered(momentum_gain(part.steps, psi["tau"]))[:, None]

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By the memory."""
        return {"tau": part.gathered(momentum_gain_slope(part.steps, psi["tau"]))[:, None]}

    def derived(self, params: Values) -> dict[str, float]:
        """The memory per step, and B = C/(1 - memory), the whole gain per unit of a fall."""
        memory = float(np.exp(-1.0 / params["tau"]))
        return {"memory": memory, "B": params["C"] / -float(np.expm1(-1.0 / params["tau"]))}
