"""How replay scales the distribution shift: the factors of a loss curve's shift term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.laws.curves.differences import difference_ends

Array = NDArray[np.float64]
Values = Mapping[str, float]

DEFAULT = "default"
"""Shifted power of the share of the side's own tokens, the domain loss's rising where the general loss's
falls. The published pair of exponentials leaves the general loss flat at small replay, where in measured
tables the first hundredths do most; the plain power has no limit without replay.

With replay shares of 0.1, 0.25, 0.5 and 0.9 left out in turn (experiments/cpt_dynamics_cpu, size w80, kernel
rate-power) it missed the general loss by 0.62, 0.26, 0.26 and 0.48 %, the plain power by 0.68, 0.32, 0.28 and
0.56 %; the domain loss by 0.39, 0.39, 0.28 and 3.00 %, the saturating exponential by 0.66, 0.52, 0.76 and
5.32 %."""

SMALLEST_SHARE = 1e-6
"""A share below it counts as none."""


@dataclass(frozen=True)
class ReplayFactor:
    """A factor of the shift, as a function of the share s of the side the loss is measured on.

    The factors with a limit at pure domain training are 1 there, so that the size of the shift is that of a
    run without replay.

    Attributes
    ----------
    name : str
        default, power, shifted-power, log, growing or saturating.
    formulas : mapping
        Side to the factor as text; sides without one have no such factor.
    shapes : mapping
        Nonlinear parameter to its (lowest, highest, first start, second start).
    meanings : mapping
        Nonlinear parameter to what it means.
    """

    name: str
    formulas: Mapping[str, str]
    shapes: Mapping[str, tuple[float, float, float, float]]
    meanings: Mapping[str, str]
    _value: Mapping[str, Callable[[Array, Values], Array]] = field(repr=False)
    finite_without_replay: bool = True

    @property
    def sides(self) -> tuple[str, ...]:
        """Sides whose loss the factor is for."""
        return tuple(side for side in ROLES if side in self.formulas)

    def __call__(self, side: str, share: ArrayLike, values: Values) -> Array:
        """Value of the factor, shape as `share`.

        Parameters
        ----------
        side : {"general", "domain"}
            Whose loss it is.
        share : array_like
            Share of the training tokens from that side, in [0, 1].
        values : mapping
            The factor's parameters.

        Raises
        ------
        ConfigError
            When the factor is not for that side, a share is no share, or there is no replay and no limit.
        """
        if side not in self._value:
            raise ConfigError(
                f"replay factor {self.name}: side is {side!r}; wanted one of {', '.join(self.sides)}."
            )
        s = np.asarray(share, dtype=np.float64)
        if not ((s >= 0) & (s <= 1)).all():
            raise ConfigError(f"replay factor {self.name}: a share is {_first_outside(s):g}; wanted [0, 1].")
        if side == GENERAL and not self.finite_without_replay and (s < SMALLEST_SHARE).any():
            raise ConfigError(
                f"replay factor {self.name}: a share of the {side} side is 0, where the factor has no limit.",
                hint="take +replay or +replay-log, which are finite without replay",
            )
        return self._value[side](s, values)

    def slopes(self, side: str, share: ArrayLike, values: Values) -> dict[str, Array]:
        """Derivatives of the factor by its parameters, each of shape as `share`; central differences."""
        found = {}
        for name, (lo, hi, *_) in self.shapes.items():
            ahead, behind = difference_ends(values[name], lo, hi)
            up, down = (self(side, share, {**values, name: end}) for end in (ahead, behind))
            found[name] = (up - down) / (ahead - behind)
        return found


def _first_outside(s: Array) -> float:
    wrong = np.atleast_1d(s)
    return float(wrong[~((wrong >= 0) & (wrong <= 1))][0])


def _exponential(x: Array, rate: float) -> Array:
    """(e^(rate x) - 1) / (e^rate - 1), which is x at rate 0."""
    return x if abs(rate) < 1e-9 else np.asarray(np.expm1(rate * x) / np.expm1(rate))


def _power(s: Array, values: Values) -> Array:
    log, k = np.log(s), values["k"]
    return -log if k < 1e-12 else np.asarray(np.expm1(-k * log) / k)


def _shifted_power(s: Array, values: Values) -> Array:
    eps, k = values["eps"], values["k"]
    near, far = np.log((1 + eps) / (s + eps)), np.log((1 + eps) / eps)
    return np.asarray(near / far if k < 1e-12 else np.expm1(k * near) / np.expm1(k * far))


def _log(s: Array, values: Values) -> Array:
    eps = values["eps"]
    return np.asarray(np.log((1 + eps) / (s + eps)) / np.log((1 + eps) / eps))


# Starts: power exponents and rates seen on measured replay tables lie between .1 and .6 and between 1 and 10;
# rates to 100 as in the laws of losses against replay alone.
_K = (0.0, 3.0, 0.2, 0.8)
_EPS = (1e-6, 1.0, 3e-3, 5e-2)
_A = (1e-3, 100.0, 1.5, 8.0)

_SHIFTED = "(((1 + eps)/(s + eps))**k - 1)/(((1 + eps)/eps)**k - 1)"

FACTORS: Mapping[str, ReplayFactor] = MappingProxyType(
    {
        factor.name: factor
        for factor in (
            ReplayFactor(
                DEFAULT,
                {GENERAL: _SHIFTED, DOMAIN: f"1 - {_SHIFTED}"},
                {"k": _K, "eps": _EPS},
                {"k": "exponent of the side's own share", "eps": "offset of that share"},
                {GENERAL: _shifted_power, DOMAIN: lambda s, values: 1.0 - _shifted_power(s, values)},
            ),
            ReplayFactor(
                "power",
                {GENERAL: "(s**-k - 1)/k"},
                {"k": _K},
                {"k": "exponent of the replay share"},
                {GENERAL: _power},
                finite_without_replay=False,
            ),
            ReplayFactor(
                "shifted-power",
                {GENERAL: _SHIFTED},
                {"k": _K, "eps": _EPS},
                {"k": "exponent of the replay share", "eps": "offset of the replay share"},
                {GENERAL: _shifted_power},
            ),
            ReplayFactor(
                "log",
                {GENERAL: "log((1 + eps)/(s + eps))/log((1 + eps)/eps)"},
                {"eps": _EPS},
                {"eps": "offset of the replay share"},
                {GENERAL: _log},
            ),
            ReplayFactor(
                "growing",
                {GENERAL: "(exp(a*(1 - s)) - 1)/(exp(a) - 1)", DOMAIN: "(exp(a*s) - 1)/(exp(a) - 1)"},
                {"a": _A},
                {"a": "rate of the domain share"},
                {
                    GENERAL: lambda s, values: _exponential(1 - s, values["a"]),
                    DOMAIN: lambda s, values: _exponential(s, values["a"]),
                },
            ),
            ReplayFactor(
                "saturating",
                {GENERAL: "(1 - exp(-a*(1 - s)))/(1 - exp(-a))", DOMAIN: "(1 - exp(-a*s))/(1 - exp(-a))"},
                {"a": _A},
                {"a": "rate of the domain share"},
                {
                    GENERAL: lambda s, values: _exponential(1 - s, -values["a"]),
                    DOMAIN: lambda s, values: _exponential(s, -values["a"]),
                },
            ),
        )
    }
)
"""Factors by name. Growing and saturating: Wang et al. 2025, arXiv:2505.07796, Eq. 8, where the paper prints
saturating for the general and growing for the domain loss."""


def replay_factor(name: str) -> ReplayFactor:
    """Look a factor up.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    found = FACTORS.get(name)
    if found is None:
        raise ConfigError(f"replay factor {name!r} is unknown; wanted one of {', '.join(FACTORS)}.")
    return found
