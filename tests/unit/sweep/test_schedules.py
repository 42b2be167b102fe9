"""Sweeps that vary the schedule: what shares a trunk, what stands alone, what is refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import STEP, tiny_document, write_sweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import RunSpec
from dcpt.core.schedule import Schedule
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.schedule_settings import ScheduleShape, make_schedule

WARM = {"warmup_tokens": 4 * STEP}
SCHEDULES: list[dict[str, Any]] = [
    {"name": "flat", "kind": "constant", **WARM, "budgets": [30 * STEP]},
    {"name": "wsd20", "kind": "wsd", **WARM},
    {"name": "wsd50", "kind": "wsd", "decay_share": 0.5, "shape": "linear", **WARM, "budgets": [30 * STEP]},
    {
        "name": "step",
        "kind": "multi-step",
        "milestones": [0.6],
        "factors": [0.3],
        **WARM,
        "budgets": [30 * STEP],
    },
    {"name": "cos", "kind": "cosine", "floor": 0.1, **WARM, "budgets": [30 * STEP]},
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("tiny") / "sweep")
    prepare(folder)
    return folder


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "sweep"))


def with_cpt(folder: Path, drop: str = "schedule", **changes: Any) -> Sweep:
    cpt = {**tiny_document()["cpt"], "ratios": [0.25], **changes}
    cpt.pop(drop, None)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(tiny_document(cpt=cpt), sort_keys=False))
    return prepare(folder)


def test_decays_of_every_form_share_one_trunk(folder: Path) -> None:
    """Per peak: the constant schedule is the trunk, decays branch from it, the cosine stands alone."""
    sweep = with_cpt(folder, schedules=SCHEDULES, peaks=[1e-3, 2e-3])
    runs = sweep.design.runs[1:]
    assert len(runs) == 2 * (1 + 2 + 1 + 1 + 1)
    for peak, label in ((1e-3, "p0.001"), (2e-3, "p0.002")):
        of_peak = [run for run in runs if run.schedule.peak == peak]
        assert all(f"-{label}-" in run.slug for run in of_peak)
        trunk, *rest = of_peak
        assert (trunk.kind, trunk.schedule) == ("trunk", Schedule("constant", peak, 30, 4))
        assert (trunk.evaluation.ends, trunk.keep) == ((30,), (15, 16, 18, 24))
        branches = [run for run in rest if run.kind == "branch"]
        assert [run.slug.rsplit("-", 2)[1] for run in branches] == ["wsd20", "wsd20", "wsd50", "step"]
        for run in branches:
            split = run.schedule.decay_start
            assert (run.start.run_id, run.start.step, run.start.mode) == (trunk.run_id, split, "continue")
            assert (run.schedule.rates()[:split] == trunk.schedule.rates()[:split]).all()
            assert run.mixture == trunk.mixture
        alone = [run for run in rest if run.kind == "run"]
        assert [run.schedule.kind for run in alone] == ["cosine"]
    assert len({run.run_id for run in runs}) == len(runs)


def test_warm_ups_that_differ_share_nothing(folder: Path) -> None:
    schedules = [SCHEDULES[1], {**SCHEDULES[1], "name": "rewarmed", "warmup_from": 0.5}]
    runs = with_cpt(folder, schedules=schedules, peaks=[1e-3]).design.runs
    trunks = [run for run in runs if run.kind == "trunk"]
    assert [run.schedule.warmup_from for run in trunks] == [0.0, 0.5]


def test_one_schedule_in_a_list_is_the_same_sweep(folder: Path) -> None:
    """Name for name: a list of one, with its peak, makes the runs that the single schedule makes."""
    one = with_cpt(folder, drop="")
    settings = tiny_document()["cpt"]["schedule"]
    listed = with_cpt(folder, schedules=[{"name": "wsd", **settings}])
    assert [run.run_id for run in one.design.runs] == [run.run_id for run in listed.design.runs]


def test_the_target_takes_the_first_schedule(folder: Path) -> None:
    sweep = with_cpt(folder, schedules=SCHEDULES[1:], peaks=[2e-3, 1e-3])
    run: RunSpec = target_run(sweep.design, sweep.spec, "small", 0.4, 30 * STEP)
    assert run.schedule == Schedule("wsd", 2e-3, 30, 4, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": ""}, "exactly one of schedule and schedules"),
        ({"peaks": []}, "schedule 'flat' has no peak"),
        ({"schedules": [{**SCHEDULES[1], "peak": 1e-3}]}, "every schedule has a peak of its own"),
        ({"schedules": [SCHEDULES[1], SCHEDULES[1]]}, "names of schedules repeat"),
        ({"schedules": [SCHEDULES[1], {**SCHEDULES[1], "name": "again"}]}, "d1.28k are the same"),
        ({"drop": "budgets"}, "key 'budgets' is missing"),
        ({"schedules": [{**SCHEDULES[1], "kind": "wds"}]}, r"schedules\[0\].kind: got 'wds'"),
        ({"schedules": [{**SCHEDULES[1], "shape": "harmonic"}]}, "wanted a positive floor"),
    ],
)
def test_what_is_no_set_of_schedules(folder: Path, changes: dict[str, Any], message: str) -> None:
    given = {"schedules": SCHEDULES, "peaks": [1e-3], **changes}
    if changes.get("drop") in ("", "budgets"):
        given["schedule"] = tiny_document()["cpt"]["schedule"] if changes["drop"] == "" else None
    with pytest.raises(ConfigError, match=message):
        with_cpt(folder, **given)


def test_shares_become_steps() -> None:
    """What a sweep file says in shares holds at every budget."""
    infinite = ScheduleShape(kind="infinite", cooldown_share=0.15, plateau=0.5, decay_share=0.1, floor=0.05)
    assert make_schedule(infinite, 1e-3, 200, 10, "x") == Schedule(
        "infinite", 1e-3, 200, 10, 20, floor=0.05, cooldown=30, plateau=0.5
    )
    table = ScheduleShape(kind="table", knots=((0, 0.1), (0.5, 1), (1, 0)))
    assert make_schedule(table, 1e-3, 200, 10, "x").rates()[[99, 199]].tolist() == [1e-3, 0]
    for knots in ((0.1, 1), (1, 0)), ((0, 0.5), (1, 0)), ():
        with pytest.raises(ConfigError, match="x: the knots of a table go from share 0"):
            make_schedule(ScheduleShape(kind="table", knots=knots), 1e-3, 200, 10, "x")


def test_dense_windows_are_fewer(folder: Path) -> None:
    document = tiny_document(evaluation={"every_tokens": 5 * STEP, "sequences": 16, "dense_sequences": 8})
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document))
    assert {run.evaluation.dense_sequences for run in prepare(folder).design.runs} == {8}
    document["evaluation"]["dense_sequences"] = 16
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError, match="wanted fewer than the 16 sequences"):
        prepare(folder)
