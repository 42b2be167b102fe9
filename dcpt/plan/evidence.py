"""Which fit a plan leans on for each side, and what that fit says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dcpt.core import files
from dcpt.core.errors import ConfigError, PlanError
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.fit.score import LARGEST_N
from dcpt.fit.unit_words import unit_words


@dataclass(frozen=True)
class Evidence:
    """What a fit says about itself.

    Attributes
    ----------
    law, eval_set, unit : str
        Name of the law, the evaluation set it predicts, and the unit of that loss.
    status : str
        How the fit ended.
    at_bounds : tuple of str
        Parameters that ended on a bound.
    ranges : mapping
        N, D and r to the (lowest, highest) fitted value.
    held_out : float or None
        Mean absolute error, in `unit`, on the largest size when it was left out.
    baseline : tuple of (str, float), or None
        Best model on that size among those that do not see the mixture, or are no law at all.
    stand_in : str
        What was measured in place of the text that the bases have learnt, in a sentence; or empty.
    """

    law: str
    eval_set: str
    unit: str
    status: str
    at_bounds: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]
    held_out: float | None
    baseline: tuple[str, float] | None
    stand_in: str = ""


@dataclass(frozen=True)
class LawUsed:
    """The fit behind one side of a plan.

    ``hash`` is that of the law's declaration, ``fit_hash`` that of the fit with its draws.
    """

    name: str
    hash: str
    eval_set: str
    metric: str
    unit: str
    status: str
    fit_hash: str


def choose_fit(fits: FitSet, side: str, law: str | None = None, D: float | None = None) -> LawFit:
    """Pick the fit to plan with: of the laws that see the mixture, the one that errs least when held out.

    Parameters
    ----------
    fits : FitSet
        All fits.
    side : str
        ``general`` or ``domain``.
    law : str, optional
        A law to use whatever its error.
    D : float, optional
        Tokens of the target. The error on the largest tokens held out counts beside that on the largest size
        where it has more tokens than were fitted.

    Raises
    ------
    ConfigError
        When nothing is fitted on that side, the law named is not, or there are fits of several metrics.
    PlanError
        When no law fitted on that side has a share among its inputs.
    """
    best = fits.best(side, law, D)
    if not best.law.sees_mixture:
        raise PlanError(
            f"the {best.law.name} law of the {side} loss does not see the mixture, so it cannot "
            "choose a ratio.",
            hint="fit a law with the share s among its inputs, such as d-cpt, and plan with it",
        )
    return best


def weigh(fits: FitSet, fit: LawFit) -> Evidence:
    """Collect what speaks for and against a fit."""
    rivals = {
        item.model: item.mae for item in fit.holdouts if item.kind == LARGEST_N and item.model != fit.law.name
    }
    for other in fits:
        error = _held_out(other)
        if _same_loss(other, fit) and not other.law.sees_mixture and error is not None:
            rivals[other.law.name] = error
    warned = {name for warning in fit.warnings if warning.kind == "bound_hit" for name in warning.parameters}
    return Evidence(
        law=fit.law.name,
        eval_set=fit.eval_set,
        unit=fit.unit,
        status=fit.status,
        at_bounds=tuple(name for name in fit.law.names if name in warned),
        ranges=fit.ranges,
        held_out=_held_out(fit),
        baseline=min(rivals.items(), key=lambda rival: rival[1]) if rivals else None,
        stand_in=next((doubt.message for doubt in fit.warnings if doubt.kind == "stand_in"), ""),
    )


def law_used(fit: LawFit) -> LawUsed:
    """Name the fit a plan leans on, so that it can be found and checked later."""
    return LawUsed(
        name=fit.law.name,
        hash=fit.law.hash,
        eval_set=fit.eval_set,
        metric=fit.metric,
        unit=fit.unit,
        status=fit.status,
        fit_hash=files.content_hash(fit.to_dict()),
    )


def fit_used(fits: FitSet, side: str, used: LawUsed) -> LawFit:
    """Find the very fit a plan was made from.

    Raises
    ------
    ConfigError
        When the set does not hold it, or holds another fit of that law.
    """
    fit = fits.get(used.name, used.eval_set, used.metric)
    found = files.content_hash(fit.to_dict())
    if found != used.fit_hash:
        raise ConfigError(
            f"the fit of {used.name} on {used.eval_set!r} is not the one the plan was made from "
            f"({side} side: {found}, the plan names {used.fit_hash}).",
            hint="make the plan again from these fits, or give the fits it was made from",
        )
    return fit


def same_unit(general: LawFit, domain: LawFit) -> str:
    """The unit of both sides' losses.

    Raises
    ------
    ConfigError
        When the two sides were fitted on different metrics, or in different units.
    """
    if (general.metric, general.unit) != (domain.metric, domain.unit):
        raise ConfigError(
            f"the general side was fitted on metric {general.metric} ({unit_words(general.unit)}), the "
            f"domain side on {domain.metric} ({unit_words(domain.unit)}); wanted one metric for both.",
            hint="fit both sides again with the same metric",
        )
    return general.unit


def _same_loss(one: LawFit, other: LawFit) -> bool:
    return (one.eval_set, one.metric, one.unit) == (other.eval_set, other.metric, other.unit)


def _held_out(fit: LawFit) -> float | None:
    scores = fit.holdout(LARGEST_N)
    return scores[0].mae if scores else None
