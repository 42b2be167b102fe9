"""How long a sweep will take: said of this machine, and of a cluster as far as that is known."""

from __future__ import annotations

from typing import Any

import pytest

from dcpt.cli import sweep_executor
from dcpt.cli.sweep_executor import time_line


@pytest.fixture(autouse=True)
def four_hours(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Four device hours, whatever the runs."""
    asked: list[tuple[Any, ...]] = []

    def hours(cost: Any, slots: int | None = None, here: bool = True) -> tuple[float, float, float]:
        asked.append((slots, here))
        width = slots or (8 if here else 1)
        return 2 / width, 4 / width, 8 / width

    monkeypatch.setattr("dcpt.sweep.price.wall_hours", hours)
    return asked


@pytest.mark.parametrize("executor", ["ray", "slurm"])
def test_a_cluster_is_not_this_machine(executor: str, four_hours: list[tuple[Any, ...]]) -> None:
    name = sweep_executor.NAMES[executor]
    line = time_line(None, None, executor)
    assert line.startswith(f"on {name} about 4.0 h (2.0 h to 8.0 h) one by one, and less the more")
    assert line.endswith("what they wait in its queue is not counted")
    limited = time_line(None, 4, executor)
    assert limited.startswith(f"on {name} about 60.0 min (30.0 min to 2.0 h) 4 at a time; ")
    assert four_hours == [(None, False), (4, False)]


def test_here_it_is(four_hours: list[tuple[Any, ...]]) -> None:
    assert time_line(None, None) == "on this machine about 30.0 min (15.0 min to 60.0 min)"
    assert four_hours == [(None, True)]
