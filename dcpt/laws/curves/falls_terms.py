"""The terms of the falls of the rate in the laws of continual pre-training dynamics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.laws.curves.dynamics_terms import Rows, Term
from dcpt.laws.curves.fall_kernel import FallKernel
from dcpt.laws.parameter import Parameter, linear, nonlinear

Array = NDArray[np.float64]
Values = Mapping[str, float]


def pretraining_falls(kernel: FallKernel, size: bool) -> Term:
    """Gain from the falls of the rate in pre-training; they go on gaining after the switch."""
    shapes = dict(kernel.shapes)
    if size:
        shapes["g1"] = _size_exponent("pre-training")

    def column(part: Rows, psi: Values) -> Array:
        if part.pre is None:
            raise ConfigError("this curve has no pre-training part.")
        gain = part.pre.gain(psi)
        return -gain * part.millions ** psi["g1"] if size else -gain

    def slopes(part: Rows, psi: Values) -> dict[str, Array]:
        assert part.pre is not None
        power = part.millions ** psi["g1"] if size else 1.0
        gain, grown = part.pre.growth(psi)
        found = {name: -slope * power for name, slope in grown.items()}
        if size:
            found["g1"] = -gain * power * np.log(part.millions)
        return found

    power = "*M**g1" if size else ""
    return Term(
        "C1",
        linear(0.0, 1e5, "gain per annealing area of pre-training"),
        shapes,
        column,
        slopes,
        f" - C1*S2pt{power}",
    )


def continual_falls(kernel: FallKernel, size: bool, share: bool) -> Term:
    """Gain from the falls of the rate in continual pre-training; rises count against it."""
    shapes = dict(kernel.shapes)
    if size:
        shapes["g2"] = _size_exponent("continual pre-training")
    if share:
        shapes["a1"] = nonlinear(-5.0, 5.0, "growth of the annealing gain with the share")

    def column(part: Rows, psi: Values) -> Array:
        total = np.zeros(len(part.S))
        for phase in part.phases:
            gain = phase.annealing.gain(psi)
            total -= gain * np.exp(psi["a1"] * phase.share) if share else gain
        return total * part.millions ** psi["g2"] if size else total

    def slopes(part: Rows, psi: Values) -> dict[str, Array]:
        power = part.millions ** psi["g2"] if size else 1.0
        found = {name: np.zeros(len(part.S)) for name in shapes}
        for phase in part.phases:
            scale = power * np.exp(psi["a1"] * phase.share) if share else power
            gain, grown = phase.annealing.growth(psi)
            for name, slope in grown.items():
                found[name] -= scale * slope
            if size:
                found["g2"] -= scale * gain * np.log(part.millions)
            if share:
                found["a1"] -= scale * gain * phase.share
        return found

    power, factor = "*M**g2" if size else "", "*exp(a1*s)" if share else ""
    return Term(
        "C2",
        linear(0.0, 1e5, "gain per annealing area of continual pre-training"),
        shapes,
        column,
        slopes,
        f" - C2*S2cpt{power}{factor}",
    )


def _size_exponent(phase: str) -> Parameter:
    # Free in sign: printed fits have it between .01 and .24; on measured cool-downs of models whose rate
    # falls with their width the gain fell with size.
    return nonlinear(-1.0, 1.0, f"exponent of the size in the annealing gain of {phase}")
