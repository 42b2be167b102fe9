"""Losses beside a table of their runs: joined, with schedules from its columns, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import DataError
from dcpt.core.schedule import Schedule
from dcpt.core.schedule_text import parse_schedule
from dcpt.fit.loss_curves.curve_rows import read_curve_rows
from dcpt.fit.loss_curves.from_table import curves_of
from dcpt.ingest.reading import Reading

PARTS = (
    "run_id",
    "scheduler",
    "peak_lr",
    "iterations",
    "warmup",
    "fract_decay",
    "decay_type",
    "cos_final_lr",
)
RUNS = pd.DataFrame(
    [
        ("a1", "wsd", 1e-3, 1000, 50, 0.0, "sqrt", -1.0),
        ("a2", "wsd", 1e-3, 1000, 50, 0.2, "sqrt", 0.0),
        ("a3", "wsd", 1e-3, 1000, 50, 0.9, "linear", 0.0),
        ("a4", "cos", 2e-3, 1000, 50, 0.0, None, -1.0),
        ("a5", "cos", 2e-3, 1000, 50, 0.0, None, 0.0),
        ("a6", "twostage", 2e-3, 1000, 50, 0.0, None, 0.0),
    ],
    columns=PARTS,
)
SCHEDULES = {
    "a1": Schedule("constant", 1e-3, 1000, 50),
    "a2": Schedule("wsd", 1e-3, 1000, 50, 200, "1-sqrt"),
    "a3": Schedule("wsd", 1e-3, 1000, 50, 900, "linear"),
    "a4": Schedule("cosine", 2e-3, 1000, 50, floor=0.1),
    "a5": Schedule("cosine", 2e-3, 1000, 50),
}


def losses(names=tuple(SCHEDULES)):
    steps = np.arange(100, 1001, 100)
    parts = [pd.DataFrame({"run_id": name, "iter": steps, "val_loss": 4.0 - steps / 1e3}) for name in names]
    return pd.concat(parts)


def folder_of(tmp_path, tables):
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_schedules_come_from_the_columns_of_the_runs(tmp_path):
    last = losses().query("iter == 1000").rename(columns={"val_loss": "final_val_loss"})
    folder = folder_of(tmp_path, {"runs": RUNS, "val_curves": losses(), "last": last})
    rows = read_curve_rows(folder, Reading())
    found = {curve.name: curve for curve in curves_of(rows, "general").curves}
    assert set(found) == set(SCHEDULES)
    for name, schedule in SCHEDULES.items():
        assert parse_schedule(rows.frame.query("run_id == @name")["schedule"].iloc[0]) == schedule
        assert (found[name].history.rates == schedule.rates()).all()
    said = " ".join(rows.notes)
    assert "5 schedules are made of its columns" in said
    assert "1 cosines with no final rate are taken to fall to 0.1" in said
    assert "last.csv: no column of losses; passed over" in said


def test_conditions_speak_of_the_runs_too(tmp_path):
    folder = folder_of(tmp_path, {"runs": RUNS, "val_curves": losses()})
    rows = read_curve_rows(folder, Reading(where=("peak_lr=0.001", "fract_decay<0.5")))
    assert set(rows.frame["run_id"]) == {"a1", "a2"}


def test_what_the_losses_say_goes_before_the_runs(tmp_path):
    own = losses(("a1",)).assign(schedule="linear(peak=5e-4, steps=1000)")
    folder = folder_of(tmp_path, {"runs": RUNS, "val_curves": own})
    assert set(read_curve_rows(folder, Reading()).frame["schedule"]) == {"linear(peak=5e-4, steps=1000)"}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"runs": RUNS.head(2), "val": losses()}, "val.csv: run 'a3' is not in runs.csv"),
        ({"runs": RUNS, "more": RUNS, "val": losses()}, "both are tables of runs"),
        (
            {"runs": RUNS, "val": losses().drop(columns="run_id")},
            "no column of runs to find them in runs.csv",
        ),
        ({"runs": RUNS, "val": losses().drop(columns="val_loss")}, "no table beside it has losses"),
        ({"runs": RUNS.assign(peak_lr="fast"), "val": losses()}, "run a1: its peak is 'fast'"),
        ({"runs": RUNS.assign(fract_decay=1.5), "val": losses()}, "run a1: "),
    ],
)
def test_what_cannot_be_joined_is_said(tmp_path, tables, said):
    with pytest.raises(DataError, match=said):
        read_curve_rows(folder_of(tmp_path, tables), Reading())


def test_the_published_logs_read_as_their_source_says(shared):
    """Schaipp et al. 2025: 152 runs, losses every 200 steps, four of the peaks in a study of horizons."""
    where = ("peak_lr=0.001", "prefix=stable-124m|ann124-0.2|cos-10-124m")
    rows = read_curve_rows(shared / "losses/lr_schedules_124m", Reading(where=where))
    curves = curves_of(rows, "general").curves
    assert {curve.history.peak for curve in curves} == {1e-3}
    ends = {curve.name: curve.history.rates[-1] / 1e-3 for curve in curves}
    floors = rows.frame.drop_duplicates("run_id").set_index("run_id")["schedule"].str.startswith("cosine")
    assert all(ends[name] == pytest.approx(0.1, abs=1e-3) for name in floors.index[floors])
    assert {len(curve.history) for curve in curves} == {15_000, 25_000, 35_000, 50_000}


def test_lengths_come_as_steps_or_as_shares(tmp_path):
    bare = RUNS.head(3).drop(columns=["fract_decay", "warmup"])
    steps = bare.assign(warmup_steps=50, decay_steps=[0, 200, 900])
    shares = bare.assign(warmup_ratio=0.05, decay_ratio=[0.0, 0.2, 0.9])
    odd = bare.assign(iterations=1000, warmup_steps=50, decay_fraction=[0.0, 0.29, 0.9])  # 0.29*1000 < 290
    wanted = {name: SCHEDULES[name] for name in ("a1", "a2", "a3")}
    shifted = wanted | {"a2": Schedule("wsd", 1e-3, 1000, 50, 290, "1-sqrt")}
    for runs, made in ((steps, wanted), (shares, wanted), (odd, shifted)):
        folder = folder_of(tmp_path, {"runs": runs, "val": losses(("a1", "a2", "a3"))})
        rows = read_curve_rows(folder, Reading()).frame.groupby("run_id")["schedule"].first()
        assert {name: parse_schedule(text) for name, text in rows.items()} == made


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ({"fract_decay": None}, "run a1: is of the kind wsd, and no column says how long", "decay_steps"),
        ({"fract_decay": [0.0, np.nan]}, "run a2: is of the kind wsd", "0 where a run never decays"),
        ({"warmup": 0.01}, r"run a1: its warmup is 0\.01; wanted a number of steps", "warmup_ratio"),
        ({"fract_decay": None, "decay_steps": 0.2}, r"its decay_steps is 0\.2", "decay_ratio"),
        ({"decay_steps": 300}, r"its decay_steps is 300 and its fract_decay is 0", None),
        ({"fract_decay": 20}, r"its fract_decay is 20; wanted a share", None),
    ],
)
def test_a_length_that_is_missing_or_of_another_unit_is_refused(tmp_path, change, said, hint):
    runs = RUNS.head(2).assign(**change).dropna(axis="columns", how="all")
    folder = folder_of(tmp_path, {"runs": runs, "val": losses(("a1", "a2"))})
    with pytest.raises(DataError, match=said) as caught:
        read_curve_rows(folder, Reading())
    assert hint is None or hint in caught.value.hint


def test_rates_beside_the_losses_need_no_length_of_a_decay(tmp_path):
    own = losses(("a1", "a2")).assign(lr=1e-3)
    folder = folder_of(tmp_path, {"runs": RUNS.head(2).drop(columns="fract_decay"), "val": own})
    assert set(read_curve_rows(folder, Reading()).frame["schedule"]) == {""}
