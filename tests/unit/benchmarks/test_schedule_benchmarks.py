"""The schedule benchmarks on data of the published layout made from a known law."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import annealing_sums, schedule_transfer, schedules
from benchmarks.page import _curves
from benchmarks.schedule_data import curve_folder, transfer_runs
from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import DataError
from dcpt.core.schedule import Schedule
from dcpt.laws.curves import get_curve_law

TRUTH = dict(L0=2.8, A=0.5, alpha=0.5, K=0.15, C=80.0, beta=0.4, p=0.8)


def run(main, capsys, *arguments):
    document = main([*map(str, arguments)])
    lines = capsys.readouterr().out.strip().splitlines()
    assert json.loads(lines[-1])["benchmark"] == document["benchmark"]
    return document, lines


def losses(rates, warmup, steps):
    curve = Curve("x", RateHistory.of(rates, warmup=warmup), steps, np.ones(len(steps)))
    return get_curve_law("rate-power").evaluate(TRUTH, [curve])


@pytest.fixture
def nine(tmp_path):
    """Three schedules to fit and one to predict, as CSV files without their warm-up."""
    made = {
        "cosine_24000": Schedule("cosine", 3e-4, 4000, 200, floor=0.1),
        "constant_24000": Schedule("constant", 3e-4, 4000, 200),
        "wsdcon_9": None,
        "wsdld_20000_24000": Schedule("wsd", 3e-4, 4000, 200, 800, "linear"),
    }
    for name, schedule in made.items():
        if schedule is None:
            rates = Schedule("constant", 3e-4, 4000, 200).rates()
            rates[1500:] = 9e-5
        else:
            rates = schedule.rates()
        rates[:200] = np.linspace(0, 3e-4, 200)
        steps = np.arange(220, 4001, 40)
        table = pd.DataFrame({"step": steps, "lr": rates[steps - 1], "loss": losses(rates, 200, steps)})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_schedules(nine, capsys):
    document, lines = run(schedules.main, capsys, "--data", nine, "--warmup", 200)
    assert document["law"] == "rate-power"
    assert document["chosen_by"].startswith("default law")
    # What chose the law is said before the error on the other curves is.
    assert lines[0].startswith("law rate-power; chosen by: ")
    assert document["test_mae"] < 1e-3
    assert list(document["curves"]) == ["wsdld_20000_24000"]
    chosen, _ = run(schedules.main, capsys, "--data", nine, "--warmup", 200, "--choose", "--json")
    assert chosen["chosen_by"].startswith("cross-validation inside the training curves")
    with pytest.raises(DataError, match=r"no other\.csv"):
        run(schedules.main, capsys, "--data", nine, "--train", "other")


def test_schedule_files_are_checked(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        curve_folder(tmp_path / "none", 100)
    with pytest.raises(DataError, match="no CSV files"):
        curve_folder(tmp_path, 100)
    (tmp_path / "a.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(DataError, match="column 'lr' is missing"):
        curve_folder(tmp_path, 100)


def test_schedule_transfer(tmp_path, capsys):
    kinds = [
        ("c50", "stable-124m", "wsd", "linear", 0.0, 5000),
        ("w25", "ann124-0.2", "wsd", "linear", 0.2, 25000),
        ("w40", "ann124-0.4", "wsd", "sqrt", 0.4, 6000),
        ("cos", "cos-10-124m", "cos", "sqrt", 0.0, 6000),
        ("twice", "gradnorm124m", "cos", "sqrt", 0.0, 6000),
    ]
    columns = ["run_id", "prefix", "scheduler", "decay_type", "fract_decay", "iterations"]
    runs = pd.DataFrame(kinds, columns=columns).assign(
        peak_lr=1e-3, warmup=300, resumed=0, resume_iter=np.nan
    )
    runs.to_csv(tmp_path / "runs.csv", index=False)
    pd.DataFrame({"run_id": runs["run_id"], "iter": 400, "val_loss": 3.0}).to_csv(
        tmp_path / "val_curves.csv", index=False
    )
    found = transfer_runs(tmp_path, 0)[1e-3]
    assert set(found) == {"c50", "w25", "w40", "cos"}
    rows = []
    for name, (_, curve) in found.items():
        steps = np.arange(400, len(curve.history) + 1, 100)
        value = losses(curve.history.rates, 300, steps)
        rows.append(pd.DataFrame({"run_id": name, "iter": steps, "val_loss": value}))
    pd.concat(rows).to_csv(tmp_path / "val_curves.csv", index=False)
    assert found["cos"][1].history.rates[-1] == pytest.approx(1e-4, rel=0.01)
    assert found["w40"][1].history.rates[[3598, -1]] == pytest.approx([1e-3, 0.0], abs=1e-6)
    document, _ = run(schedule_transfer.main, capsys, "--data", tmp_path, "--burn-in", 1000)
    assert document["curves"] == 2
    assert document["val_mae"] < 2e-3
    assert set(document["laws"]) == {"rate-power", "multi-power"}


def test_annealing_sums(capsys):
    document, _ = run(annealing_sums.main, capsys, "--steps", 20000, "--json")
    # A cosine from 3e-4 to a tenth over 99 % of the run, behind a warm-up of 1 %.
    assert document["S1"] == pytest.approx(3e-4 * 20000 * (0.01 / 2 + 0.99 * 0.55), rel=1e-3)
    assert document["S2"] == pytest.approx(2.7e-4 * 1000, rel=0.02)
    assert document["sources"] == 256


def test_the_page_says_which_laws_were_chosen():
    item = {"benchmark": "schedules", "data": "x", "law": "rate-power", "curves": {}, "chosen_by": "y"}
    item |= {"test_mae": 0.1, "fit_seconds": 1.0}
    text = "\n".join(_curves([item, item | {"choose": True}]))
    assert "| x | rate-power | 0 |" in text
    assert "| x | rate-power (--choose) | 0 |" in text
