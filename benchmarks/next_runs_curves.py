"""Runs of many schedules bought by advice, at random, or cheapest first; at the same FLOPs, which know more?

    python -m benchmarks.next_runs_curves --data experiments/cpt_dynamics_cpu/losses.csv.gz --json

The data are loss curves of a finished sweep: sizes, mixtures, peaks and schedules, branches grown on trunks.
Lives (a trunk with its branches, or a run by itself) are split at random: some are there to begin with, a
quarter is never sold, and of the rest every run is on offer, its trunk trained again and shared with what is
bought beside it. For every question the advice chooses among them within a share of their FLOPs, in two
rounds with a refit between; random order and cheapest first spend as much. Then both sides are refitted, and
compared are the interval of the answer, its distance to the answer of all curves, and the mean absolute error
(per cent) on the last losses of the lives that were never sold.

Questions: the domain share that keeps the general loss within 3 % of the base's; the replay share, and the
share of the steps to anneal, with the least sum of 0.8 general and 0.2 domain loss; all for the largest size,
the middle peak and the longest run of the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import measure
from dcpt.core.curve import Curve
from dcpt.core.schedule import Schedule
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.loss_curves.chosen_curves import counted_once, one_group, thinned
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_rows import read_curve_rows
from dcpt.fit.loss_curves.fit import fit_curves
from dcpt.fit.loss_curves.from_table import curves_of
from dcpt.ingest.reading import Reading
from dcpt.plan.limit import Limit
from dcpt.plan.next_runs.curves.advise import advise_curves
from dcpt.plan.next_runs.curves.answer import Solver, best_of, share_under
from dcpt.plan.next_runs.curves.run import CurveRun, stretches
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.next_runs.stopping import StoppingRule
from dcpt.plan.schedule.aim import Aim
from dcpt.plan.schedule.knobs import sweep_annealing, sweep_replay
from dcpt.plan.schedule.setting import Setting

LAWS = {GENERAL: "joint-general", DOMAIN: "joint-domain"}
BASE = Schedule("wsd", 3e-3, 800, 80, 160)
RUN = Schedule("wsd", 1e-3, 384, 10, 77)
ROWS = 1500
"""Losses of a side that are used, evenly along all curves."""
WEIGHT, KEEP = 0.8, "general <= +3%"
NEVER_SOLD = 0.25
ROUNDS, RANDOM = 2, 3
"""Refits of the advice, and random orders per starting design."""
QUESTIONS = ("limit", "replay", "anneal")

Curves = Mapping[str, Sequence[Curve]]


@dataclass(frozen=True)
class World:
    """Curves of both sides in the same order, and the draws of a refit."""

    curves: Curves
    draws: int
    prices: Prices

    def some(self, names: set[str]) -> dict[str, list[Curve]]:
        return {side: [curve for curve in all_ if curve.name in names] for side, all_ in self.curves.items()}

    def fit(self, names: set[str], seed: int = 0) -> dict[str, CurveFit]:
        made = {}
        for side, some in self.some(names).items():
            made[side] = fit_curves(
                LAWS[side], some, bootstrap=self.draws, weights=counted_once(some), seed=seed
            )
        return made

    def run(self, name: str) -> CurveRun:
        """A curve as a run on offer, read where its curve was."""
        pair = {side: next(c for c in all_ if c.name == name) for side, all_ in self.curves.items()}
        curve = pair[GENERAL]
        steps = curve.steps[curve.steps > curve.history.switch]
        price = self.prices.per_token(curve.given["N"]) * curve.given["tokens_per_step"]
        given = {side: dict(one.given) for side, one in pair.items()}
        return CurveRun(name, curve.history, steps, given, (curve.group,), price, "held out")


def read_world(path: Path, draws: int) -> World:
    """Both sides' curves, thinned alike."""
    rows = read_curve_rows(path, Reading())
    sides = {}
    for side in LAWS:
        found = list(curves_of(rows, f"{side}/dense", base_point=False).curves)
        sides[side] = one_group(thinned(found, ROWS)[0])[0]
    return World(sides, draws, Prices())


def solvers(fits: Mapping[str, CurveFit], world: World) -> dict[str, Solver]:
    """What solves every question, for the largest size."""
    largest = max(curve.given["N"] for curve in world.curves[GENERAL])
    bases = {
        side: next(curve.given["L0"] for curve in all_ if curve.given["N"] == largest)
        for side, all_ in world.curves.items()
    }
    setting = Setting(RUN, BASE, r=0.5, N=largest, base_losses=bases)
    aim = Aim.balance(fits[GENERAL], fits[DOMAIN], WEIGHT)
    return {
        "limit": share_under(Limit.parse(KEEP), setting),
        "replay": best_of(lambda one: sweep_replay(one, setting), aim),
        "anneal": best_of(lambda one: sweep_annealing(one, setting), aim),
    }


def width_of(solve: Solver, fits: Mapping[str, CurveFit]) -> tuple[float, float]:
    """The answer, and the width of its 90 % interval."""
    solved = solve(fits)
    lo, hi = np.quantile(solved.draws, [0.05, 0.95])
    return solved.value, float(hi - lo)


def error(fits: Mapping[str, CurveFit], test: Curves) -> float:
    """Mean absolute error on the last losses of curves, per cent, both sides alike."""
    parts = []
    for side, curves in test.items():
        ends = [curve.take(np.array([len(curve) - 1])) for curve in curves]
        parts.append(mean(abs(float(np.log(fits[side].mean(c)[0] / c.loss[0]))) for c in ends))
    return 100 * mean(parts)


def spend(names: Sequence[str], world: World, money: float) -> tuple[set[str], float]:
    """Runs in an order, each that still can be paid for, and what they cost."""
    runs = [world.run(name) for name in names]
    parts, member = stretches(runs)
    prices = np.array([part.flops for part in parts])
    have = np.zeros(len(parts), dtype=bool)
    bought: set[str] = set()
    for number, name in enumerate(names):
        after = have | member[number]
        if float(prices[after].sum()) <= money:
            have, bought = after, bought | {name}
    return bought, float(prices[have].sum())


def advised(
    world: World, start: set[str], offered: Sequence[str], question: str, money: float
) -> tuple[set[str], float, float]:
    """Runs bought by advice in rounds, what they cost, and the width that was promised for the last."""
    have, spent, promised = set(start), 0.0, float("nan")
    for turn in range(ROUNDS):
        fits = world.fit(have)
        left = [name for name in offered if name not in have]
        # What a trunk has in common with runs of an earlier round is paid again, as for the others.
        runs = [world.run(name) for name in left]
        advice = advise_curves(
            fits, world.some(have), solvers(fits, world)[question], runs, StoppingRule(least_shrink=0.0),
            answer=question, batch=len(runs), max_flops=(money - spent) / (ROUNDS - turn),
        )  # fmt: skip
        if not advice.batch:
            break
        have |= {offer.run for offer in advice.batch}
        spent += advice.flops
        promised = advice.batch[-1].width
    return have, spent, promised


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark."""
    parser = measure.parser("which runs of many schedules to buy next")
    parser.set_defaults(data=Path("experiments/cpt_dynamics_cpu/losses.csv.gz"))
    parser.add_argument("--starts", type=int, default=4, help="starting designs")
    parser.add_argument("--lives", type=int, default=8, help="lives of a starting design")
    parser.add_argument("--share", type=float, default=0.15, help="share of the offered FLOPs to spend")
    parser.add_argument("--draws", type=int, default=100, help="refits of an interval")
    options = parser.parse_args(argv)
    world = read_world(options.data, 50 if options.quick else options.draws)
    lives: dict[str, list[str]] = {}
    for curve in world.curves[GENERAL]:
        lives.setdefault(curve.group, []).append(curve.name)
    full = world.fit({name for names in lives.values() for name in names})
    truth = {name: width_of(solve, full) for name, solve in solvers(full, world).items()}
    cells: list[dict[str, Any]] = []
    for seed in range(options.seed, options.seed + (1 if options.quick else options.starts)):
        rng = np.random.default_rng(seed)
        order = [list(lives)[index] for index in rng.permutation(len(lives))]
        begin = {name for life in order[: options.lives] for name in lives[life]}
        never = round(NEVER_SOLD * len(order))
        test = world.some({name for life in order[-never:] for name in lives[life]})
        offered = [name for life in order[options.lives : -never] for name in lives[life]]
        runs = [world.run(name) for name in offered]
        total = sum(part.flops for part in stretches(runs)[0])
        money = options.share * total
        cheap = sorted(offered, key=lambda name: world.run(name).flops)
        mixed = [[offered[i] for i in rng.permutation(len(offered))] for _ in range(RANDOM)]
        sets = {
            "start": [(set[str](), 0.0)],
            "cheapest": [spend(cheap, world, money)],
            "random": [spend(one, world, money) for one in mixed],
        }
        for policy, purchases in sets.items():
            for names, cost in purchases:
                found = _looked(policy, seed, world, begin | names, QUESTIONS, test, truth)
                cells += [{**cell, "share": cost / total, "promised": None} for cell in found]
        for question in QUESTIONS:
            names, cost, promised = advised(world, begin, offered, question, money)
            found = _looked("advised", seed, world, names, (question,), test, truth)
            cells += [{**cell, "share": cost / total, "promised": promised} for cell in found]
        if not options.json:
            print(f"start {seed}: {len(begin)} curves, {len(offered)} on offer", flush=True)
    document: dict[str, Any] = {
        "benchmark": "next_runs_curves",
        "data": str(options.data),
        "laws": LAWS,
        "share": options.share,
        "starts": len({cell["seed"] for cell in cells}),
        "all_curves": {name: {"answer": value, "width": wide} for name, (value, wide) in truth.items()},
        "questions": {question: _summary(cells, question) for question in QUESTIONS},
        "cells": cells,
    }
    lines = [f"{question}: {_words(document['questions'][question])}" for question in QUESTIONS]
    return measure.report(document, options.json, lines)


def _looked(
    policy: str, seed: int, world: World, names: set[str], questions: Sequence[str], test: Curves,
    truth: Mapping[str, tuple[float, float]],
) -> list[dict[str, Any]]:  # fmt: skip
    """A refit, and what it says of some questions."""
    fits = world.fit(names)
    missed = error(fits, test)
    found = []
    for question in questions:
        value, width = width_of(solvers(fits, world)[question], fits)
        found.append(
            {
                "policy": policy, "seed": seed, "question": question, "curves": len(names), "answer": value,
                "width": width, "off": abs(value - truth[question][0]), "error": missed,
            }
        )  # fmt: skip
    return found


def _summary(cells: Sequence[Mapping[str, Any]], question: str) -> dict[str, Any]:
    """Means by policy over starting designs, those of widths geometric."""
    found: dict[str, Any] = {}
    for policy in ("start", "advised", "random", "cheapest"):
        mine = [cell for cell in cells if cell["question"] == question and cell["policy"] == policy]
        found[policy] = {
            "width": float(np.exp(mean(np.log(cell["width"]) for cell in mine))),
            "off": mean(cell["off"] for cell in mine),
            "error": mean(cell["error"] for cell in mine),
            "curves": mean(cell["curves"] for cell in mine),
            "share": mean(cell["share"] for cell in mine),
        }
    promises = [
        cell["promised"] / cell["width"]
        for cell in cells
        if cell["question"] == question and cell["promised"] is not None
    ]
    found["promised"] = float(np.exp(mean(np.log(promises))))
    return found


def _words(row: Mapping[str, Any]) -> str:
    parts = []
    for policy in ("start", "advised", "random", "cheapest"):
        one = row[policy]
        parts.append(f"{policy} {one['width']:.4f} (off {one['off']:.4f}, error {one['error']:.2f} %)")
    return "; ".join(parts) + f"; promised {row['promised']:.2f} of it"


if __name__ == "__main__":
    measure.run(main)
