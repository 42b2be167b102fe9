"""Bases that curves start from: their losses kept beside the fits, and those of a run that is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.curve import Curve, RateHistory
    from dcpt.fit.loss_curves.curve_fit import CurveFit

BASE_CONSTANTS = ("L0", "G0")
"""Constants of a run that were measured on its base: its own loss of the side, and its general loss."""


def bases_of(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Each base of some curves once, as plain values: N, a hash of its rates, and its losses."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for curve in curves:
        losses = {name: curve.given[name] for name in BASE_CONSTANTS if name in curve.given}
        if losses:
            base = {"N": curve.given.get("N"), "rates": _rates_hash(curve.history), **losses}
            found[tuple(base.items())] = base
    return list(found.values())


def base_constants(
    fit: CurveFit,
    sides: frozenset[str],
    at: Mapping[str, float],
    history: RateHistory,
    bases: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, float], str]:
    """Losses of the base that a law reads: those that were given, or else those of a fitted base.

    Parameters
    ----------
    fit : CurveFit
        The fit.
    sides : frozenset of str
        Sides whose laws read the base's loss in this question: with both, L0 is that of the domain.
    at : mapping
        Constants that were given.
    history : RateHistory
        The run.
    bases : sequence of mapping
        Bases of the fitted curves, from `bases_of`.

    Returns
    -------
    dict
        L0 and G0, as far as the law reads them.
    str
        A note on what was taken from a fitted base; "" when nothing was.

    Raises
    ------
    ConfigError
        When one is neither given nor known.
    """
    from dcpt.core.quantity import format_quantity

    wanted = [name for name in BASE_CONSTANTS if name in fit.law.needs]
    known = _said(fit.side, sides, at)
    found = {name: known[name] for name in wanted if name in known}
    missing = [name for name in wanted if name not in found]
    if not missing:
        return found, ""
    same = [base for base in bases if base["rates"] == _rates_hash(history)]
    if "N" in at:
        same = [base for base in same if base["N"] and abs(base["N"] / at["N"] - 1.0) < 1e-6]
    ready = [base for base in same if all(name in base for name in missing)]
    if len(ready) != 1:
        sizes = sorted({base["N"] for base in bases if base["N"]})
        listed = ", ".join(f"{size:.12g}" for size in sizes)
        why = (
            "several fitted bases could be meant"
            if len(ready) > 1
            else "no fitted base is the one asked about"
        )
        word = f"the base's loss ({fit.side})" if missing[0] == "L0" else "the base's general loss"
        values = ",".join(f"{'G0' if _general(fit.side, sides) else name}=..." for name in missing)
        raise ConfigError(
            f"law {fit.law.name} reads {missing[0]}, {word}: it is not given, and {why}.",
            hint=f"pass --at {values}" + (f", or the N of a fitted base: {listed}" if sizes else ""),
        )
    found |= {name: float(ready[0][name]) for name in missing}
    values = ", ".join(f"{name} = {found[name]:.4f}" for name in missing)
    size = "" if not ready[0]["N"] else f" with N = {format_quantity(ready[0]['N'], 6)}"
    return found, f"{fit.eval_set}: {values} of the fitted base{size}"


def _general(side: str, sides: frozenset[str]) -> bool:
    """Whether the base's loss of a side is asked for by the name of the general one."""
    from dcpt.core.symbols import GENERAL

    return side == GENERAL and len(sides) > 1


def _said(side: str, sides: frozenset[str], at: Mapping[str, float]) -> dict[str, float]:
    from dcpt.core.symbols import GENERAL

    said = {name: at[name] for name in BASE_CONSTANTS if name in at}
    if side != GENERAL:
        if len(sides) > 1 and "L0" in at and "G0" not in at:
            raise ConfigError(
                "--at: L0 is the base's loss of one side, and laws of both sides read it.",
                hint="pass G0=... for the base's general loss and L0=... for its domain loss",
            )
        return said
    own = "G0" if len(sides) > 1 or "L0" not in said else "L0"
    return {name: said[own] for name in BASE_CONSTANTS} if own in said else {}


def _rates_hash(history: RateHistory) -> str:
    """Hash of the rates of pre-training, to six digits."""
    from dcpt.core.files import content_hash

    return content_hash([f"{rate:.6g}" for rate in history.rates[: history.switch].tolist()])
