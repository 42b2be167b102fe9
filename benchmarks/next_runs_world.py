"""A finished sweep as a world of runs that can be bought: rows, prices, refits, offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from dcpt.core.errors import DcptError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import parse_assignments, parse_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.dataset import FitData, prepare
from dcpt.fit.default_laws import default_laws
from dcpt.fit.fit import fit_data
from dcpt.fit.fit_file import FitSet
from dcpt.fit.holdout import point_fit
from dcpt.fit.law_fit import LawFit
from dcpt.fit.score import LARGEST_D, LARGEST_N, score
from dcpt.fit.space import free_space
from dcpt.fit.splits import make_splits
from dcpt.laws.law import Law
from dcpt.laws.registry import get_law
from dcpt.plan.next_runs.candidate import Candidate, Cell, ladders
from dcpt.plan.next_runs.prices import Prices
from dcpt.plan.objective import Objective

SIDES = (GENERAL, DOMAIN)

Lot = tuple[float, float, int]
"""N, r and seed of a run."""


Bought = Mapping[Lot, tuple[float, ...]]
"""Runs and the budgets they are bought up to."""


@dataclass(frozen=True)
class World:
    """A finished sweep and a question."""

    table: LossTable
    objective: Objective
    prices: Prices
    lots: Bought
    corners: Bought
    draws: int

    @property
    def sizes(self) -> list[float]:
        return sorted({N for N, _, _ in self.lots})

    def rows(self, bought: Bought) -> LossTable:
        """Ends of the runs that were bought, and the bases of their sizes and of the target."""
        frame = self.table.frame
        sizes = {*(N for N, _, _ in bought), *(N for N in frame["N"].unique() if N not in self.sizes)}
        base = (frame["phase"] == "base") & frame["N"].isin(sizes)
        keys = zip(frame["N"], frame["r"], frame["seed"], frame["D"], strict=True)
        mine = np.array([D in bought.get((N, r, seed), ()) for N, r, seed, D in keys])
        return LossTable(frame[base | (mine & (frame["phase"] == "end"))].reset_index(drop=True))

    def added(self, item: Bought, bought: Bought) -> float:
        """FLOPs of adding budgets to what was bought, bases of new sizes included."""
        owned = {N for N, _, _ in bought}
        return self.flops(item) - sum(map(self.prices.base, {N for N, _, _ in item} & owned))

    def flops(self, bought: Bought) -> float:
        # A price does not depend on the ratio, which of a cell is between the corners.
        cells = [Cell(N, 0.5, budgets) for (N, _, _), budgets in bought.items()]
        return sum(map(self.prices.run, cells)) + sum(map(self.prices.base, {cell.N for cell in cells}))


def fit_side(law: Law, table: LossTable, side: str, draws: int, seed: int) -> LawFit:
    """Point fit, draws, and the errors on the largest size and tokens, which the interval of a plan needs."""
    data, _ = prepare(table, side, law=law)
    fit = fit_data(law, data, bootstrap=draws, seed=seed, holdouts=False)
    return replace(fit, holdouts=tuple(_left_out(law, data)))


def _left_out(law: Law, data: FitData) -> Iterator[Any]:
    for split in make_splits(data, (LARGEST_N, LARGEST_D)):
        rest, left = data.take(~split.out), data.take(split.out)
        try:
            _, found = point_fit(law, rest, free_space(law), law.delta)
        except DcptError:
            continue
        predicted = law.evaluate(found.theta, left.inputs)
        yield score(split.kind, split.level, law.name, left.loss, predicted, split.reach)


def fits_of(
    world: World,
    table: LossTable,
    laws: dict[str, str] | None,
    draws: int | None = None,
    seed: int = 0,
) -> FitSet:
    """Fits of the laws named by side, or of all default laws."""
    fits = []
    for side in SIDES:
        chosen = [get_law(laws[side])] if laws else default_laws(table, side)[0]
        for law in chosen:
            try:
                fits.append(fit_side(law, table, side, world.draws if draws is None else draws, seed))
            except DcptError:
                if laws:
                    raise
    return FitSet(tuple(fits))


def read_world(path: Path, at: str | None, keep: str | None, draws: int) -> World:
    """A sweep's folder or a loss table as a world of lots."""
    folder, losses = (path, path / "losses.csv") if path.is_dir() else (path.parent, path)
    table = LossTable.read(losses)
    ends = table.frame[(table.frame["phase"] == "end") & (table.frame["D"] > 0)]
    inner = ends[(ends["r"] > 0) & (ends["r"] < 1) & (ends["eval_set"] == GENERAL)]
    bases = table.frame.loc[table.frame["phase"] == "base", "N"].unique()
    fields = {"N": float(max(bases)), "D": float(inner["D"].max()), "keep": "general <= +2%"}
    prices = Prices()
    sheet = folder / "sweep.yaml"
    if sheet.exists():
        from dcpt.sweep.ladder import build_rungs
        from dcpt.sweep.spec import read_sweep

        spec = read_sweep(sheet)
        sizes = [*spec.model.sizes, *([spec.target.size] if spec.target else [])]
        rungs = build_rungs(sizes, spec.model, spec.tokenizer.vocab_size or 0, 0, folder, folder)
        share = spec.cpt.schedule.decay_share if spec.cpt.schedule else 1.0
        prices = Prices(
            spec.base.tokens if spec.base else 0.0,
            share,
            {rung.N: rung.flops_per_token for rung in rungs.values()},
        )
        if spec.target is not None:
            fields |= {"D": spec.target.tokens, "keep": spec.target.keep}
    if at is not None:
        fields |= {
            name: parse_quantity(value, "--at") for name, value in parse_assignments(at, "--at").items()
        }
    fields |= {} if keep is None else {"keep": keep}
    objective = Objective.of(fields)
    assert objective.N is not None
    proxies = ends[(ends["eval_set"] == GENERAL) & (ends["N"] < 0.99 * objective.N)]
    runs = {
        (float(N), float(r), int(seed)): tuple(sorted(map(float, rows["D"].unique())))
        for (N, r, seed), rows in proxies.groupby(["N", "r", "seed"])
    }
    lots = {lot: budgets for lot, budgets in runs.items() if 0 < lot[1] < 1}
    return World(table, objective, prices, lots, {lot: runs[lot] for lot in runs if lot not in lots}, draws)


def starting(world: World, sizes: int, runs: int, short: int, rng: np.random.Generator) -> Bought:
    """A few runs at each of the smallest sizes, at ratios drawn at random."""
    bought: dict[Lot, tuple[float, ...]] = {}
    for N in world.sizes[:sizes]:
        first = min(seed for size, _, seed in world.lots if size == N)
        mine = sorted(lot for lot in world.lots if lot[0] == N and lot[2] == first)
        for index in rng.choice(len(mine), min(runs, len(mine)), replace=False):
            bought[mine[index]] = world.lots[mine[index]][: len(world.lots[mine[index]]) - short]
    return bought


def offers(world: World, bought: Bought) -> list[Candidate]:
    """Every lot up to each budget it does not have yet; the first runs of a new size together."""
    owned = {N for N, _, _ in bought}
    left = [lot for lot in world.lots if lot not in bought]
    found = [
        Candidate((Cell(lot[0], lot[1], rung, name_of(lot)),), "ratio")
        for lot in world.lots
        if lot[0] in owned
        for rung in missing(world.lots[lot], bought.get(lot, ()))
    ]
    for N in sorted({N for N, _, _ in left} - owned):
        first = min(seed for size, _, seed in left if size == N)
        mine = sorted(lot for lot in left if lot[0] == N and lot[2] == first)
        for pair in combinations(mine, 2):
            for rung in ladders(world.lots[mine[0]]):
                found.append(Candidate(tuple(Cell(N, lot[1], rung, name_of(lot)) for lot in pair), "size"))
    return found


def missing(budgets: tuple[float, ...], have: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Budgets to add to a run, up to each longer one; its trunk is trained again."""
    longest = max(have, default=0.0)
    return [tuple(D for D in rung if longest < D) for rung in ladders(budgets) if rung[-1] > longest]


def name_of(lot: Lot) -> str:
    return f"{lot[0]:.0f}|{lot[1]:g}|{lot[2]:g}"


def lot_of(name: str) -> Lot:
    N, r, seed = name.split("|")
    return float(N), float(r), int(seed)
