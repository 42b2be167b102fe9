"""One table for all launches of a folder: nothing is lost, and each plan gets its own runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable
from dcpt.launch.launched_file import add_launched, launched_for, read_earlier
from dcpt.launch.live import LiveCheck, add_checks, load_checks


def losses(value: float, *runs: str, base: str = "base", **extras: float) -> LossTable:
    """A base and runs of 1M parameters, all with one loss."""
    rows = [{"run_id": base, "D": 0.0, "phase": "base"}, *({"run_id": name, "D": 2e6} for name in runs)]
    same = {"N": 1e6, "r": 0.5, "eval_set": "general", "value": value}
    frame = pd.DataFrame([{**same, **row} for row in rows])
    for name, share in extras.items():
        frame[name] = np.where(frame["D"] > 0, share, np.nan)
    return LossTable.from_frame(frame, extras=list(extras))


def runs_of(table: LossTable) -> list[str]:
    return sorted(table.frame["run_id"])


def test_each_plan_gets_its_own_runs(tmp_path: Path) -> None:
    path = tmp_path / "launched.csv"
    add_launched(path, losses(3.0, "one"), "first", ["one"])
    add_launched(path, losses(2.5, "two"), "second", ["two"])
    add_launched(path, losses(2.9, "one", "more"), "first", ["one", "more"])
    table = LossTable.read(path)
    assert runs_of(table) == ["base", "more", "one", "two"]
    values = dict(zip(table.frame["run_id"], table.frame["value"], strict=True))
    assert values == {"base": 2.9, "more": 2.9, "one": 2.9, "two": 2.5}  # its own rows are replaced
    for plan, own in (("first", ["more", "one"]), ("second", ["two"])):
        chosen, note = launched_for(table, tmp_path, plan)
        assert (runs_of(chosen), note) == (own, "")
    chosen, note = launched_for(table, tmp_path, "another")
    assert len(chosen) == 4
    assert "was not launched from its folder" in note


def test_an_older_table_is_kept_and_stays_that_of_its_plan(tmp_path: Path) -> None:
    path = losses(3.0, "old", base="small").write(tmp_path / "launched.csv")
    assert launched_for(LossTable.read(path), tmp_path, "first")[1] == ""
    add_launched(path, losses(2.5, "two"), "second", ["two"])
    table = LossTable.read(path)
    chosen, note = launched_for(table, tmp_path, "first")
    assert ("old" in runs_of(chosen), "two" in runs_of(chosen), note) == (True, False, "")
    assert runs_of(launched_for(table, tmp_path, "second")[0]) == ["two"]


def test_shares_of_a_mixture_survive_a_launch_without_them(tmp_path: Path) -> None:
    path = tmp_path / "launched.csv"
    mixed = LossTable.from_frame(
        losses(3.0, "mix", base="b", **{"share:law": 0.4}).frame.assign(run="mix"), extras=["share:law"]
    )
    add_launched(path, mixed, "many", ["mix"])
    add_launched(path, losses(2.5, "two"), "two sides", ["two"])
    frame = LossTable.read(path, extras=["share:law"]).frame.set_index("run_id")
    assert frame.loc["mix", "share:law"] == 0.4
    assert np.isnan(frame.loc["two", "share:law"])
    assert frame["run"].to_dict() == {"b": "mix", "mix": "mix", "base": "base", "two": "two"}


def test_what_cannot_be_added_to_is_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "launched.csv"
    assert read_earlier(path) is None
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="'N' is missing"):
        read_earlier(path)
    path.unlink()
    (tmp_path / "launches.json").write_text('{"schema_version": 1, "plans": {"first": "one"}}')
    with pytest.raises(DataError, match=r"launches\.json: is damaged"):
        read_earlier(path)


def test_checks_of_other_runs_are_kept(tmp_path: Path) -> None:
    def check(run: str, value: float) -> LiveCheck:
        return LiveCheck(run, 10, "general", "loss", value, 2.0, 3.0, 4.0, True)

    add_checks(tmp_path, [check("one", 2.5)])
    add_checks(tmp_path, [check("two", 2.6)])
    add_checks(tmp_path, [check("one", 2.7)])
    assert load_checks(tmp_path) == (check("two", 2.6), check("one", 2.7))
