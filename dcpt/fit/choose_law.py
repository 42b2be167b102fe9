"""Which of several fitted laws predicts, and which others give way to it although they err less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcpt.fit.score import LARGEST_D, LARGEST_N

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

IN_WORDS = {LARGEST_N: "largest size", LARGEST_D: "largest number of tokens"}
"""Hold-outs by which laws are chosen, as people call them."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The fit that predicts for one evaluation set.

    Attributes
    ----------
    taken : LawFit
        The fit.
    kinds : tuple of str
        Hold-outs whose errors, added up, were compared; empty where it is the error on the fitted points.
    passed : tuple of (LawFit, str)
        Fits that err less by that measure and are not taken, with the reason, in words that follow "but".
    """

    taken: LawFit
    kinds: tuple[str, ...]
    passed: tuple[tuple[LawFit, str], ...]


def choose_law(fits: Sequence[LawFit], D: float | None = None) -> Choice:
    """Choose among fits to one evaluation set: the least error on what was left out.

    A law that does not see the mixture gives way to those that do, and one with parameters that the
    fitted points do not determine to those without; a law that was not scored to those that were.

    Parameters
    ----------
    fits : sequence of LawFit
        At least one.
    D : float, optional
        Tokens of the target: the error on the largest tokens held out counts beside that on the largest
        size where it has more than were fitted.
    """
    left: dict[int, str] = {}

    def prefer(kept: list[LawFit], wanted: list[LawFit], why: dict[int, str]) -> list[LawFit]:
        if not wanted:
            return kept
        left.update({id(fit): why[id(fit)] for fit in kept if fit not in wanted})
        return wanted

    kept = list(fits)
    kept = prefer(
        kept,
        [fit for fit in kept if fit.law.sees_mixture],
        {id(fit): "it does not see the mixture" for fit in kept},
    )
    kept = prefer(
        kept, [fit for fit in kept if not _undetermined(fit)], {id(fit): _undetermined(fit) for fit in kept}
    )
    asked: tuple[str, ...] = (LARGEST_N,)
    if D is not None and max(fit.ranges["D"][1] for fit in kept) < D:
        asked = (LARGEST_N, LARGEST_D)
    # Where no law has every error, fewer are compared: one that was seen is worth more than none.
    for kinds in dict.fromkeys((asked, asked[:1], asked[1:], ())):
        scored = [fit for fit in kept if all(fit.holdout(kind) for kind in kinds)]
        if scored:
            break
    kept = prefer(kept, scored, {id(fit): _unscored(fit, kinds) for fit in kept})
    taken = min(kept, key=lambda fit: _error(fit, kinds))
    passed = ((fit, left[id(fit)]) for fit in fits if id(fit) in left and _less(fit, taken, kinds))
    return Choice(taken, kinds, tuple(passed))


def _error(fit: LawFit, kinds: Sequence[str]) -> float:
    return sum(fit.holdout(kind)[0].mae for kind in kinds) if kinds else fit.mae


def _less(fit: LawFit, taken: LawFit, kinds: Sequence[str]) -> bool:
    """Whether a fit errs less than the one taken, by those of the errors that it has."""
    has = [kind for kind in kinds if fit.holdout(kind)]
    return _error(fit, has) < _error(taken, has) if has or not kinds else False


def _undetermined(fit: LawFit) -> str:
    """Which parameters the fitted points leave open; empty where they determine all."""
    doubt = next((doubt for doubt in fit.warnings if doubt.kind == "rank"), None)
    if doubt is None:
        return ""
    names = ", ".join(doubt.parameters) or "its parameters"
    return f"the fitted points do not determine {names}"


def _unscored(fit: LawFit, kinds: Sequence[str]) -> str:
    lacks = [IN_WORDS[kind] for kind in kinds if not fit.holdout(kind)]
    return f"it could not be judged on the {' and the '.join(lacks)}" if lacks else ""
