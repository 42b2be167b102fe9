"""Why this law predicts and not another: the choice of `FitSet.best` in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcpt.core.quantity import format_quantity
from dcpt.fit.score import LARGEST_D, LARGEST_N
from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit

CHOSEN_BY = {LARGEST_N: "size", LARGEST_D: "number of tokens"}


def why_chosen(fits: FitSet, role: str, D: float | None = None) -> str:
    """One sentence on what `fits.best(role, None, D)` has over the other laws; empty where there is no other.

    Parameters
    ----------
    fits : FitSet
        Fits of several laws.
    role : str
        Side or evaluation set.
    D : float, optional
        Tokens of the target.

    Raises
    ------
    ConfigError
        As `FitSet.best` does.
    """
    best, nearby = fits.best(role, None, D), fits.best(role)
    if not any(fit is not best and fit.eval_set == best.eval_set for fit in fits):
        return ""
    kinds = [kind for kind in CHOSEN_BY if best.holdout(kind)]
    fitted = best.ranges["D"][1]
    far = D is not None and fitted < D
    if not kinds:
        reason = f"the least error on the fitted points, {best.mae:.4f} {unit_sign(best.unit)}"
    elif far and len(kinds) == 2:
        reason = f"the least error on what was left out: {_errors(best, kinds)}"
    else:
        reason = f"the least error on what was left out: {_errors(best, kinds[:1])}"
    sentence = f"{best.law.name} is taken for {best.eval_set}: it has {reason}."
    if best is not nearby and D is not None:
        sentence += (
            f" {format_quantity(D)} tokens are more than the {format_quantity(fitted)} fitted, so that "
            f"error counts, too; up to those it would be {nearby.law.name} ({_errors(nearby, kinds)})."
        )
    return sentence


def _errors(fit: LawFit, kinds: list[str]) -> str:
    return " and ".join(
        f"{fit.holdout(kind)[0].mae:.4f} on the largest {CHOSEN_BY[kind]}"
        for kind in kinds
        if fit.holdout(kind)
    )
