"""The two-memory law: falls of the rate gain fast and slowly at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import Falls, KernelLaw
from dcpt.laws.curves.momentum import momentum_gain, momentum_gain_slope
from dcpt.laws.parameter import linear, nonlinear

Array = NDArray[np.float64]


class TwoMemory(KernelLaw):
    """Loss along a curve: a power of the forward area less two annealing areas, of a short and a long memory.

    The gain of a fall is a mixture of two exponentials in steps: near a power of time over the range
    between the memories, which is what measured curves show.
    """

    name = "two-memory"
    formula = "L0 + A*S1**-alpha - C1*S2(tau) - C2*S2(tau*stretch)"
    reference = "Extends Tissue et al. 2024, arXiv:2408.11029, by a second memory"
    warmup = "signed"
    gains_at_zero = True
    starts = tuple(
        {"alpha": 0.5, "tau": tau, "stretch": stretch}
        for tau in (5.0, 100.0)
        for stretch in (6.0, 40.0, 300.0)
    )

    C1 = linear(0, 1e6, "gain per annealing area of the short memory")
    C2 = linear(0, 1e6, "gain per annealing area of the long memory")
    tau = nonlinear(1, 1e4, "the short memory", "steps")
    stretch = nonlinear(2, 1e3, "the long memory as a multiple of the short one")

    def gains(self, part: Falls, psi: Values) -> Array:
        """Both annealing areas."""
        memories = (psi["tau"], psi["tau"] * psi["stretch"])
        return np.column_stack([part.gathered(momentum_gain(part.steps, tau)) for tau in memories])

    def gain_slopes(self, part: Falls, psi: Values) -> Mapping[str, Array]:
        """By the short memory and the stretch."""
        short = part.gathered(momentum_gain_slope(part.steps, psi["tau"]))
        long = part.gathered(momentum_gain_slope(part.steps, psi["tau"] * psi["stretch"]))
        return {
            "tau": np.column_stack([short, long * psi["stretch"]]),
            "stretch": np.column_stack([np.zeros_like(long), long * psi["tau"]]),
        }

    def derived(self, params: Values) -> dict[str, float]:
        """B, the whole gain per unit of a fall, and the short memory's share of it."""
        memories = (params["tau"], params["tau"] * params["stretch"])
        whole = [
            params[name] / -float(np.expm1(-1.0 / tau))
            for name, tau in zip(("C1", "C2"), memories, strict=True)
        ]
        total = sum(whole)
        return {"B": total, "short_share": whole[0] / total if total > 0 else 0.0}
