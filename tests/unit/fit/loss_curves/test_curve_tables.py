"""From tables to curves: histories, trunks, warm-ups that a log leaves out, and what is refused."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import curve_world as world

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.fit.loss_curves.chosen_curves import (
    after,
    check_constants,
    counted_once,
    named,
    one_group,
    split,
    thinned,
)
from dcpt.fit.loss_curves.curve_file import CurveFits
from dcpt.fit.loss_curves.curve_rows import read_curve_rows, set_for_side
from dcpt.fit.loss_curves.fit_sets import candidates, fit_set
from dcpt.fit.loss_curves.from_table import curves_of
from dcpt.fit.loss_curves.run_history import HistoryOptions
from dcpt.fit.loss_curves.summary import fits_text
from dcpt.ingest.reading import Reading
from dcpt.laws.curves import get_curve_law

WARM = Schedule("wsd", 1e-3, 400, 40, 80)


FLAT = Schedule("constant", 1e-3, 400)


def rows_of(frame, folder, reading=None, name="curves.csv"):
    frame.to_csv(folder / name, index=False)
    return read_curve_rows(folder / name, reading or Reading())


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return rows_of(world.table(), tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def general(ours):
    return curves_of(ours, "general/dense")


def test_a_branch_has_the_losses_of_its_trunk_and_the_history_of_its_whole_life(general):
    curves = {curve.name.removeprefix("r0.5-"): curve for curve in general.curves}
    assert set(curves) == set(world.RUNS)
    switch = world.BASE.steps
    for name, curve in curves.items():
        joined = JoinedSchedule(world.BASE, world.RUNS[name])
        assert (curve.history.rates == joined.rates()).all()
        assert (curve.history.rising == joined.rising).all()
        assert curve.history.switch == switch
        every = np.arange(world.EVERY, world.RUNS[name].steps + 1, world.EVERY)
        assert curve.steps.tolist() == [switch, *(every + switch).tolist()]
        assert (curve.given["r"], curve.given["s"], curve.given["L0"]) == (0.5, 0.5, curve.loss[0])
        assert (curve.given["tokens_per_step"], curve.given["cpt_peak"]) == (world.TOKENS, 1e-3)
        assert curve.given["G0"] == curve.given["L0"]
    frame = world.table()
    trunk = frame[(frame["run_id"] == "r0.5-trunk") & (frame["eval_set"] == "general/dense")]
    split_at = world.RUNS["half"].decay_start
    assert (
        curves["half"].loss[1 : split_at // world.EVERY + 1].tolist()
        == trunk["value"][trunk["step"] <= split_at].tolist()
    )
    assert general.base_schedules == (world.BASE.text,)


def test_branches_of_a_trunk_are_one_group_and_what_they_share_counts_once(ours, general):
    groups = {curve.name: curve.group for curve in general.curves}
    assert len({groups[f"r0.5-{name}"] for name in ("trunk", "wsd-100", "wsd-200", "wsd-300", "half")}) == 1
    assert groups["r0.5-cos"] == "r0.5-cos"
    weights = counted_once(general.curves)
    measured = ours.frame[ours.frame["eval_set"] == "general/dense"]
    assert sum(part.sum() for part in weights) == pytest.approx(len(measured))


def test_a_trunk_that_ends_where_its_last_branch_leaves_is_no_curve_of_its_own(tmp_path, general):
    assert "r0.5-trunk" in [curve.name for curve in general.curves]
    frame = world.table()
    beyond = (frame["run_id"] == "r0.5-trunk") & (frame["step"] > world.RUNS["wsd-300"].decay_start)
    found = curves_of(rows_of(frame[~beyond], tmp_path), "general/dense")
    assert "r0.5-trunk" not in [curve.name for curve in found.curves]
    assert "r0.5-trunk: all losses stand in branches too" in found.notes[0]


def test_what_came_before_the_base_is_a_curve_of_its_own(tmp_path, general):
    """It knows where continual pre-training begins; the loss at that step is measured once."""
    rows = rows_of(world.table(pretraining=True), tmp_path)
    first, *rest = curves_of(rows, "general/dense").curves
    switch = world.BASE.steps
    assert (first.name, first.history.switch, len(first.history)) == ("base", switch, switch + 1)
    assert first.steps.tolist() == list(range(20, switch + 1, 20))
    assert [curve.steps.tolist() for curve in rest] == [curve.steps.tolist() for curve in general.curves]
    assert first.loss[-1] == rest[0].loss[0]
    weights = counted_once([first, *rest])
    assert weights[0][-1] == weights[1][0] == 1 / len([first, *rest])
    assert [curve.name for curve in curves_of(rows, "general/dense", base_point=False).curves] == [
        curve.name for curve in rest
    ]
    late = after([first, *rest], 50)
    assert (late[0].steps[0], late[1].steps[0], late[1].steps[1]) == (60, switch, switch + 60)
    alone = rows_of(world.table(pretraining=True).query("run_id == 'base'"), tmp_path, name="base.csv")
    (only,) = curves_of(alone, "general/dense").curves
    assert (only.history.switch, len(only.history), len(only)) == (0, switch, len(first))


def test_runs_of_another_seed_or_mixture_are_no_trunks(tmp_path):
    frame = world.table()
    for column, value in (("seed", 8), ("r", 0.7)):
        other = frame.copy()
        other.loc[other["run_id"] == "r0.5-trunk", column] = value
        found = curves_of(rows_of(other, tmp_path), "general/dense").curves
        half = next(curve for curve in found if curve.name == "r0.5-half")
        assert half.steps[1] - world.BASE.steps > world.RUNS["half"].decay_start


def test_the_dense_set_stands_for_a_side(ours):
    assert set_for_side(ours, "domain", "dense")[0] == "domain/dense"
    assert "not general (7, at the ends)" in set_for_side(ours, "general", "dense")[1]


def test_a_log_with_its_warm_up_gives_the_schedule_back(tmp_path):
    rows = rows_of(world.log(WARM, every=1), tmp_path)
    (curve,) = curves_of(rows, "general").curves
    assert curve.name == "curves"
    assert curve.history.rates == pytest.approx(WARM.rates())
    assert curve.history.front == WARM.warmup


@pytest.mark.parametrize(("told", "front"), [(40, 40), (None, 50), (0, 0)])
def test_a_warm_up_that_is_missing_is_rebuilt_or_assumed_and_said(tmp_path, told, front):
    rows = rows_of(world.log(WARM, first=50, every=1), tmp_path)
    found = curves_of(rows, "general", HistoryOptions(warmup=told))
    history = found.curves[0].history
    assert history.front == front
    assert history.rates[front:] == pytest.approx(
        np.maximum(WARM.rates(), 1e-3 * (np.arange(400) < 50))[front:]
    )
    assert bool(found.notes) == (told is None)


def test_a_rise_in_a_log_goes_back_to_zero(tmp_path):
    rows = rows_of(world.log(WARM, first=10, every=10), tmp_path)
    found = curves_of(rows, "general")
    assert found.curves[0].history.rates[:40] == pytest.approx(WARM.rates()[:40])
    assert (found.curves[0].history.front, found.notes) == (40, ())


def test_a_rate_at_step_0_is_where_the_log_starts(tmp_path):
    rows = rows_of(world.log(WARM, first=50, every=10), tmp_path)
    first = rows.frame.iloc[[0]].assign(step=0, eta=5e-4)
    for begin, start, notes in ((first, 5e-4, 0), (first.assign(eta=np.nan), 0.0, 1)):
        logged = dataclasses.replace(rows, frame=pd.concat([begin, rows.frame], ignore_index=True))
        found = curves_of(logged, "general")
        assert found.curves[0].history.rates[0] == pytest.approx(start, abs=2e-5)
        assert len(found.notes) == notes


def test_pre_training_in_a_log_is_told_by_a_flag_a_column_or_a_schedule(tmp_path):
    log = world.log(WARM, every=10)
    front = world.BASE
    told = curves_of(rows_of(log, tmp_path), "general", HistoryOptions(switch=100)).curves[0]
    marked = curves_of(rows_of(log.assign(switch=100, eval_set="general"), tmp_path), "general").curves[0]
    assert told.history.switch == marked.history.switch == 100
    assert told.history.rates.tolist() == marked.history.rates.tolist()
    joined = curves_of(rows_of(log, tmp_path), "general", HistoryOptions(base_schedule=front)).curves[0]
    assert joined.history.switch == front.steps
    assert joined.steps.tolist() == (log["step"] + front.steps).tolist()
    with pytest.raises(ConfigError, match="both say where pre-training ended"):
        curves_of(rows_of(log, tmp_path), "general", HistoryOptions(switch=100, base_schedule=front))


def test_a_folder_of_files_is_one_curve_each(tmp_path):
    for name, seed in (("one", 0), ("two", 1)):
        world.log(WARM, seed=seed).to_csv(tmp_path / f"{name}.csv", index=False)
    rows = read_curve_rows(tmp_path, Reading())
    assert [curve.name for curve in curves_of(rows, "general").curves] == ["one", "two"]


def test_logs_that_begin_alike_are_one_run(tmp_path):
    log = world.log(WARM)
    log.to_csv(tmp_path / "one.csv", index=False)
    log[log["step"] < 300].to_csv(tmp_path / "two.csv", index=False)
    world.log(WARM, seed=1).to_csv(tmp_path / "three.csv", index=False)
    curves, note = one_group(curves_of(read_curve_rows(tmp_path, Reading()), "general").curves)
    assert {curve.name: curve.group for curve in curves} == {"one": "one", "two": "one", "three": "three"}
    assert note.startswith("two begin with the losses of other curves")
    weights = dict(zip([curve.name for curve in curves], counted_once(curves), strict=True))
    assert set(weights["two"]) == {0.5}
    assert set(weights["three"]) == {1.0}
    assert sum(weights["one"]) == len(log) - 0.5 * len(weights["two"])


def test_the_published_folder_reads_as_its_source_says(shared):
    """Warm-up of 2160 steps, which the files leave out (SOURCE.txt of that folder)."""
    folder = shared / "losses" / "multi_power_law" / "csv_25"
    found = curves_of(read_curve_rows(folder, Reading()), "general", HistoryOptions(warmup=2160))
    assert len(found.curves) == 9
    cosine = next(curve for curve in found.curves if curve.name == "cosine_24000")
    ideal = Schedule("cosine", 3e-4, 24000, 2160, floor=0.1).rates()
    assert cosine.history.rates == pytest.approx(ideal[: len(cosine.history)], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(loss="much"), r"curves.csv row 1: value = 'much' is no number"),
        (lambda frame: frame.assign(loss=0.0), "row 1: value = 0 is not a positive loss"),
        (lambda frame: frame.assign(step=frame["step"] + 0.5), "row 1: step = 1.5 is not a whole number"),
        (lambda frame: frame.drop(columns="loss"), "column 'value' is missing; found step, lr"),
        (lambda frame: frame.drop(columns="lr"), "neither its schedule nor the rate in force is known"),
        (lambda frame: frame.assign(lr=-1.0), "row 1: eta = -1 is not a learning rate"),
        (lambda frame: pd.concat([frame, frame.assign(loss=3.0)]), "step 1 of run curves stands twice"),
        (lambda frame: frame[frame["step"] > 300], "its log begins at step 301 of 381"),
        (lambda frame: frame.assign(schedule="wsd(peak=1)"), "run curves: schedule: wsd has no steps"),
        (lambda frame: frame.assign(schedule=Schedule("constant", 1e-3, 50).text), "beyond the 50 steps"),
        (lambda frame: frame.assign(schedule=FLAT.text), "the rate in force at step 1"),
        (lambda frame: frame.assign(eval_set="law", r=0.2), "'law' is neither general nor domain"),
    ],
)  # fmt: skip
def test_what_no_curve_can_be_made_of(tmp_path, change, message):
    def read():
        rows = rows_of(change(world.log(WARM)), tmp_path)
        return curves_of(rows, rows.eval_sets[0])

    with pytest.raises(DataError, match=message):
        read()


def test_curves_are_chosen_by_name(general):
    curves = general.curves
    train, test = split(curves, None, "*half|r0.5-cos")
    assert [curve.name for curve in test] == ["r0.5-half", "r0.5-cos"]
    assert len(train) + len(test) == len(curves)
    with pytest.raises(ConfigError, match=r"did you mean 'r0\.5-half'"):
        named(curves, "r0.5-hlaf", "--train")
    with pytest.raises(ConfigError, match="by both"):
        split(curves, "*cos", "*cos")
    late = after(curves, 50)
    assert all((curve.steps[0], curve.steps[1]) == (400, 460) for curve in late)
    few, note = thinned(curves, 40)
    assert sum(len(curve) for curve in few) <= 40
    assert "are fitted" in note


def test_mixtures_that_a_law_does_not_see_are_not_mixed(tmp_path):
    rows = rows_of(world.table((0.5, 0.9)), tmp_path)
    curves = curves_of(rows, "general/dense").curves
    with pytest.raises(ConfigError, match=r"does not read s, but the curves have 2 mixtures r: 0.5, 0.9"):
        check_constants(curves, "momentum", ())
    check_constants(curves, "cpt-dynamics+replay", ("s",))
    assert candidates(curves)[0] == "cpt-dynamics+replay+rate-power"
    assert "momentum" not in candidates(curves)


def test_fits_are_ranked_scored_on_other_curves_and_kept(general, tmp_path):
    """The law that made the losses predicts the curve left out within their noise, and survives a file."""
    train, test = split(general.curves, "*100|*300|*cos", "*half")
    laws = [get_curve_law(name) for name in ("cpt-dynamics", world.LAW)]
    made = fit_set(laws, train, test, holdout=False)
    assert made.best == (world.LAW,)
    assert made.choice[0]["name"] == world.LAW
    # What a branch shares with a fitted one is no test of the fit: 15 of its 30 losses, and the base's.
    assert made.tests[world.LAW][0]["losses"] == 15
    assert made.tests[world.LAW][0]["mae"] < 0.002 < made.tests["cpt-dynamics"][0]["mae"]
    fits = CurveFits((made,), general.base_schedules, {"said": {}})
    again = CurveFits.load(fits.save(tmp_path))
    assert again.of("general").predictor().mean(test[0]) == pytest.approx(made.predictor().mean(test[0]))
    assert again.sets[0].choice == made.choice
    assert f"{world.LAW} on general/dense" in fits_text(again)
    with pytest.raises(ConfigError, match="there are general/dense"):
        again.of("domain")
    (tmp_path / "curves.json").write_text('{"schema_version": 1, "kind": "curve fits", "sets": [{}]}')
    with pytest.raises(DataError, match="is no file of fits of curves"):
        CurveFits.load(tmp_path)
