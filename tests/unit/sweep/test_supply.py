"""Windows a base has used: held back while the rest carries the runs, and all of them in play beyond."""

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
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep, prepare

WINDOWS = 658
"""Training windows of the tiny sweep's general corpus."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("supply") / "sweep")
    prepare(folder)
    return folder


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "sweep"))


def with_base(folder: Path, steps: int, max_epochs: float = 4.0, **cpt: Any) -> Sweep:
    document = tiny_document()
    document["base"]["tokens"] = steps * STEP
    document["cpt"] |= {"max_epochs": max_epochs, **cpt}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return prepare(folder)


def reuse(sweep: Sweep) -> list[str]:
    return [note for note in sweep.notes if "the text the bases have seen included" in note]


def test_no_length_of_the_base_is_refused(folder: Path) -> None:
    """From a base that leaves nearly all of the corpus to one that reads it more than once."""
    kept = []
    for steps in range(100, 200, 3):
        sweep = with_base(folder, steps, max_epochs=1.5)
        (skip,) = {run.mixture.skip.get("prose", 0) for run in sweep.design.runs if run.kind != "base"}
        assert skip in (0, steps * 4 + 1)
        assert bool(reuse(sweep)) == (skip == 0)
        kept.append(bool(skip))
    assert kept == sorted(kept, reverse=True)  # it changes once
    assert set(kept) == {True, False}


def test_the_change_comes_where_the_rest_no_longer_carries_the_runs(folder: Path) -> None:
    """At r = 0.25 the longest run takes 90 windows; 45 within two epochs, so 613 may be used before."""
    for steps, skip in ((153, 613), (154, 0)):
        runs = with_base(folder, steps, max_epochs=2.0).design.runs
        assert {run.mixture.skip.get("prose", 0) for run in runs if run.kind != "base"} == {skip}
    with pytest.raises(ConfigError, match=r"needs 1\.44k tokens of it and it has 10\.5k: 0\.1 epochs, more"):
        with_base(folder, 20, max_epochs=0.13)


def test_one_answer_for_all_ratios_and_budgets(folder: Path) -> None:
    """A branch continues its trunk, and ratios are compared: they draw from the same windows."""
    sweep = with_base(folder, 154, max_epochs=2.0, ratios=[0.25, 0.9], budgets=[6 * STEP, 30 * STEP])
    assert {run.mixture.skip.get("prose", 0) for run in sweep.design.runs} == {0}
    assert len(reuse(sweep)) == 1
    # A launched run decides for itself: at 0.9 it takes 12 windows, which are there.
    run = target_run(sweep.design, sweep.spec, "small", 0.9, 30 * STEP)
    assert run.mixture.skip == {"prose": 617}
