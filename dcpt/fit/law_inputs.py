"""From parameters, tokens and the domain share to the inputs of a law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.fit.dataset import kinds_of, outside_domain

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

Array = NDArray[np.float64]

INCREDIBLE = 4.0
"""Factor from the bases' losses at which a start loss is taken for a mistake."""

_DERIVED = {
    **dict.fromkeys(("N", "D", "r"), "the point"),
    "s": "r and the side of the loss",
    "Dmin": "the fitted rows",
}


def law_inputs(
    fit: LawFit, N: ArrayLike, D: ArrayLike, r: ArrayLike, given: Mapping[str, ArrayLike] | None = None
) -> dict[str, Array]:
    """Inputs of the fit's law in its units, each of shape (n,).

    Parameters
    ----------
    fit : LawFit
        Says which inputs its law has, in which units, and knows the bases' losses.
    N, D, r : array_like, broadcast together
        Non-embedding parameters, CPT tokens, domain share; r is not looked at by laws that do not
        see the mixture.
    given : mapping, optional
        Other inputs, raw: inside the law's domain.

    Raises
    ------
    ConfigError
        When a value is out of range, is given though it follows from others, or an input of the
        law is neither given nor known.
    FitError
        When the loss before CPT is needed and can be neither looked up nor estimated.
    """
    law = fit.law
    raw = {"N": np.asarray(N, dtype=np.float64), "D": np.asarray(D, dtype=np.float64)}
    share = np.asarray(r, dtype=np.float64)
    for symbol, value in (*raw.items(), ("r", share)):
        good = (value >= 0) & (value <= 1) if symbol == "r" else (value > 0) & np.isfinite(value)
        if symbol == "r" and not {"s", "r"} & set(law.inputs):
            good |= np.isnan(value)  # a table without mixtures has no share to give
        if not good.all():
            wanted = "a domain share in [0, 1]" if symbol == "r" else "a positive number"
            raise ConfigError(f"prediction: {symbol} = {value[~good].flat[0]:g}; wanted {wanted}.")
    raw |= {"r": share, "s": 1.0 - share if fit.role == GENERAL else share}
    known = {name: np.asarray(value, dtype=np.float64) for name, value in (given or {}).items()}
    for name, value in known.items():
        if name in _DERIVED:
            raise ConfigError(f"prediction: {name} follows from {_DERIVED[name]}; it is never given.")
        if name not in law.inputs:
            wanted = ", ".join(law.inputs)
            raise ConfigError(f"prediction: {name!r} is not an input of law {law.name}; it has {wanted}.")
        if not np.isfinite(value).all():
            raise ConfigError(f"prediction: {name} = {value}; wanted finite numbers.")
        outside, wanted = outside_domain(law, name, value)
        if outside.any():
            raise ConfigError(
                f"prediction: {name} = {value[outside].flat[0]:g} is outside the domain of law {law.name}; "
                f"wanted {wanted}."
            )
        _check_start(fit, name, value)
    raw |= known
    if "Dmin" in law.inputs:
        raw["Dmin"] = np.asarray(fit.ranges["D"][0])
    for name in unmeasured(fit, known):
        raw[name] = fit.bases[name].at(raw["N"].ravel())[0].reshape(raw["N"].shape)
    missing = [name for name in law.inputs if name not in raw]
    if missing:
        raise ConfigError(
            f"prediction: law {law.name} also needs {missing[0]}.", hint=f"give it: {missing[0]}=VALUE"
        )
    used = [name for name in raw if name in law.inputs]
    shape = np.broadcast_shapes(*(raw[name].shape for name in ("N", "D", "r", *used))) or (1,)
    inputs = {name: np.broadcast_to(raw[name], shape).ravel() for name in used}
    return fit.units.scale(inputs, kinds_of(law))


def _check_start(fit: LawFit, name: str, value: Array) -> None:
    """Refuse a start loss that no base like the fitted ones can have: a wrong unit, a slip of the point."""
    losses = fit.bases[name].losses if name in fit.bases else ()
    if not losses:
        return
    lo, hi = min(losses) / INCREDIBLE, max(losses) * INCREDIBLE
    odd = (value < lo) | (value > hi)
    if odd.any():
        raise ConfigError(
            f"prediction: {name} = {value[odd].flat[0]:g}; the fitted bases have {min(losses):.4g} to "
            f"{max(losses):.4g}.",
            hint=f"give it in the unit of the fits ({fit.unit}), on the evaluation set {fit.eval_set!r}",
        )


def unmeasured(fit: LawFit, given: Mapping[str, ArrayLike] | None) -> tuple[str, ...]:
    """Start losses that the law needs and nobody gave: they follow from the bases."""
    return tuple(name for name in fit.bases if name in fit.law.inputs and name not in (given or {}))
