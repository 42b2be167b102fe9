"""Everything a question needs at one target, put together once: surfaces, ceilings, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, PlanError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.bases import Bases
from dcpt.fit.law_fit import LawFit
from dcpt.plan.base_loss import BaseLoss, find_base_loss
from dcpt.plan.limit import Limit
from dcpt.plan.objective import Objective
from dcpt.plan.resources import Epochs
from dcpt.plan.sides import Sides
from dcpt.plan.start_loss import sources_of
from dcpt.plan.supply.repetition import Supply
from dcpt.plan.surface import Surface
from dcpt.plan.trade_off import Bound
from dcpt.plan.unlikely import check_losses

Array = NDArray[np.float64]

_NO_LIMIT = 1e300
"""How far below every ceiling a loss is that has none."""


@dataclass(frozen=True, eq=False)
class Ceiling:
    """A limit at the target: the highest loss it allows, for the point fit and in every draw."""

    label: str
    limit: Limit
    value: float
    draws: Array


@dataclass(frozen=True, eq=False)
class Scene:
    """The losses of a question at one size.

    Attributes
    ----------
    objective : Objective
        The question.
    sides : Sides
        Its fits.
    N : float
        Size of the target.
    surfaces : mapping of str to Surface
        The laws by label.
    bases : mapping of str to BaseLoss
        Losses of the target's base, where they are known.
    ceilings : tuple of Ceiling
        The limits.
    searched : tuple of float
        Range of ratios to search.
    count : int
        Draws that all laws share; 0 or 1 give no interval.
    measured : mapping of str to Bases
        Measured losses of bases by evaluation set.
    supply : Supply, optional
        Pools that run out.
    """

    objective: Objective
    sides: Sides
    N: float
    surfaces: Mapping[str, Surface]
    bases: Mapping[str, BaseLoss]
    ceilings: tuple[Ceiling, ...]
    searched: tuple[float, float]
    count: int
    measured: Mapping[str, Bases]
    supply: Supply | None = None

    def ratios(self, D: float) -> tuple[float, float]:
        """Range of ratios to search on D tokens: what caps on epochs leave of `searched`.

        Raises
        ------
        PlanError
            When they leave nothing.
        """
        low, high = self.searched
        if self.supply is None:
            return low, high
        most_domain, most_general = (self.supply.token_cap(side) for side in (DOMAIN, GENERAL))
        if most_domain is not None:
            high = min(high, most_domain / D)
        if most_general is not None:
            low = max(low, 1 - most_general / D)
        if low >= high:
            raise PlanError(
                f"the caps on epochs leave no ratio for {format_quantity(D)} tokens: at least {low:.3f} and "
                f"at most {high:.3f} of them would be domain text.",
                hint="allow more epochs, or plan for fewer tokens",
            )
        return low, high

    def value(self, losses: Mapping[str, Array]) -> Array:
        """The weighted sum that is minimised, from losses by label."""
        return np.asarray(sum(weight * losses[label] for label, weight in self.sides.weights.items()))

    def point_value(self, D: float, r: Array) -> Array:
        """The weighted sum of the point fits, shape (n,)."""
        return self.value({name: self.surfaces[name].mean(self.N, D, r) for name in self.sides.weights})

    def bounds(self, D: float) -> list[Bound]:
        """The limits as curves along the ratio."""
        return [
            Bound(
                label=item.label,
                curve=lambda r, surface=self.surfaces[item.label]: surface.mean(self.N, D, r),  # type: ignore[misc]
                ceiling=item.value,
                limit=item.limit,
                now=self.bases[item.label].value if item.label in self.bases else None,
            )
            for item in self.ceilings
        ]

    def draws(self, D: float, r: Array) -> dict[str, Array]:
        """Losses of every shared draw along the ratio, shape (draws, n) each."""
        return {label: surface.draws(self.N, D, r) for label, surface in self.surfaces.items()}

    def excess(self, losses: Mapping[str, Array]) -> Array:
        """How far losses of shape (draws, n) are above the nearest ceiling; 0 or less keeps all."""
        shape = next(iter(losses.values())).shape
        over = np.full(shape, -_NO_LIMIT)
        for item in self.ceilings:
            over = np.maximum(over, losses[item.label] - item.draws[:, None])
        return over


def searched_range(objective: Objective, tested: tuple[float, float]) -> tuple[float, float]:
    """Range of ratios to search: the objective's, or what the laws were fitted on.

    Raises
    ------
    ConfigError
        When it is empty.
    """
    low = tested[0] if objective.r_min is None else objective.r_min
    high = tested[1] if objective.r_max is None else objective.r_max
    if low >= high:
        raise ConfigError(
            f"objective: the searched range of ratios is {low:g} to {high:g}; wanted r_min below r_max.",
            hint=f"the laws were fitted on {tested[0]:g} to {tested[1]:g}",
        )
    return low, high


def supply_of(objective: Objective) -> Supply | None:
    """The pools of an objective with the caps on passes over them; None where text is unlimited."""
    if objective.pools is None:
        return None
    caps = Epochs() if objective.epochs is None else objective.epochs
    return Supply(
        domain=objective.pools.domain,
        general=objective.pools.general,
        domain_epochs=caps.domain,
        general_epochs=caps.general,
    )


def set_scene(
    objective: Objective, sides: Sides, measured: Mapping[str, Bases], N: float, seed: int
) -> Scene:
    """Look up the target's base, pair the draws of the laws, and work out the ceilings.

    Parameters
    ----------
    objective : Objective
        The question.
    sides : Sides
        Its fits.
    measured : mapping of str to Bases
        Measured losses of bases by evaluation set; where a set has none, those that came with its fit
        are taken.
    N : float
        Size of the target.
    seed : int
        Seed of the base's draws and of the offsets that stand for the laws' error. The same seed gives
        the same draws at every size.

    Raises
    ------
    ConfigError
        When the searched range of ratios is empty, or a given loss or a limit is beyond any fitted one.
    PlanError
        When a base's loss is needed and not known.
    """
    searched = searched_range(objective, sides.tested)
    bases = _find_bases(objective, sides, measured, N)
    shared = reduce(np.intersect1d, (fit.resamples for fit in sides.fits.values()))
    count = len(shared) if len(shared) > 1 else 0
    rng = np.random.default_rng(seed)
    shifts: dict[str, Array] = {}
    normals: dict[str, Array] = {}
    for label in sides.fits:
        shifts[label] = np.zeros(count)
        if label in bases:
            shifts[label] = np.log(bases[label].draws(count, rng) / bases[label].value)
        normals[label] = rng.standard_normal(count)
    ceilings = tuple(
        _ceiling(label, limit, bases.get(label), shifts[label], count) for label, limit in sides.limits
    )
    check_losses(sides.fits, bases, ceilings)
    supply = supply_of(objective)
    surfaces = {
        label: _surface(label, fit, sides, bases, shifts, normals[label], shared[:count], supply)
        for label, fit in sides.fits.items()
    }
    return Scene(objective, sides, N, surfaces, bases, ceilings, searched, count, measured, supply)


def _find_bases(
    objective: Objective, sides: Sides, measured: Mapping[str, Bases], N: float
) -> dict[str, BaseLoss]:
    _check_given(objective, sides)
    needed = {label for label, limit in sides.limits if limit.needs_base}
    found: dict[str, BaseLoss] = {}
    for label, fit in sides.fits.items():
        known = measured.get(fit.eval_set) or fit.bases.get("L0")
        given = {label, fit.eval_set} & set(objective.losses_now)
        if fit.role == DOMAIN and "L0" not in fit.law.inputs and not given:
            continue  # nothing starts from it
        try:
            found[label] = find_base_loss(
                objective, None, fit.eval_set, fit.metric, fit.unit, names=(label,), known=known, N=N
            )
        except PlanError:
            if label in needed:
                raise
    return found


def _check_given(objective: Objective, sides: Sides) -> None:
    """Refuse a base's loss that belongs to no set of the plan, or to one of several."""
    sets = {label: fit.eval_set for label, fit in sides.fits.items()}
    for name in objective.losses_now:
        if name not in (*sets, *sets.values()):
            raise ConfigError(
                f"general_now: {name!r} is no evaluation set here; there are {', '.join(sets.values())}."
            )
    general = [fit.eval_set for fit in sides.fits.values() if fit.role == GENERAL]
    if isinstance(objective.general_now, float) and len(general) > 1 and GENERAL not in general:
        raise ConfigError(
            f"general_now is one number, and the plan is about {' and '.join(general)}; wanted one for each.",
            hint=f"--general-now {general[0]}=2.95,{general[1]}=2.80",
        )


def _surface(
    label: str,
    fit: LawFit,
    sides: Sides,
    bases: Mapping[str, BaseLoss],
    shifts: Mapping[str, Array],
    normals: Array,
    shared: NDArray[np.int64],
    supply: Supply | None,
) -> Surface:
    sources = sources_of(fit, sides.fits, bases)
    uncertain = {name: source for name, source in sources.items() if bases[source].log_sd > 0}
    return Surface(
        label=label,
        fit=fit,
        start={name: bases[source].value for name, source in sources.items()},
        spreads={name: bases[source].log_sd for name, source in uncertain.items()},
        shifts={name: shifts[source] for name, source in uncertain.items()},
        rows=np.searchsorted(fit.resamples, shared),
        normals=normals,
        supply=supply,
    )


def _ceiling(label: str, limit: Limit, base: BaseLoss | None, shifts: Array, count: int) -> Ceiling:
    value = limit.ceiling(None if base is None else base.value)
    if base is None or base.log_sd == 0 or not limit.needs_base:
        return Ceiling(label, limit, value, np.full(count, value))
    return Ceiling(label, limit, value, np.array([limit.ceiling(base.value * x) for x in np.exp(shifts)]))
