"""How long a sweep takes: starts, steps and evaluations count, and so does who else is on the machine."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_text import write_sweep

from dcpt.cost.hardware import get_hardware
from dcpt.sweep import wall_time
from dcpt.sweep.prepare import prepare
from dcpt.sweep.price import price, wall_hours
from dcpt.sweep.wall_time import COMMAND, WORKER, Waiting, crowding, makespan, sweep_hours

CORE = get_hardware("cpu-core")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two idle cores."""
    monkeypatch.setattr(wall_time, "count_gpus", lambda: 0)
    monkeypatch.setattr(wall_time, "count_cores", lambda: 2)
    monkeypatch.setattr(wall_time, "crowding", lambda: 1.0)


def waiting(name: str, parent: str | None = None, flops: float = 0.0, overhead: float = 0.0) -> Waiting:
    return Waiting(name, parent, flops, overhead)


def test_a_chain_takes_its_sum_and_two_workers_halve_what_is_free() -> None:
    chain = [waiting("base"), waiting("trunk", "base"), waiting("end", "trunk")]
    seconds = {"base": 4.0, "trunk": 2.0, "end": 1.0}
    assert makespan(chain, seconds, 1) == makespan(chain, seconds, 8) == 7.0
    free = [waiting(f"run{at}") for at in range(6)]
    assert makespan(free, dict.fromkeys((run.run_id for run in free), 2.0), 2) == 6.0
    # The long way goes first, or the second worker would wait at the end.
    mixed = [waiting("a"), waiting("b"), waiting("base"), waiting("end", "base")]
    assert makespan(mixed, {"a": 3.0, "b": 3.0, "base": 3.0, "end": 3.0}, 2) == 6.0
    # A parent that has finished already keeps nobody waiting.
    assert makespan([waiting("end", "gone")], {"end": 5.0}, 2) == 5.0


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.integers(-1, 20)), min_size=1, max_size=20), st.integers(1, 6)
)
def test_no_schedule_beats_its_bounds(made: list[tuple[float, int]], width: int) -> None:
    runs = [
        waiting(str(at), str(parent) if 0 <= parent < at else None) for at, (_, parent) in enumerate(made)
    ]
    seconds = {run.run_id: item[0] for run, item in zip(runs, made, strict=True)}
    found, total = makespan(runs, seconds, width), sum(seconds.values())
    longest: dict[str, float] = {}
    for run in runs:
        longest[run.run_id] = seconds[run.run_id] + longest.get(run.parent or "", 0.0)
    assert found >= max(total / width, max(longest.values())) - 1e-9
    assert found <= total / width + max(longest.values()) + 1e-9  # Graham's bound of greedy schedules


def test_starts_and_steps_count_beside_arithmetic(tmp_path: Path) -> None:
    """A sweep of seconds of arithmetic: most of its time is loading torch, steps and checkpoints."""
    sweep = prepare(write_sweep(tmp_path))
    cost = price(sweep)
    arithmetic = cost.hours[1] * 3600
    low, likely, high = (3600 * hours for hours in wall_hours(cost))
    assert arithmetic < 5
    assert likely > COMMAND + WORKER + arithmetic / 2
    assert low < likely < high
    steps = sum(run.schedule.steps - run.first_step for run in sweep.design.runs)
    assert sum(run.overhead for run in cost.runs) > steps * wall_time.STEP * 2  # two layers or more
    assert len(cost.runs) == len(sweep.design.runs)


def test_a_busy_machine_takes_longer_and_an_idle_one_is_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [waiting(str(at), overhead=10.0) for at in range(8)]
    idle = sweep_hours(runs, CORE)
    monkeypatch.setattr(wall_time, "crowding", lambda: 4.0)
    busy = sweep_hours(runs, CORE)
    assert busy[0] == idle[0]
    assert busy[1] == pytest.approx(4 * idle[1])
    elsewhere = sweep_hours(runs, CORE, slots=8, here=False)
    assert elsewhere[1] == pytest.approx((COMMAND + WORKER + 10.0) / 3600)
    assert sweep_hours([], CORE) == (0.0, 0.0, 0.0)


def test_a_machine_without_a_gpu_trains_on_its_cores_whatever_the_file_prices() -> None:
    runs = [waiting("one", flops=1e13)]
    assert sweep_hours(runs, get_hardware("h100")) == sweep_hours(runs, CORE)


def test_the_look_at_the_machine_is_short_and_never_below_one() -> None:
    assert 1.0 <= crowding() < 1000
