"""dcpt demo where it does not go smoothly: shown before it starts, and without a plan at the end."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcpt.corpus import embedded
from dcpt.fit import fit


@pytest.fixture
def ready(trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> Path:
    """A demo whose shared runs are finished, and whose fits and pages are quick."""
    quick = functools.partial(fit.fit_table, laws=("d-cpt",), bootstrap=0, holdouts=False)
    monkeypatch.setattr(fit, "fit_table", quick)
    return Path(shutil.move(trained, folder / "experiments" / "demo"))


def test_without_a_plan_it_still_reports(ready: Path, folder: Path, call: Callable[..., Any]) -> None:
    """A ceiling below any loss: exit 4, the reason, and a page of fits without plan or comparison."""
    path = ready / "sweep.yaml"
    path.write_text(path.read_text().replace("general <= +80%", "general <= 0.01"))
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


def test_the_limit_holds_for_the_sweep(sweep: Path, folder: Path, call: Callable[..., Any]) -> None:
    path = Path(shutil.move(sweep, folder / "experiments" / "demo")) / "sweep.yaml"
    path.write_text(path.read_text().replace("limit: {hours: 1}", "limit: {flops: 1M}"))
    answer = call("demo")
    assert answer.code == 6
    assert "BudgetError: mine: " in answer.err
    assert "the limit is 1M" in answer.err
    assert not (path.parent / "runs").exists()
    assert call("demo", "--dry-run", "--yes").code == 0


def test_the_limit_holds_for_the_launch(ready: Path, folder: Path, call: Callable[..., Any]) -> None:
    """The sweep has nothing left to do; the target's run has. What is refused is not written down."""
    path = ready / "sweep.yaml"
    path.write_text(path.read_text().replace("limit: {hours: 1}", "limit: {flops: 1M}"))
    answer = call("demo")
    assert answer.code == 6
    assert "BudgetError: launch: " in answer.err
    assert not (folder / "fits" / "demo" / "launch.json").exists()


def test_a_launch_is_written_down_before_it_starts(
    ready: Path, folder: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dcpt.launch import launch as module

    def stop(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "execute", stop)
    assert call("demo").code == 130
    fits = folder / "fits" / "demo"
    document = json.loads((fits / "launch.json").read_text())
    assert document["runs"][0]["planned"] is True
    assert not (fits / "launched.csv").exists()
    (fits / "launch.json").unlink()
    answer = call("launch", "fits/demo", "--sweep", "experiments/demo", "--dry-run", "--json")
    priced = answer.document["launch"]
    # The base is finished and costs nothing more.
    assert "(its base is finished)" in answer.err
    assert 0 < priced["flops_to_do"] < priced["flops"] == document["flops"]
    assert call("launch", "fits/demo", "--sweep", "experiments/demo").code == 130
    assert json.loads((fits / "launch.json").read_text()) == document


def test_the_default_stays_under_its_limit(
    folder: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an eighth of the library: the cost follows from the runs, and less text only makes more epochs."""
    files = embedded.library_files()
    monkeypatch.setattr(embedded, "library_files", lambda: files[::8])
    answer = call("demo", "--dry-run")
    assert answer.code == 0
    assert "BudgetError" not in answer.err
