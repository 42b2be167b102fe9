"""dcpt plan: the file it writes, and the ways to ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dcpt.plan.plan import Plan

AT = ("--at", "N=1M,D=2M", "--keep", "general <= +5%")


def test_round_trip(fits: Path, call: Callable[..., Any], synthetic: ModuleType) -> None:
    """What is printed, what is written and what is loaded are one plan."""
    answer = call("plan", "fits/mine", *AT, "--json")
    loaded = Plan.load(fits)
    written = json.loads((fits / "plan.json").read_text())
    printed = {name: value for name, value in answer.document.items() if name not in ("kind", "path")}
    assert printed == written
    assert json.loads(json.dumps(loaded.to_dict())) == {
        k: v for k, v in written.items() if k != "schema_version"
    }
    loaded.save(fits / "again.json")
    assert (fits / "again.json").read_bytes() == (fits / "plan.json").read_bytes()
    assert Plan.load(fits / "again.json").fingerprint == loaded.fingerprint
    general = synthetic.fit_of("general")
    assert float(general.mean(1e6, 2e6, loaded.r)[0]) == pytest.approx(loaded.general.mean)
    assert loaded.general.mean <= loaded.ceiling


def test_an_objective_file_says_the_same_as_flags(fits: Path, call: Callable[..., Any]) -> None:
    Path("objective.yaml").write_text(
        "N: 1M\nD: 2M\nkeep: general <= +5%\nr_max: 0.8\nlevel: 0.8\ngeneral_now: 3.4\n"
    )
    flags = (*AT, "--r-max", "0.8", "--level", "0.8", "--general-now", "3.4")
    assert call("plan", "fits/mine", *flags, "-o", "a.json").code == 0
    assert call("plan", "fits/mine", "--objective", "objective.yaml", "-o", "b.json").code == 0
    assert Path("a.json").read_text() == Path("b.json").read_text()
    # A flag wins over the file, also where it is the default.
    answer = call(
        "plan", "fits/mine", "--objective", "objective.yaml", "--level", "0.9", "-o", "c.json", "--json"
    )
    assert answer.document["objective"]["level"] == 0.9


def test_a_sweep_file_gives_the_target(fits: Path, sweep: Path, call: Callable[..., Any]) -> None:
    path = sweep / "sweep.yaml"
    path.write_text(path.read_text().replace("general <= +80%", "general <= 9"))
    answer = call("plan", "fits/mine", "--sweep", "experiments/mine", "--json")
    assert answer.code == 0, answer.err
    objective = answer.document["objective"]
    assert (objective["N"], objective["D"], objective["keep"]) == (1000576, 640, "general <= 9")


def test_the_page_leaves_out_what_belongs_to_other_fits(
    fits: Path, call: Callable[..., Any], synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[bool, bool]] = []

    def draw(folder: Path, table: Any, fits: Any, plan: Any, comparison: Any, extra: Any) -> Path:
        drawn.append((plan is not None, comparison is not None))
        return folder / "report.html"

    monkeypatch.setattr("dcpt.report.html.make_report", draw)
    assert call("plan", "fits/mine", *AT).code == 0
    assert call("compare", "fits/mine", "losses.csv").code == 0
    assert call("report", "fits/mine").err == ""
    assert call("plan", "fits/mine", *AT, "--level", "0.8", "--force").code == 0
    answer = call("report", "fits/mine")
    assert "compare.json was made with another plan and is left out" in answer.err
    synthetic.fits(seed=4).save(fits)
    answer = call("report", "fits/mine/fit.json")
    assert (answer.code, answer.out) == (0, "fits/mine/report.html\n")
    assert "plan.json was made from other fits and is left out" in answer.err
    assert drawn == [(True, True), (True, False), (False, False)]
