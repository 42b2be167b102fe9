"""Which fits a question is about: one for every loss that it minimises or keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.bases import Bases
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.plan.base_loss import read_bases_of
from dcpt.plan.evidence import choose_fit, same_unit
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.supply.free_form import choose_free_fit


@dataclass(frozen=True, eq=False)
class Sides:
    """The fits of a question, by what the plan calls them.

    Attributes
    ----------
    fits : mapping of str to LawFit
        ``general`` and ``domain`` first: on each side the loss that counts most; then the others by the
        name of their evaluation set.
    weights : mapping of str to float
        What is minimised, by the same names.
    limits : tuple of (str, Limit)
        What is kept, by the same names.
    unit, metric : str
        Of every loss.
    """

    fits: Mapping[str, LawFit]
    weights: Mapping[str, float]
    limits: tuple[tuple[str, Limit], ...]
    unit: str
    metric: str

    def keeping(self, keep: tuple[Limit, ...]) -> Sides:
        """The same fits with other limits on the losses that are kept already."""
        known = {limit.eval_set: label for label, limit in self.limits}
        return replace(self, limits=tuple((known[limit.eval_set], limit) for limit in keep))

    def measured_bases(self, table: LossTable | None) -> dict[str, Bases]:
        """Measured losses of bases by evaluation set.

        Raises
        ------
        ConfigError
            When the table holds them in another unit.
        """
        return read_bases_of(table, (fit.eval_set for fit in self.fits.values()), self.metric, self.unit)

    @property
    def tested(self) -> tuple[float, float]:
        """Interior ratios that every law was fitted on.

        Raises
        ------
        ConfigError
            When they have none in common.
        """
        ranges = {label: fit.ranges["r"] for label, fit in self.fits.items()}
        low = max(1e-3, *(lo for lo, _ in ranges.values()))
        high = min(1 - 1e-3, *(hi for _, hi in ranges.values()))
        if low >= high:
            spelled = ", ".join(f"{label} on {span}" for label, span in ranges.items())
            raise ConfigError(f"the laws were fitted on different ratios: {spelled}; wanted a common range.")
        return float(low), float(high)


def choose_sides(
    fits: FitSet, objective: Objective, law: str | None = None, table: LossTable | None = None
) -> Sides:
    """Find a fit for every name in an objective.

    Parameters
    ----------
    fits : FitSet
        All fits.
    objective : Objective
        Names sides or evaluation sets.
    law : str, optional
        A law to use on every set, whatever its error.
    table : LossTable, optional
        Losses behind the fits, to see whether they were counted with one tokenizer.

    Raises
    ------
    ConfigError
        When a name has no fit, a limit is on a set of the domain side, nothing of the domain side is
        minimised, or the losses differ in metric, unit or tokenizer.
    PlanError
        When the only law fitted to a set does not see the mixture.
    """
    fits = _of_metric(fits, objective.metric)
    names = dict.fromkeys((*objective.minimise, *(limit.eval_set for limit in objective.keep)))
    choose = choose_free_fit if objective.is_free else choose_fit
    found = {name: choose(fits, name, law, objective.D) for name in names}
    for limit in objective.keep:
        if found[limit.eval_set].role != GENERAL:
            raise ConfigError(
                f"keep: {limit.eval_set!r} is a set of the domain side; wanted one of the general side.",
                hint="losses of the domain side are minimised: --minimise, with weights for several",
            )
    domain = [name for name in objective.minimise if found[name].role == DOMAIN]
    if not domain:
        raise ConfigError(
            f"minimise: {objective.minimise_text!r} gives the domain side no weight; wanted some."
        )
    first = {DOMAIN: found[max(domain, key=lambda name: objective.minimise[name])]}
    general = [name for name in names if found[name].role == GENERAL]
    main = GENERAL if GENERAL in general else next(iter(general), None)
    first[GENERAL] = found[main] if main is not None else choose_fit(fits, GENERAL, law, objective.D)
    label_of = {_key(fit): side for side, fit in first.items()}
    chosen: dict[str, LawFit] = {GENERAL: first[GENERAL], DOMAIN: first[DOMAIN]}
    labels: dict[str, str] = {}
    for name, fit in found.items():
        labels[name] = label_of.setdefault(_key(fit), fit.eval_set)
        chosen.setdefault(labels[name], fit)
    for fit in chosen.values():
        same_unit(first[GENERAL], fit)
    weights: dict[str, float] = {}
    for name, weight in objective.minimise.items():
        weights[labels[name]] = weights.get(labels[name], 0.0) + weight
    _one_tokenizer(chosen, table)
    return Sides(
        fits=chosen,
        weights=weights,
        limits=tuple((labels[limit.eval_set], limit) for limit in objective.keep),
        unit=first[GENERAL].unit,
        metric=first[GENERAL].metric,
    )


def _key(fit: LawFit) -> tuple[str, str]:
    return fit.law.name, fit.eval_set


def _of_metric(fits: FitSet, metric: str | None) -> FitSet:
    if metric is None:
        return fits
    kept = tuple(fit for fit in fits if fit.metric == metric)
    if not kept:
        known = ", ".join(dict.fromkeys(fit.metric for fit in fits))
        raise ConfigError(f"metric: nothing is fitted on {metric!r}; there is {known}.")
    return FitSet(kept, fits.refused, fits.provenance)


def _one_tokenizer(fits: Mapping[str, LawFit], table: LossTable | None) -> None:
    """Losses per token under two tokenizers are different quantities and cannot be weighed."""
    metric = next(iter(fits.values())).metric
    if metric != "loss":
        return
    hint = "fit and plan in bits per byte (metric bpb)"
    for label, doubt in _doubts(fits):
        raise ConfigError(f"the {label} law rests on several tokenizers: {doubt}", hint=hint)
    if table is None:
        return
    rows = table.frame
    rows = rows[(rows["metric"] == metric) & rows["eval_set"].isin([fit.eval_set for fit in fits.values()])]
    names = sorted({str(name) for name in rows["tokenizer"]} - {""})
    if len(names) > 1:
        raise ConfigError(
            f"the losses of this plan were counted with {len(names)} tokenizers ({', '.join(names)}), whose "
            "losses per token do not compare; wanted one.",
            hint=hint,
        )


def _doubts(fits: Mapping[str, LawFit]) -> Iterator[tuple[str, str]]:
    for label, fit in fits.items():
        for doubt in fit.warnings:
            if doubt.kind == "mixed_data" and "tokenizers" in doubt.message:
                yield label, doubt.message
