"""The line on the stability gap: what the journals of a sweep hold, and what its loss table would say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import STEP, tiny_document, write_sweep

from dcpt.core import files
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.cost.parameters import count_parameters
from dcpt.run import store
from dcpt.sweep.collect import collect
from dcpt.sweep.gap_status import gap_sentence, gap_status
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.stability_gap import stability_gaps


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A base and two ratios, each a trunk with ten evaluations and a branch."""
    folder = write_sweep(tmp_path / "sweep")
    cpt = {**tiny_document()["cpt"], "ratios": [0.25, 0.5], "budgets": [200 * STEP]}
    document = tiny_document(cpt=cpt, evaluation={"every_tokens": 16 * STEP, "sequences": 16})
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return prepare(folder)


def write(sweep: Sweep, run: RunSpec, losses: dict[int, float], finished: bool = True) -> None:
    """A run's journal with these losses by step, on both sides."""
    folder = store.write_spec(sweep.root, run)
    phase = "base" if run.kind == "base" else "trunk"
    rows = [
        {
            "kind": "eval", "step": step, "phase": phase, "eval_set": side, "metric": "loss",
            "unit": "nats_per_token", "sem": 0.01,
            "value": loss if side == "general" or phase == "base" else 3.0 - step / 1000,
            "n_eval_tokens": 256, "eta": 1e-3, "S1": 0.0, "S2": 0.0, "tokens": step * STEP, "r_seen": run.r,
            "D": 0 if run.kind == "base" else step * STEP,
        }
        for step, loss in losses.items()
        for side in ("general", "domain")
    ]  # fmt: skip
    files.append_lines(folder / "metrics.jsonl", rows)
    if finished:
        RunRecord(run.run_id, "finished", parameters=count_parameters("llama", run.model.config)).save(folder)


def test_the_line_says_what_the_table_says(sweep: Sweep) -> None:
    assert gap_status(sweep) == {"runs": 0, "gaps": 0}
    assert gap_sentence(gap_status(sweep)) == ""
    base, *runs = sweep.design.runs
    write(sweep, base, {base.schedule.steps: 3.0})
    first, second = [run for run in runs if run.kind == "trunk"]
    steps = np.arange(16, first.schedule.steps + 1, 16)
    bump = 3.0 + 0.2 * (steps / 32) * np.exp(1 - steps / 32) - 0.4 * steps / steps[-1]
    falling = 3.0 - 0.4 * steps / steps[-1]
    write(sweep, first, dict(zip(map(int, steps), map(float, bump), strict=True)))
    for run in runs:  # a branch begins late: it has no start to rise from
        if run.kind == "branch":
            write(sweep, run, {run.schedule.steps: 9.0}, finished=False)
    found = gap_status(sweep)
    (row,) = stability_gaps(collect(sweep.root, [base, first])).to_dict("records")
    assert (found["runs"], found["gaps"], found["run_id"]) == (1, 1, first.run_id)
    assert (found["depth"], found["step"]) == (pytest.approx(row["depth"]), row["worst_step"])
    assert (found["recovered"], found["first"], found["last"]) == (1, *[row["recovered_step"]] * 2)
    assert gap_sentence(found) == (
        "stability gap: the loss of 1 of 1 runs with curves rose after the start and fell again, by up to "
        f"{row['depth']:.3f} on general at step {row['worst_step']:g} ({first.run_id}); "
        f"1 came back to the base's loss, by step {row['recovered_step']:g}"
    )
    # One that is under way counts as far as it has come; the torn end of its journal does not.
    write(sweep, second, dict(zip(map(int, steps[:8]), map(float, falling), strict=False)), finished=False)
    with open(store.run_folder(sweep.root, second.run_id) / "metrics.jsonl", "a") as journal:
        journal.write('{"kind": "eval", "metric": "loss", "step": 1')
    assert gap_status(sweep) == {**found, "runs": 2}


def test_curves_that_fall_have_none(sweep: Sweep) -> None:
    base, *runs = sweep.design.runs
    write(sweep, base, {base.schedule.steps: 3.0})
    for run in runs:
        if run.kind == "trunk":
            write(sweep, run, {step: 3.0 - step / 1000 for step in range(16, 16 * 10, 16)})
    assert gap_sentence(gap_status(sweep)) == "stability gap: none in the curves of 2 runs"
