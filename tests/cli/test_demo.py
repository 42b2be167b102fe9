"""dcpt demo where it does not go smoothly: shown before it starts, and without a plan at the end."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcpt.fit import fit


@pytest.fixture
def ready(trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo whose shared runs are finished, and whose fits are quick."""
    monkeypatch.setattr(fit, "fit_table", functools.partial(fit.fit_table, laws=("d-cpt",), bootstrap=0))
    return Path(shutil.move(trained, folder / "experiments" / "demo"))


def test_without_a_plan_it_still_reports(ready: Path, folder: Path, call: Callable[..., Any]) -> None:
    """A ceiling below any loss: exit 4, the reason, and a page of fits without plan or comparison."""
    path = ready / "sweep.yaml"
    path.write_text(path.read_text().replace("general <= +10%", "general <= 0.01"))
    fits = folder / "fits" / "demo"
    fits.mkdir(parents=True)
    (fits / "plan.json").write_text("of an earlier demo")
    answer = call("demo")
    assert answer.code == 4
    assert "PlanError: no domain share between 0.3 and 0.7 keeps the general loss" in answer.err
    lines = answer.out.splitlines()
    assert lines[-2].startswith("plan     none: no domain share")
    assert lines[-1].split() == ["report", "fits/demo/report.html"]
    assert sorted(item.name for item in fits.iterdir() if item.is_file()) == [
        "fit.json", "report.html", "source.json",
    ]  # fmt: skip


def test_dry_run_trains_nothing(sweep: Path, folder: Path, call: Callable[..., Any]) -> None:
    shutil.move(sweep, folder / "experiments" / "demo")
    answer = call("demo", "--dry-run")
    assert answer.code == 0
    assert [line.split()[:3] for line in answer.out.splitlines()] == [
        ["corpus", "general", "="], ["corpus", "domain", "="],
    ]  # fmt: skip
    assert "22 runs" in answer.err
    assert not (folder / "experiments" / "demo" / "runs").exists()
    assert not (folder / "fits").exists()
    document = call("demo", "--dry-run", "--json").document
    assert (document["kind"], document["runs"], document["dry_run"]) == ("demo", 22, True)
