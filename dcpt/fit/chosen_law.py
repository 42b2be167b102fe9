"""Why this law predicts and not another: the choice of `FitSet.best` in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcpt.core.quantity import format_quantity
from dcpt.fit.choose_law import IN_WORDS, Choice
from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit


def why_chosen(fits: FitSet, role: str, D: float | None = None) -> str:
    """What `fits.best(role, None, D)` has over the other laws, and why those that err less are not taken.

    Parameters
    ----------
    fits : FitSet
        Fits of several laws.
    role : str
        Side or evaluation set.
    D : float, optional
        Tokens of the target.

    Returns
    -------
    str
        A sentence or a few; empty where there is no other law.

    Raises
    ------
    ConfigError
        As `FitSet.best` does.
    """
    choice, nearby = fits.choice(role, D), fits.best(role)
    best, kinds = choice.taken, choice.kinds
    if not any(fit is not best and fit.eval_set == best.eval_set for fit in fits):
        return ""
    if kinds:
        reason = f"the least error on what was left out: {_errors(best, kinds)}"
    else:
        reason = f"the least error on the fitted points, {best.mae:.4f} {unit_sign(best.unit)}"
    among = "of the laws that may be taken it" if choice.passed else "it"
    sentence = f"{best.law.name} is taken for {best.eval_set}: {among} has {reason}."
    if choice.passed:
        sentence += f" Less error has {_passed_over(choice)}."
    if best is not nearby and D is not None:
        fitted = best.ranges["D"][1]
        sentence += (
            f" {format_quantity(D)} tokens are more than the {format_quantity(fitted)} fitted, so that "
            f"error counts, too; up to those it would be {nearby.law.name} ({_errors(nearby, kinds)})."
        )
    return sentence


def why_not_first(fits: FitSet, role: str, D: float | None = None, law: str | None = None) -> str:
    """`why_chosen`, where the law taken is not the one that errs least on the largest size; else empty.

    Parameters
    ----------
    fits, role, D
        As in `why_chosen`.
    law : str, optional
        The law that was taken; nothing is said where `why_chosen` speaks of another one.

    Raises
    ------
    ConfigError
        As `FitSet.best` does.
    """
    choice = fits.choice(role, D)
    if law not in (None, choice.taken.law.name):
        return ""
    return why_chosen(fits, role, D) if choice.passed or choice.taken is not fits.best(role) else ""


def _passed_over(choice: Choice) -> str:
    kinds = choice.kinds
    return "; ".join(
        f"{fit.law.name} ({_errors(fit, kinds) if kinds else f'{fit.mae:.4f}'}), but {why}"
        for fit, why in choice.passed
    )


def _errors(fit: LawFit, kinds: Sequence[str]) -> str:
    return " and ".join(
        f"{fit.holdout(kind)[0].mae:.4f} on the {IN_WORDS[kind]}" for kind in kinds if fit.holdout(kind)
    )
