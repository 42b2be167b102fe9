"""Runs bought one batch after another until the planned ratio is known as well as by the whole grid.

    python -m benchmarks.next_runs --data experiments/law_cpu --json

The data are a sweep's folder (losses.csv, and sweep.yaml for prices and target) or a loss table. Every run
of the table between the corners is a lot: one size, ratio and seed, bought up to any of its budgets, and to
longer ones later, which trains its trunk again. From a few cheap runs on, batches are bought as
`dcpt.plan.next_runs` advises, or in random order, or cheapest first; after each the laws are refitted to what
was bought, and the interval of r* is compared with that of all lots.

Training FLOPs are counted, the bases of the sizes included. `share_of_flops` is of the whole sweep as it was
run, bases and corners included; `share_of_fitted` of its lots alone, without the runs at the corners (r = 0
or 1) that no law is fitted on. **A replay has reached the grid's interval** when its own contains the grid's
r* and is as narrow as far as refits can tell: the width of one interval depends on which resamples were
drawn, so the grid is refitted with `GRIDS` seeds, and what is to be reached is their mean width plus one
standard deviation (`grid_noise`, relative). `share_exact` asks for the mean itself. A part of the runs cannot
in truth tell as much as all of them, so an interval exactly as narrow is partly luck; `shares` stand beside
for intervals 2, 5 and 10 % wider, and `width_at` says how wide the interval is, relative to the grid's, for
20, 30 and 40 % of the FLOPs. `share_for_good` is from where on no later interval is wider than the grid's
plus 10 %.

Most of an interval is the law's own error at the target, which is estimated from the largest size held out.
From few runs that estimate scatters, and the first interval that happens to be narrow enough is luck, in
random order as well. So intervals are compared with the law's error of the whole grid, growing with the
distance to the largest size bought; the advice sees only what the runs bought so far say. What the planner's
own intervals would give, estimate and all, stands beside it (`share_own`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.next_runs_paths import State, reached, summary
from benchmarks.next_runs_world import (
    SIDES,
    Bought,
    Lot,
    World,
    fits_of,
    lot_of,
    missing,
    offers,
    read_world,
    starting,
)
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.plan.evidence import choose_fit
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.belief import Belief, believe
from dcpt.plan.next_runs.candidate import Candidate
from dcpt.plan.next_runs.stopping import StoppingRule

GRIDS = 12
"""Sets of refits to the whole grid."""

POLICIES = ("advised", "random", "cheapest")

SHRINKS = (0.05, 0.02, 0.005, 0.0)
"""Least shrinking that is asked for, in turn, when there is no advice: to stop is no answer of a replay."""

BATCH, BATCH_SHARE = 8, 0.04
"""Most candidates bought between two refits, and the share of the lots' FLOPs from which a batch is full."""

ENOUGH = 0.75
"""Share of the lots' FLOPs at which a replay ends in any case."""


def replay(
    world: World,
    start: Bought,
    policy: str,
    laws: dict[str, str] | None,
    grid: Belief,
    goal: float,
    seed: int,
) -> list[State]:
    """Buy, refit, look; until the interval is as narrow as the goal or most has been bought."""
    bought, spent = dict(start), world.flops(start)
    total = world.flops(world.lots)
    order = _order(world, policy, seed)
    path: list[State] = []
    while True:
        table = world.rows(bought)
        fits = fits_of(world, table, laws)
        own = believe(fits, world.objective, table)
        belief = believe(frozen(fits, grid), world.objective, table)
        span = (own.r_lo, own.r_hi)
        path.append(State(spent, len(bought), belief.r, belief.r_lo, belief.r_hi, span))
        if (belief.width <= goal and belief.r_lo <= grid.r <= belief.r_hi) or spent >= ENOUGH * total:
            return path
        if policy == "advised":
            chosen = _advised(world, bought, fits, table)
            new = [{lot_of(cell.name): cell.budgets for cell in one.cells} for one in chosen]
        else:
            every = [(lot, missing(world.lots[lot], bought.get(lot, ()))) for lot in order]
            new = [{lot: rungs[-1]} for lot, rungs in every if rungs]
        if not new:
            return path
        full = spent + BATCH_SHARE * total
        for item in new:
            spent += world.added(item, bought)
            bought |= {lot: (*bought.get(lot, ()), *budgets) for lot, budgets in item.items()}
            if spent >= full:
                break


def _advised(world: World, bought: Bought, fits: FitSet, table: LossTable) -> list[Candidate]:
    """What to buy next: the batch; what tells most per FLOP where there is none."""
    offered = offers(world, bought)
    for shrink in SHRINKS:
        rule = StoppingRule(least_shrink=shrink)
        advice = advise(fits, world.objective, table, offered, world.prices, rule, batch=BATCH)
        if advice.batch:
            return [offer.candidate for offer in advice.batch]
    return [offer.candidate for offer in advice.ranking[:1]]


def frozen(fits: FitSet, grid: Belief) -> FitSet:
    """The fits with the error on the largest size, and the scatter, of the fits to the whole grid."""
    found = {fit.eval_set: fit for fit in grid.fits.values()}
    return FitSet(
        tuple(
            replace(
                fit,
                holdouts=found[fit.eval_set].holdouts,
                residual_sigma=found[fit.eval_set].residual_sigma,
            )
            if fit.law.name == found[fit.eval_set].law.name
            else fit
            for fit in fits
        )
    )


def _order(world: World, policy: str, seed: int) -> list[Lot]:
    lots = sorted(world.lots)
    mixed = [lots[index] for index in np.random.default_rng(seed).permutation(len(lots))]
    return mixed if policy == "random" else sorted(mixed, key=lambda lot: (lot[0], lot[2]))


def measured_ratio(world: World) -> float | None:
    """Where the target's own runs, if the table has some, meet the limit."""
    frame, asked = world.table.select(GENERAL).frame, world.objective
    rows = frame[(frame["N"] == asked.N) & (frame["D"] == asked.D) & (frame["r"] < 1)]
    base = world.table.select(GENERAL, phases=("base",)).frame
    losses = rows.groupby("r")["value"].mean()
    now = base.loc[base["N"] == asked.N, "value"].mean()
    if len(losses) < 2 or not np.isfinite(now):
        return None
    return float(
        np.interp(asked.keep[0].ceiling(float(now)), losses.to_numpy(), losses.index.to_numpy(float))
    )


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("which runs to buy next")
    parser.set_defaults(data=Path("experiments/law_cpu"))
    parser.add_argument("--at", help="target, N=..,D=..; by default the sweep file's, or the largest base")
    parser.add_argument("--keep", help="limit; by default the sweep file's, or general <= +2%%")
    parser.add_argument("--starts", type=int, default=6, help="starting designs")
    parser.add_argument("--sizes", type=int, default=3, help="sizes of a starting design, three runs each")
    parser.add_argument("--short", type=int, default=1, help="budgets its runs are short of the longest")
    parser.add_argument("--draws", type=int, default=400, help="refits of an interval")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=POLICIES)
    parser.add_argument("--measured", type=float, help="where the target was measured to meet the limit")
    parser.add_argument("--choose", action="store_true", help="choose the laws anew from what was bought")
    options = parser.parse_args(argv)
    starts = min(options.starts, 2) if options.quick else options.starts
    world = read_world(options.data, options.at, options.keep, options.draws)
    laws = laws_of(world)
    grid = [_grid(world, laws, seed) for seed in range(GRIDS)]
    widths = [one.width for one in grid]
    width, noise = float(np.mean(widths)), float(np.std(widths, ddof=1) / np.mean(widths))
    inside = (float(np.median([one.r_lo for one in grid])), float(np.median([one.r_hi for one in grid])))
    fitted, whole = world.flops(world.lots), world.flops({**world.lots, **world.corners})
    target = measured_ratio(world) if options.measured is None else options.measured
    span = f"{inside[0]:.3f} to {inside[1]:.3f}"
    lines = [f"grid: r* {grid[0].r:.3f} ({span}), {len(world.lots)} runs, {fitted:.3g} FLOPs"]
    document: dict[str, Any] = {
        "benchmark": "next_runs",
        "data": str(options.data),
        "keep": world.objective.keep_text,
        "laws": "chosen from the runs bought" if options.choose else laws,
        "grid_r": grid[0].r,
        "grid_interval": list(inside),
        "grid_width": width,
        "grid_widths": widths,
        "grid_noise": noise,
        "grid_law_share": grid[0].law_sd ** 2 / (grid[0].law_sd ** 2 + grid[0].parameter_sd ** 2),
        "grid_flops": whole,
        "fitted_flops": fitted,
        "measured_r": target,
        "starts": starts,
    }
    for policy in options.policies:
        paths = []
        for seed in range(options.seed, options.seed + starts):
            start = starting(world, options.sizes, 3, options.short, np.random.default_rng(seed))
            path = replay(world, start, policy, None if options.choose else laws, grid[0], width, seed)
            paths.append(path)
            told, near = (reached(path, (1 + slack) * width, grid[0].r) for slack in (noise, 0.1))
            where = " and ".join(
                "not reached" if one is None else f"{one.flops / whole:.3f}" for one in (told, near)
            )
            steps = ", ".join(f"{one.flops / whole:.2f}:{one.width:.3f}/{one.own_width:.3f}" for one in path)
            words = f"{policy} {seed}: {where} of the sweep (as narrow, 10 % wider); {steps}"
            lines.append(words)
            if not options.json:
                print(words, flush=True)
        document[policy] = summary(paths, whole, fitted, (width, noise), grid[0].r, target)
    first = document.get("advised", {})
    document |= {
        name: first.get(name)
        for name in (
            "share_of_flops",
            "share_exact",
            "share_10_percent_wider",
            "share_of_fitted",
            "r_star",
            "interval",
        )
    }
    document["random_share"] = document.get("random", {}).get("share_of_flops")
    document["cheapest_share"] = document.get("cheapest", {}).get("share_of_flops")
    return measure.report(document, options.json, lines[:1])


def laws_of(world: World) -> dict[str, str]:
    """By side, the law that errs least on the largest size of the whole grid."""
    fits = fits_of(world, world.rows(world.lots), None, 0)
    return {side: choose_fit(fits, side, None, world.objective.D).law.name for side in SIDES}


def _grid(world: World, laws: dict[str, str], seed: int) -> Belief:
    table = world.rows(world.lots)
    return believe(fits_of(world, table, laws, seed=seed), world.objective, table, seed=seed)


if __name__ == "__main__":
    measure.run(main)
