"""Parameters re-expressed for N in parameters and D in tokens, where the law allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import Units, kinds_of
from dcpt.laws.law import Law

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

Array = NDArray[np.float64]

_SAME = 1e-9
_PROBES, _STEP = 60, 10.0
_COUNTED = ("N", "D")
_RANGES = {"s": (0.1, 0.9), "r": (0.1, 0.9), "L0": (2.0, 3.0), "G0": (2.0, 3.0), "Dmin": (0.05, 0.1)}


@dataclass(frozen=True)
class RawPowers:
    """How the coefficients of a law change with the units that parameters and tokens are counted in.

    A coefficient whose basis is homogeneous of degree g in the numbers of parameters (or of tokens) is
    multiplied by unit**-g when these are counted one by one. The degree is affine in the law's exponents.

    Attributes
    ----------
    names : tuple of str
        Parameters of the law, in its order.
    degrees : mapping
        Coefficient to "N" or "D" to the degree: exponent name to its factor, and "" to the constant.
        Coefficients that do not change are not in it.
    """

    names: tuple[str, ...]
    degrees: Mapping[str, Mapping[str, Mapping[str, float]]]

    def factors(self, theta: Array, units: Units) -> Array:
        """Raw value over value in the fit's units, for parameters of shape (..., p); the same shape."""
        found = np.ones_like(theta)
        for name, powers in self.degrees.items():
            index = self.names.index(name)
            for unit, degree in powers.items():
                exponent = sum(
                    factor * (theta[..., self.names.index(other)] if other else 1.0)
                    for other, factor in degree.items()
                )
                found[..., index] *= getattr(units, unit) ** (-np.asarray(exponent))
        return found

    def text(self, name: str, units: Units) -> str:
        """The same factor of one coefficient as a formula over the law's exponents; ``1`` for none."""
        parts = []
        for unit, degree in self.degrees.get(name, {}).items():
            terms = [f"{factor!r}*{other}" if other else repr(factor) for other, factor in degree.items()]
            parts.append(f"{getattr(units, unit)!r}**(-({' + '.join(terms)}))")
        return "*".join(parts) or "1"


_KEPT: dict[type[Law], RawPowers | None] = {}


def raw_powers(law: Law) -> RawPowers | None:
    """How the law's coefficients change with the units of N and D.

    Found by changing the units of probes, whose rows must all change by one factor, at several values of
    the exponents.

    Returns
    -------
    RawPowers or None
        None for a law that cannot be re-expressed by its coefficients: one with another parameter that
        has a unit, such as a rate per token.
    """
    if type(law) not in _KEPT:
        _KEPT[type(law)] = _find_powers(law)
    return _KEPT[type(law)]


def raw_draws(fit: LawFit, theta: Array) -> Array | None:
    """Parameter vectors for N in parameters and D in tokens, each by its own exponents.

    Parameters
    ----------
    fit : LawFit
        Whose law and units.
    theta : ndarray, shape (..., p)
        In the units of the fit.

    Returns
    -------
    ndarray, shape (..., p), or None
        Values that leave the floats are not finite; None when the law's losses would change.
    """
    powers = raw_powers(fit.law)
    if powers is None:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(theta * powers.factors(theta, fit.units))


def raw_values(fit: LawFit) -> dict[str, float] | None:
    """Values of the parameters for inputs in parameters and tokens, without the fit's units.

    Returns
    -------
    mapping of str to float, or None
        None when the law's losses would change, or a value leaves the floats.
    """
    found = raw_draws(fit, fit.theta)
    if found is None or not np.isfinite(found).all():
        return None
    return dict(zip(fit.law.names, map(float, found), strict=True))


def _find_powers(law: Law) -> RawPowers | None:
    rng = np.random.default_rng(0)
    exponents = [item.name for item in law.parameters if item.kind == "nonlinear"]
    count = len(exponents) + 4
    lower, upper = law.lower, law.upper
    thetas = np.clip(rng.uniform(0.2, 0.9, (count, len(lower))), lower, upper)
    # A parameter whose bounds lie elsewhere is drawn between them.
    thetas = np.where(np.ptp(thetas, axis=0) > 0, thetas, rng.uniform(lower, upper, thetas.shape))
    inputs = {name: rng.uniform(*_RANGES.get(name, (0.3, 3.0)), _PROBES) for name in law.inputs}
    kinds = kinds_of(law)
    found: dict[str, dict[str, dict[str, float]]] = {}
    terms = {name: law.compiled.basis[name][0] for name in law.linear_names}
    offset = law.compiled.offset
    design = np.column_stack([thetas[:, law.names.index(name)] for name in exponents] + [np.ones(count)])
    for unit in _COUNTED:
        units = Units(1 / _STEP if unit == "N" else 1.0, 1 / _STEP if unit == "D" else 1.0)
        larger = units.scale(inputs, kinds)
        for name, function in [*terms.items(), *([("", offset[0])] if offset else [])]:
            degrees = []
            for theta in thetas:
                with np.errstate(all="ignore"):
                    before, after = (
                        np.broadcast_to(function(*columns, *theta), _PROBES).astype(np.float64)
                        for columns in (inputs.values(), (larger[key] for key in law.inputs))
                    )
                    lit = (before != 0) | (after != 0)
                    ratio = after[lit] / before[lit]
                if not lit.any():
                    degrees.append(0.0)
                    continue
                if not (np.isfinite(ratio) & (ratio > 0)).all() or np.ptp(ratio) > _SAME * ratio.max():
                    return None
                degrees.append(float(np.log(np.median(ratio)) / np.log(_STEP)))
            solved: Array = np.asarray(np.linalg.lstsq(design, np.array(degrees), rcond=None)[0])
            if np.abs(design @ solved - degrees).max() > 1e-7 or (not name and np.abs(solved).max() > 1e-7):
                return None
            rounded = np.round(solved, 6).tolist()
            degree = {key: x for key, x in zip([*exponents, ""], rounded, strict=True) if x}
            if degree:
                found.setdefault(name, {})[unit] = degree
    return RawPowers(law.names, MappingProxyType(found))
