"""An answer made into a plan: what it should give, how sure it is, and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dcpt.core import files
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.plan.bands import PARTS, bands, predicted
from dcpt.plan.baselines import Outcome, compare_mixes, rival, usual_mixes
from dcpt.plan.best_seen import best_seen
from dcpt.plan.binding import Binding
from dcpt.plan.caveat import Caveat, in_order
from dcpt.plan.caveats_of_laws import caveats_of_laws
from dcpt.plan.cost import run_cost
from dcpt.plan.evidence import law_used, weigh
from dcpt.plan.find_caveats import Answered, at_edge, find_caveats
from dcpt.plan.front import COLUMNS as FRONT_COLUMNS
from dcpt.plan.front import pareto_front
from dcpt.plan.kept_limit import KeptLimit
from dcpt.plan.plan import Plan, curve_column
from dcpt.plan.scene import Scene
from dcpt.plan.supply.answer import Price
from dcpt.plan.trade_off import ratio_grid
from dcpt.plan.uncertainty import kept_share
from dcpt.plan.unlikely import unlikely_losses
from dcpt.plan.verdict import judge

Array = NDArray[np.float64]

CURVE_POINTS = 101
"""Points of the stored trade-off curve: enough to draw it, a quarter of the search grid."""


@dataclass(frozen=True, eq=False)
class Found:
    """An answer before it is a plan.

    Attributes
    ----------
    D, r : float
        Tokens and ratio of the planned run; its size is the scene's.
    binding, bound : str
        What binds, and the loss or side that is.
    draws : DataFrame
        The answer of every draw.
    r_interval : tuple of float, or None
        Interval of the ratio.
    r_cautious, D_cautious : float or None
        Ratio, and where they are open tokens, of the best run that keeps the limits in the level's share of
        the draws.
    infeasible_share : float or None
        Share of draws without an answer.
    edges : sequence of (float or None)
        For each limit the largest ratio that keeps it alone.
    intervals, prices, epochs, by_size, caveats, cost
        What a question with more than the ratio open adds to the plan.
    """

    D: float
    r: float
    binding: Binding
    bound: str
    draws: pd.DataFrame
    r_interval: tuple[float, float] | None
    r_cautious: float | None = None
    infeasible_share: float | None = None
    edges: Sequence[float | None] = ()
    intervals: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    prices: tuple[Price, ...] = ()
    epochs: Mapping[str, float] = field(default_factory=dict)
    by_size: pd.DataFrame = field(default_factory=pd.DataFrame)
    caveats: tuple[Caveat, ...] = ()
    cost: Mapping[str, float] | None = None
    D_cautious: float | None = None


def build_plan(scene: Scene, fits: FitSet, found: Found, table: LossTable | None, seed: int) -> Plan:
    """Predict the losses at an answer and along the ratio, set the usual mixes beside it, and judge it.

    Parameters
    ----------
    scene : Scene
        The question at the answer's size.
    fits : FitSet
        All fits, for the laws that compete with those used.
    found : Found
        The answer.
    table : LossTable or None
        Losses, for the best run seen.
    seed : int
        Seed that the scene was made with.
    """
    objective, sides, N, D, r = scene.objective, scene.sides, scene.N, found.D, found.r
    level = objective.level
    outcome = outcomes(scene, D)
    at_r = outcome(r)
    baselines = compare_mixes(
        usual_mixes(objective, best_seen(scene, D, table)), outcome, r, found.r_interval, sides.tested, level
    )
    evidence = {label: weigh(fits, fit) for label, fit in sides.fits.items()}
    answered = Answered(
        N=N,
        D=D,
        r=r,
        binding=found.binding,
        interval=found.r_interval,
        infeasible_share=found.infeasible_share or 0.0,
        searched=scene.searched,
        rival=rival(baselines, found.binding == "range" and at_edge(r, scene.searched), found.r_interval),
        kept=kept_share(at_r.excesses) if len(at_r.excesses) else None,
    )
    caveats = in_order(
        [
            *caveats_of_laws(scene, D),
            *find_caveats(objective, answered, scene.bases, evidence),
            *unlikely_losses(scene, D),
            *found.caveats,
        ]
    )
    grid = ratio_grid(*scene.searched, points=CURVE_POINTS)
    laws = {label: law_used(fit) for label, fit in sides.fits.items()}
    low, high = (None, None) if found.r_interval is None else found.r_interval
    return Plan(
        objective=objective,
        metric=sides.metric,
        unit=sides.unit,
        N=N,
        D=D,
        r=r,
        r_lo=None if low is None else min(low, r),
        r_hi=None if high is None else max(high, r),
        r_cautious=found.r_cautious,
        kept_at_r=kept_share(at_r.excesses) if len(at_r.excesses) else None,
        infeasible_share=found.infeasible_share,
        losses={label: predicted(surface, N, D, r, level) for label, surface in scene.surfaces.items()},
        limits=_limits(scene, found, D, r),
        bases=scene.bases,
        binding=found.binding,
        bound=found.bound,
        searched=scene.searched,
        tested=sides.tested,
        curve=_curve(scene, D, grid),
        front=_front(scene, D, grid),
        draws=found.draws,
        laws=laws,
        fits_fingerprint=files.content_hash([used.fit_hash for used in laws.values()]),
        how={
            label: str(surface.fit.predict(N, D, r, level, surface.start).attrs.get("how", ""))
            for label, surface in scene.surfaces.items()
        },
        baselines=baselines,
        caveats=caveats,
        verdict=judge(caveats),
        cost=run_cost(N, D, r) if found.cost is None else found.cost,
        seed=seed,
        intervals=found.intervals,
        prices=found.prices,
        epochs=found.epochs,
        by_size=found.by_size,
        D_cautious=found.D_cautious,
    )


def outcomes(scene: Scene, D: float) -> Callable[[float], Outcome]:
    """What each ratio gives at the scene's size on D tokens; its draws are paired between ratios."""

    def outcome(r: float) -> Outcome:
        at = np.array([r])
        losses = {label: surface.mean(scene.N, D, at) for label, surface in scene.surfaces.items()}
        over = [float(losses[item.label][0]) - item.value for item in scene.ceilings]
        drawn = scene.draws(D, at) if scene.count else {}
        return Outcome(
            losses={label: float(loss[0]) for label, loss in losses.items()},
            value=float(scene.value(losses)[0]),
            excess=max(over, default=-np.inf),
            values=scene.value(drawn)[:, 0] if drawn else np.empty(0),
            excesses=scene.excess(drawn)[:, 0] if drawn else np.empty(0),
            overdrawn="" if scene.supply is None else scene.supply.overdrawn(D, r),
        )

    return outcome


def _limits(scene: Scene, found: Found, D: float, r: float) -> tuple[KeptLimit, ...]:
    edges = found.edges or [None] * len(scene.ceilings)
    kept: list[KeptLimit] = []
    for item, edge in zip(scene.ceilings, edges, strict=True):
        share = None
        if scene.count:
            losses = scene.surfaces[item.label].draws(scene.N, D, np.array([r]))[:, 0]
            share = kept_share(losses - item.draws)
        binds = found.binding == "ceiling" and found.bound == item.label
        kept.append(KeptLimit(item.label, str(item.limit), item.value, share, edge, binds))
    return tuple(kept)


def _curve(scene: Scene, D: float, grid: Array) -> pd.DataFrame:
    columns: dict[str, Array] = {"r": grid}
    for label, surface in scene.surfaces.items():
        found = bands(surface, scene.N, D, grid, scene.objective.level)
        columns |= {curve_column(label, part): found[part] for part in PARTS}
    return pd.DataFrame(columns)


def _front(scene: Scene, D: float, grid: Array) -> pd.DataFrame:
    general, domain = scene.surfaces[GENERAL], scene.surfaces[DOMAIN]
    point = general.mean(scene.N, D, grid), domain.mean(scene.N, D, grid)
    none = np.empty((0, len(grid)))
    drawn = (general.draws(scene.N, D, grid), domain.draws(scene.N, D, grid)) if scene.count else (none, none)
    frame = pareto_front(grid, *point, *drawn, scene.objective.level)
    return frame[list(FRONT_COLUMNS)]
