"""Runs bought one batch after another until the planned ratio is known as well as by the whole grid.

    python -m benchmarks.next_runs --data experiments/law_cpu --json

The data are a sweep's folder (losses.csv, and sweep.yaml for prices and target) or a loss table. Every run
of the table between the corners is a lot: one size, ratio and seed, bought up to any of its budgets, and to
longer ones later, which trains its trunk again. From a few cheap runs on, batches are bought as
`dcpt.plan.next_runs` advises, or in random order, or cheapest first; after each the laws are refitted to what
was bought, and the interval of r* is compared with that of all lots.

Training FLOPs are counted, the bases of the sizes included. `share_of_flops` is of the whole sweep as it was
run, `share_of_fitted` of its lots alone, without the runs at the corners (r = 0 or 1) that no law is fitted
on. "As narrow" allows `--slack` (10 %); `grid_widths` are those of three sets of refits to the whole grid.

Most of an interval is the law's own error at the target, which is estimated from the largest size held out.
From few runs that estimate scatters, and the first interval that happens to be narrow enough is luck, in
random order as well. So intervals are compared with the law's error of the whole grid, growing with the
distance to the largest size bought; the advice sees only what the runs bought so far say. What the planner's
own intervals would give, estimate and all, stands beside it (`share_own`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks import measure
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
from dcpt.core.symbols import GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.plan.evidence import choose_fit
from dcpt.plan.next_runs.advise import advise
from dcpt.plan.next_runs.belief import Belief, believe

POLICIES = ("advised", "random", "cheapest")

BATCH, BATCH_SHARE = 6, 0.04
"""Most candidates bought between two refits, and the share of the lots' FLOPs from which a batch is full."""

ENOUGH = 0.75
"""Share of the lots' FLOPs at which a replay ends in any case."""


@dataclass(frozen=True)
class State:
    """Where a replay stands after a refit."""

    flops: float
    runs: int
    r: float
    lo: float
    hi: float
    own: tuple[float, float]

    @property
    def width(self) -> float:
        return self.hi - self.lo

    @property
    def own_width(self) -> float:
        return self.own[1] - self.own[0]


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
        if belief.width <= goal or spent >= ENOUGH * total:
            return path
        if policy == "advised":
            advice = advise(fits, world.objective, table, offers(world, bought), world.prices, batch=BATCH)
            # To stop is no answer here: then a new size, or the best of what is left.
            rest = sorted(advice.ranking, key=lambda offer: offer.candidate.kind != "size")[:1]
            chosen = advice.batch or rest
            new = [{lot_of(cell.name): cell.budgets for cell in offer.candidate.cells} for offer in chosen]
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


def reached(path: list[State], width: float, inside: tuple[float, float], own: bool = False) -> State | None:
    """The first state with an interval that narrow and its ratio inside the grid's."""
    good = (one for one in path if (one.own_width if own else one.width) <= width)
    return next((one for one in good if inside[0] <= one.r <= inside[1]), None)


def lasting(path: list[State], width: float) -> State:
    """The first state from which on no interval is wider; the last one, where none is that narrow."""
    wide = [place for place, one in enumerate(path) if one.width > width]
    return path[min(wide[-1] + 1, len(path) - 1)] if wide else path[0]


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
    parser.add_argument("--draws", type=int, default=400, help="refits of an interval")
    parser.add_argument("--slack", type=float, default=0.1, help="how much wider counts as as narrow")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=POLICIES)
    parser.add_argument("--measured", type=float, help="where the target was measured to meet the limit")
    parser.add_argument("--choose", action="store_true", help="choose the laws anew from what was bought")
    options = parser.parse_args(argv)
    starts = min(options.starts, 2) if options.quick else options.starts
    world = read_world(options.data, options.at, options.keep, options.draws)
    laws = _laws(world)
    grid = [_grid(world, laws, seed) for seed in range(3)]
    width = float(np.median([one.width for one in grid]))
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
        "grid_widths": [one.width for one in grid],
        "grid_law_share": grid[0].law_sd ** 2 / (grid[0].law_sd ** 2 + grid[0].parameter_sd ** 2),
        "grid_flops": whole,
        "fitted_flops": fitted,
        "measured_r": target,
        "slack": options.slack,
        "starts": starts,
    }
    for policy in options.policies:
        ends, strict, lucky, kept, paths = [], [], [], [], []
        for seed in range(options.seed, options.seed + starts):
            start = starting(world, 3, 3, 1, np.random.default_rng(seed))
            path = replay(world, start, policy, None if options.choose else laws, grid[0], width, seed)
            paths.append(path)
            ends.append(reached(path, (1 + options.slack) * width, inside))
            strict.append(reached(path, width, inside))
            lucky.append(reached(path, (1 + options.slack) * width, inside, own=True))
            kept.append(lasting(path, (1 + options.slack) * width).flops / whole)
            where = "not reached" if ends[-1] is None else f"{ends[-1].flops / whole:.3f} of the sweep"
            steps = ", ".join(f"{one.flops / whole:.2f}:{one.width:.3f}/{one.own_width:.3f}" for one in path)
            words = f"{policy} {seed}: {where}; {steps}"
            lines.append(words)
            if not options.json:
                print(words, flush=True)
        document[policy] = _summary(ends, strict, lucky, paths, whole, fitted, grid[0].r, target)
        document[policy]["share_for_good"] = mean(kept)
    first = document.get("advised", {})
    document |= {
        name: first.get(name) for name in ("share_of_flops", "share_of_fitted", "r_star", "interval")
    }
    document["random_share"] = document.get("random", {}).get("share_of_flops")
    document["cheapest_share"] = document.get("cheapest", {}).get("share_of_flops")
    return measure.report(document, options.json, lines[:1])


def _laws(world: World) -> dict[str, str]:
    """By side, the law that errs least on the largest size of the whole grid."""
    fits = fits_of(world, world.rows(world.lots), None, 0)
    return {side: choose_fit(fits, side, None, world.objective.D).law.name for side in SIDES}


def _grid(world: World, laws: dict[str, str], seed: int) -> Belief:
    table = world.rows(world.lots)
    return believe(fits_of(world, table, laws, seed=seed), world.objective, table, seed=seed)


def _summary(
    ends: list[State | None],
    strict: list[State | None],
    lucky: list[State | None],
    paths: list[list[State]],
    whole: float,
    fitted: float,
    grid_r: float,
    target: float | None,
) -> dict[str, Any]:
    """Shares over the starting designs; one that never got there counts with what it had bought."""
    spent = [path[-1].flops if end is None else end.flops for end, path in zip(ends, paths, strict=True)]
    exact = [path[-1].flops if end is None else end.flops for end, path in zip(strict, paths, strict=True)]
    luck = [path[-1].flops if end is None else end.flops for end, path in zip(lucky, paths, strict=True)]
    last = [path[-1] if end is None else end for end, path in zip(ends, paths, strict=True)]
    shares = [flops / whole for flops in spent]
    return {
        "share_of_flops": mean(shares),
        "share_sd": stdev(shares) if len(shares) > 1 else None,
        "shares": shares,
        "share_of_fitted": mean(flops / fitted for flops in spent),
        "share_without_slack": mean(flops / whole for flops in exact),
        "share_own": mean(flops / whole for flops in luck),
        "reached": mean(end is not None for end in ends),
        "reached_without_slack": mean(end is not None for end in strict),
        "runs": mean(one.runs for one in last),
        "r_star": mean(one.r for one in last),
        "interval": [mean(one.lo for one in last), mean(one.hi for one in last)],
        "holds_grid_r": mean(one.lo <= grid_r <= one.hi for one in last),
        "holds_measured_r": None if target is None else mean(one.lo <= target <= one.hi for one in last),
        "paths": [
            [[round(x, 4) for x in (one.flops / whole, one.r, one.lo, one.hi, *one.own)] for one in path]
            for path in paths
        ],
    }


if __name__ == "__main__":
    measure.run(main)
