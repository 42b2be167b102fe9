"""What a fall of the learning rate has gained by a later step: the annealing kernels to choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dcpt.core.annealing import ANNEALING_MEMORY
from dcpt.core.errors import ConfigError
from dcpt.laws.curves.curve_law import Values
from dcpt.laws.curves.kernel import LEAST_RATE
from dcpt.laws.curves.momentum import momentum_gain, momentum_gain_slope
from dcpt.laws.curves.multi_power import REFERENCE_RATE
from dcpt.laws.curves.power_kernel import power_gain, power_growth
from dcpt.laws.curves.rate_power import RatePower
from dcpt.laws.parameter import Parameter, nonlinear

Array = NDArray[np.float64]
Weight = Callable[[Array, Array, Values], Array]
Growth = tuple[Array, Mapping[str, Array]]

PUBLISHED_TAU = float(-1.0 / np.log(ANNEALING_MEMORY))
"""Memory in steps that loses a thousandth per step."""


@dataclass(frozen=True)
class FallKernel:
    """How the gain from one fall of the rate builds up.

    A fall into step k has at step t an age n = t - k + 1 in steps and x = T_t - T_(k-1) in forward area, the
    sum of the rates of steps k to t.

    Attributes
    ----------
    name : str
        momentum, memory, intrinsic-exponential, intrinsic-power or rate-power.
    stops : bool
        Whether nothing more is gained at a rate of 0; a kernel on steps goes on gaining there.
    shapes : mapping
        Its nonlinear parameters.
    starts : tuple of mapping
        Their values at the starts of a fit.
    formula : str
        The gain per unit of fall.
    curved : bool
        Whether a fall counts as the difference of a power p of the rates before and after it, in units of a
        reference rate, instead of the difference itself.
    prior : mapping
        Nonlinear parameter to (centre, width) of what it is expected to be, where the data do not say.
    """

    name: str
    stops: bool
    shapes: Mapping[str, Parameter]
    starts: tuple[Values, ...]
    formula: str
    _weight: Weight = field(repr=False)
    _slope: Weight = field(repr=False)
    _growth: Callable[[Array, Array, Values], Growth] = field(repr=False)
    curved: bool = False
    prior: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))

    def size(self, high: Array, low: Array, psi: Values) -> Array:
        """What falls between two rates count as, shape as `high`."""
        if not self.curved:
            return high - low
        # A rate computed as a difference may end a rounding below 0, where a power has no value.
        above, below = (np.maximum(rate, 0.0) / REFERENCE_RATE for rate in (high, low))
        return np.asarray(above ** psi["p"] - below ** psi["p"])

    def size_slope(self, rate: Array, psi: Values) -> Array:
        """Derivative of `size` by the rate before the fall; with a minus, by the one after it."""
        if not self.curved:
            return np.ones_like(rate)
        least = np.maximum(rate, LEAST_RATE * REFERENCE_RATE) / REFERENCE_RATE
        return np.asarray(psi["p"] * least ** (psi["p"] - 1.0) / REFERENCE_RATE)

    def size_power_slope(self, high: Array, low: Array, psi: Values) -> Array:
        """Derivative of `size` by the power p of a curved kernel."""
        ends = [np.maximum(rate, 0.0) / REFERENCE_RATE for rate in (high, low)]
        # A rate of 0 keeps nothing up, whatever the power.
        slopes = [rate ** psi["p"] * np.log(np.where(rate > 0, rate, 1.0)) for rate in ends]
        return np.asarray(slopes[0] - slopes[1])

    def weight(self, age: Array, forward: Array, psi: Values) -> Array:
        """Gain per unit of fall at an age in steps and in forward area, shape as `age`."""
        return self._weight(age, forward, psi)

    def slope(self, age: Array, forward: Array, psi: Values) -> Array:
        """Derivative of `weight` by the forward area."""
        return self._slope(age, forward, psi)

    def growth(self, age: Array, forward: Array, psi: Values) -> Growth:
        """`weight`, and its derivatives by the kernel's own parameters but p, each of shape as `age`."""
        return self._growth(age, forward, psi)


def _steps_weight(age: Array, forward: Array, psi: Values) -> Array:
    return momentum_gain(age, psi.get("tau", PUBLISHED_TAU))


def _steps_slope(age: Array, forward: Array, psi: Values) -> Array:
    return np.zeros_like(forward)


def _steps_growth(age: Array, forward: Array, psi: Values) -> Growth:
    slopes = {"tau": momentum_gain_slope(age, psi["tau"])} if "tau" in psi else {}
    return _steps_weight(age, forward, psi), slopes


def _exponential_weight(age: Array, forward: Array, psi: Values) -> Array:
    return np.asarray(-np.expm1(-psi["c"] * forward))


def _exponential_slope(age: Array, forward: Array, psi: Values) -> Array:
    return np.asarray(psi["c"] * np.exp(-psi["c"] * forward))


def _exponential_growth(age: Array, forward: Array, psi: Values) -> Growth:
    gain = _exponential_weight(age, forward, psi)
    return gain, {"c": forward * (1.0 - gain)}


def _power_weight(age: Array, forward: Array, psi: Values) -> Array:
    return power_gain(np.log1p(psi["c"] * forward), psi["b"])


def _power_slope(age: Array, forward: Array, psi: Values) -> Array:
    return np.asarray(psi["c"] * np.exp(-(psi["b"] + 1.0) * np.log1p(psi["c"] * forward)))


def _power_growth(age: Array, forward: Array, psi: Values) -> Growth:
    gain, pace, turn = power_growth(forward, psi["c"], psi["b"])
    return gain, {"c": pace, "b": turn}


_PACE = nonlinear(3e-4, 1e7, "pace of a fall's gain", "1/(rate x steps)")
_EXPONENT = nonlinear(0.0, 20.0, "exponent of a fall's gain; 0 is a logarithm")

KERNELS: Mapping[str, FallKernel] = MappingProxyType(
    {
        kernel.name: kernel
        for kernel in (
            FallKernel(
                "momentum",
                False,
                {},
                ({},),
                "(1 - 0.999**n)/(1 - 0.999)",
                _steps_weight,
                _steps_slope,
                _steps_growth,
            ),
            FallKernel(
                "memory",
                False,
                {"tau": nonlinear(1.0, 1e5, "memory of a fall of the rate", "steps")},
                ({"tau": 1000.0}, {"tau": 100.0}),
                "(1 - exp(-n/tau))/(1 - exp(-1/tau))",
                _steps_weight,
                _steps_slope,
                _steps_growth,
            ),
            FallKernel(
                "intrinsic-exponential",
                True,
                {"c": _PACE},
                ({"c": 3.0}, {"c": 100.0}),
                "1 - exp(-c*x)",
                _exponential_weight,
                _exponential_slope,
                _exponential_growth,
            ),
            FallKernel(
                "intrinsic-power",
                True,
                {"c": _PACE, "b": _EXPONENT},
                ({"c": 3.0, "b": 0.5}, {"c": 1000.0, "b": 0.1}),
                "(1 - (1 + c*x)**-b)/b",
                _power_weight,
                _power_slope,
                _power_growth,
            ),
            FallKernel(
                "rate-power",
                True,
                {"c": _PACE, "b": _EXPONENT, "p": nonlinear(0.1, 2.0, "power of the rate that a fall is of")},
                ({"c": 100.0, "b": 0.3, "p": 0.8}, {"c": 3.0, "b": 1.0, "p": 0.9}),
                "((eta[k-1]/1e-3)**p - (eta[k]/1e-3)**p)*(1 - (1 + c*x)**-b)/b in the place of each fall",
                _power_weight,
                _power_slope,
                _power_growth,
                curved=True,
                prior=MappingProxyType({"b": RatePower.prior["beta"]}),
            ),
        )
    }
)
"""Momentum: Tissue et al. 2024 (arXiv:2408.11029), its memory 0.999 per step as in Wang et al. 2025
(arXiv:2505.07796); memory: the same, fitted; the intrinsic ones run on the forward area, the clock of
Luo et al. 2025 (arXiv:2503.12811) at gamma = 0; rate-power: that of the law of one phase of this name."""


def fall_kernel(name: str) -> FallKernel:
    """Look a kernel up.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    found = KERNELS.get(name)
    if found is None:
        raise ConfigError(f"annealing kernel {name!r} is unknown; wanted one of {', '.join(KERNELS)}.")
    return found
