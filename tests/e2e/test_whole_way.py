"""The whole way, as a user goes it: two corpora in, a launched run at the planned ratio out."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.fit.fit_file import load_fits
from dcpt.launch.compare import Comparison
from dcpt.launch.launch_spec import LaunchSpec
from dcpt.plan.plan import Plan

SWEEP = """\
schema_version: 1
name: whole
corpora:
  - {name: plain, role: general, source: {kind: jsonl, path: plain.jsonl}, heldout_share: 0.15}
  - {name: code, role: domain, source: {kind: jsonl, path: code.jsonl}, heldout_share: 0.15}
tokenizer: {kind: bpe, vocab_size: 320}
model:
  context: 32
  sizes:
    - {name: a, hidden: 16, layers: 1}
    - {name: b, hidden: 24, layers: 1}
    - {name: c, hidden: 32, layers: 1}
batch: 8
base: {tokens: 16k, schedule: {peak: 5e-3, warmup_tokens: 2k}}
cpt:
  ratios: [0.2, 0.5, 0.8]
  budgets: [4k, 8k, 16k]
  schedule: {peak: 3e-3, warmup_tokens: 1k}
evaluation: {every_tokens: 8k, sequences: 32}
target:
  size: {name: t, hidden: 48, layers: 1}
  tokens: 16k
  keep: general <= +1%
limit: {hours: 1}
"""


def _words(rng: random.Random, vocabulary: list[str], count: int) -> str:
    return " ".join(rng.choices(vocabulary, weights=[1 / (i + 1) for i in range(len(vocabulary))], k=count))


def _write(path: Path, vocabulary: list[str], seed: int) -> None:
    rng = random.Random(seed)
    lines = [json.dumps({"text": _words(rng, vocabulary, 120)}) for _ in range(220)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole way has been gone once, command by command."""
    folder = tmp_path_factory.mktemp("whole")
    root = folder / "experiments" / "whole"
    root.mkdir(parents=True)
    rng = random.Random(0)
    syllables = ["ka", "lo", "mi", "ne", "tu", "ra", "si", "po"]
    plain = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(150)]
    code = [f"{word}_{other}()" for word, other in zip(plain[:80], reversed(plain[:80]), strict=True)]
    _write(root / "plain.jsonl", plain, 1)
    _write(root / "code.jsonl", code, 2)
    (root / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    for command in (
        ["sweep", "run", "experiments/whole"],
        ["fit", "experiments/whole/losses.csv", "-o", "fits/whole", "--bootstrap", "60"],
        ["plan", "fits/whole", "--sweep", "experiments/whole"],
        ["launch", "fits/whole/plan.json", "--sweep", "experiments/whole", "--ratio", "0.5"],
        ["compare", "fits/whole"],
        ["report", "fits/whole", "--sweep", "experiments/whole"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dcpt", *command],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    return folder


def test_every_run_left_its_rows(finished: Path) -> None:
    """3 sizes x 3 ratios x 3 budgets of end points on each side, and the bases at D = 0."""
    table = LossTable.read(finished / "experiments" / "whole" / "losses.csv")
    for side in ("general", "domain"):
        ends = table.select(side).frame
        assert len(ends) == 27
        assert ends["D"].nunique() == 3
        base = table.select(side, phases=("base",)).frame
        assert (base["D"] == 0).all()
        assert len(base) == 4, "one base per proxy size, and the target's"
        bpb = table.select(side, "bpb").frame
        assert len(bpb) == 27


def test_domain_loss_falls_with_its_share_and_the_general_loss_rises(finished: Path) -> None:
    table = LossTable.read(finished / "experiments" / "whole" / "losses.csv")
    for side, sign in (("domain", -1), ("general", 1)):
        ends = table.select(side).frame
        most = ends[ends["D"] == ends["D"].max()]
        steps = sign * most.pivot_table(index="N", columns="r", values="value").diff(axis=1).iloc[:, 1:]
        assert (steps.sum(axis=1) > 0).all()
        # Of one such small model neighbouring ratios may change places from machine to machine; of all not.
        assert (steps.mean(axis=0) > 0).all()


def test_the_target_was_trained_at_the_planned_ratio_from_its_own_base(finished: Path) -> None:
    folder = finished / "fits" / "whole"
    plan, launch = Plan.load(folder), LaunchSpec.load(folder / "launch.json")
    planned = next(run for run in launch.runs if run.planned)
    assert planned.r == pytest.approx(plan.r, abs=5e-5)
    spec = json.loads(
        (finished / "experiments" / "whole" / "runs" / planned.run_id / "spec.json").read_text(
            encoding="utf-8"
        )
    )
    assert spec["start"]["mode"] == "weights"
    assert spec["start"]["run_id"].startswith("t-base-")
    measured = LossTable.read(folder / "launched.csv").select("general").frame.set_index("run_id")
    block = 8
    assert measured.loc[planned.run_id, "r_seen"] == pytest.approx(planned.r, abs=0.5 / (block * 63))


def test_the_comparison_covers_both_sides_of_both_runs(finished: Path) -> None:
    folder = finished / "fits" / "whole"
    comparison = Comparison.load(folder / "compare.json")
    rows = comparison.table()
    assert sorted(rows.groupby("side").size().to_dict().items()) == [("domain", 2), ("general", 2)]
    launched = LossTable.read(folder / "launched.csv").select().frame
    for row in comparison.rows:
        same = launched[(launched["run_id"] == row.run_id) & (launched["eval_set"] == row.side)]
        assert row.measured == pytest.approx(float(same["value"].iloc[0]), rel=1e-8)
        predicted = (
            load_fits(folder).get(Plan.load(folder).laws[row.side].name, row.side).mean(row.N, row.D, row.r)
        )
        assert row.predicted == pytest.approx(float(predicted[0]), rel=1e-6)


def test_the_report_is_one_page_that_needs_no_network(finished: Path) -> None:
    page = (finished / "fits" / "whole" / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    figures = {path.name for path in (finished / "fits" / "whole" / "figures").glob("*.png")}
    assert {"trade-off.png", "plan-general.png", "plan-domain.png"} <= figures


def test_a_second_launch_trains_nothing(finished: Path) -> None:
    before = pd.read_csv(finished / "fits" / "whole" / "launched.csv")
    runs = finished / "experiments" / "whole" / "runs"
    stamps = {path: path.stat().st_mtime_ns for path in runs.glob("t-*/metrics.jsonl")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dcpt",
            "launch",
            "fits/whole",
            "--sweep",
            "experiments/whole",
            "--ratio",
            "0.5",
        ],
        cwd=finished,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    pd.testing.assert_frame_equal(before, pd.read_csv(finished / "fits" / "whole" / "launched.csv"))


def test_a_launch_under_another_tokenizer_is_refused(finished: Path, tmp_path: Path) -> None:
    """Losses per token under two tokenizers are different quantities."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("plain.jsonl", "code.jsonl"):
        shutil.copy(finished / "experiments" / "whole" / name, other / name)
    (other / "sweep.yaml").write_text(SWEEP.replace("vocab_size: 320", "vocab_size: 300"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "dcpt", "launch", "fits/whole", "--sweep", str(other), "--dry-run"],
        cwd=finished,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the sweep's tokenizer is" in done.stderr
