"""The benchmark of the advice: a sweep as runs that can be bought, and one step of buying them."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dcpt.plan.next_runs.belief import believe

ROOT = Path(__file__).resolve().parents[4]
LAWS = {"general": "anchored-surface", "domain": "base-surface"}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    monkeypatch.syspath_prepend(str(ROOT))
    return tuple(importlib.import_module(f"benchmarks.{name}") for name in ("next_runs", "next_runs_world"))


@pytest.fixture
def losses(tmp_path: Path, synthetic: ModuleType) -> Path:
    path: Path = synthetic.table(noise=0.002, sizes=(*synthetic.SIZES, 1.2e6)).write(tmp_path / "losses.csv")
    return path


def test_a_sweep_is_a_world_of_runs(parts: tuple[Any, Any], losses: Path) -> None:
    _, shop = parts
    world = shop.read_world(losses, None, "general <= -3%", 50)
    # The largest base is the target: its runs are none of the lots.
    assert (world.objective.N, len(world.lots), len(world.sizes)) == (1.2e6, 20, 4)
    start = shop.starting(world, 3, 2, 1, np.random.default_rng(0))
    assert (len(start), {len(budgets) for budgets in start.values()}) == (6, {2})
    table = world.rows(start)
    ends = table.frame[table.frame["phase"] == "end"]
    assert len(ends) == 2 * 6 * 2
    assert set(table.frame.loc[table.frame["phase"] == "base", "N"]) == {*world.sizes[:3], 1.2e6}
    assert 0 < world.flops(start) < world.flops(world.lots)
    offered = shop.offers(world, start)
    cells = [cell for candidate in offered for cell in candidate.cells]
    assert {shop.lot_of(cell.name) for cell in cells} == set(world.lots)
    # Of runs that are there, the longest budget only: its trunk is paid again, the decays are not.
    again = [cell for cell in cells if shop.lot_of(cell.name) in start]
    assert {cell.budgets for cell in again} == {(1.3e6,)}
    item = {lot: (1.3e6,) for lot in list(start)[:1]}
    assert world.added(item, start) == pytest.approx(
        world.prices.run(again[0]) * next(iter(item))[0] / again[0].N
    )
    assert all(len(candidate.cells) == 2 for candidate in offered if candidate.kind == "size")


def test_a_replay_buys_until_it_has_enough(
    parts: tuple[Any, Any], losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, shop = parts
    world = shop.read_world(losses, None, "general <= -3%", 60)
    table = world.rows(world.lots)
    grid = believe(shop.fits_of(world, table, LAWS), world.objective, table)
    start = shop.starting(world, 3, 3, 0, np.random.default_rng(0))
    monkeypatch.setattr(bench, "ENOUGH", 1.05 * world.flops(start) / world.flops(world.lots))
    path = bench.replay(world, start, "advised", LAWS, grid, 0.0, 0)
    spent = [state.flops for state in path]
    assert len(path) >= 2
    assert spent == sorted(set(spent))
    assert all(state.lo <= state.r <= state.hi for state in path)
    assert bench.reached(path, 1.0, path[0].r) is path[0]
    assert bench.reached(path, 1.0, 2.0) is None
    assert bench.reached(path, 0.0, path[0].r) is None
