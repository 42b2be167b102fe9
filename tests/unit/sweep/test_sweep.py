"""From the sweep file to its runs, their price, and the table of their losses."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import CONTEXT, STEP, tiny_document, write_sweep

from dcpt.core import files
from dcpt.core.errors import BudgetError, ConfigError, DataError, RunError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.cost.parameters import count_parameters
from dcpt.run import store
from dcpt.run.conductor import Outcome
from dcpt.sweep import run_sweep as run_module
from dcpt.sweep.collect import collect
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.price import check_limit, price, wall_hours
from dcpt.sweep.run_sweep import run_sweep
from dcpt.sweep.status import status_frame
from dcpt.sweep.wall_time import COMMAND, WORKER


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep folder with its corpora built."""
    folder = write_sweep(tmp_path_factory.mktemp("tiny") / "sweep")
    prepare(folder)
    return folder


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(tiny, tmp_path / "sweep"))


def with_changes(folder: Path, **changes: Any) -> Sweep:
    """The sweep with other keys in its file, on the corpora that are there."""
    import yaml

    (folder / "sweep.yaml").write_text(yaml.safe_dump(tiny_document(**changes), sort_keys=False))
    return prepare(folder)


def pretend(root: Path, run: RunSpec, status: str = "finished", **record: Any) -> Path:
    """A run's folder as the trainer leaves it, without the training."""
    folder = store.write_spec(root, run)
    if status != "started":
        counts = count_parameters("llama", run.model.config)
        RunRecord(run.run_id, status, parameters=counts, **record).save(folder)  # type: ignore[arg-type]
    rows = [
        {
            "kind": "eval", "step": step, "phase": "base" if run.kind == "base" else "end",
            "eval_set": side, "metric": "loss", "unit": "nats_per_token", "value": 3.0, "sem": 0.1,
            "n_eval_tokens": 256, "eta": 0.0, "S1": 0.0, "S2": 0.0, "tokens": step * STEP,
            "D": 0 if run.kind == "base" else step * STEP, "r_seen": run.r,
        }
        for step in run.evaluation.ends for side in ("general", "domain")
    ]  # fmt: skip
    files.append_lines(folder / "metrics.jsonl", rows)
    return folder


def test_the_graph_of_runs(folder: Path) -> None:
    """A base, and per ratio a trunk whose checkpoints the branches of all budgets continue."""
    runs = prepare(folder).design.runs
    assert [run.kind for run in runs] == ["base", *["trunk", "branch", "branch"] * 2]
    base, trunk, short, long = runs[:4]
    assert base.schedule.steps == 40
    assert (trunk.start.run_id, trunk.start.step, trunk.start.mode) == (base.run_id, 40, "weights")
    assert trunk.keep == (16, 24)
    assert trunk.evaluation.also_at == (16, 24)
    for branch, steps, split in ((short, 20, 16), (long, 30, 24)):
        assert (branch.start.run_id, branch.start.step, branch.start.mode) == (
            trunk.run_id,
            split,
            "continue",
        )
        assert branch.schedule.steps == steps
        assert branch.evaluation.ends == (steps,)
        # The same run but for its end: a branch is what an unshared run would be.
        assert branch.mixture == trunk.mixture
        assert (branch.schedule.rates()[:split] == trunk.schedule.rates()[:split]).all()
    assert {run.tokens_before for run in runs[1:]} == {40 * STEP}
    assert trunk.mixture.skip == {"prose": 161}
    assert len({run.run_id for run in runs}) == len(runs)


def test_run_ids_do_not_depend_on_the_place(folder: Path, tiny: Path) -> None:
    assert [run.run_id for run in prepare(folder).design.runs] == [
        run.run_id for run in prepare(tiny).design.runs
    ]


@pytest.mark.parametrize(
    ("schedule", "kinds"),
    [
        ({"kind": "constant"}, ["run"]),
        ({"kind": "cosine"}, ["run", "run"]),
        ({"kind": "wsd", "decay_share": 0.0}, ["run", "run"]),
        ({"kind": "wsd", "decay_share": 1.0, "warmup_tokens": 0}, ["run", "run"]),
    ],
)
def test_schedules_without_a_plateau_to_share(
    folder: Path, schedule: dict[str, Any], kinds: list[str]
) -> None:
    cpt = {**tiny_document()["cpt"], "ratios": [0.5]}
    cpt["schedule"] = {**cpt["schedule"], **schedule}
    runs = with_changes(folder, cpt=cpt).design.runs
    assert [run.kind for run in runs] == ["base", *kinds]
    assert {step for run in runs[1:] for step in run.evaluation.ends} == {20, 30}


def test_the_target(folder: Path) -> None:
    """It has a base and no runs of the grid; its runs are unshared, at any ratio."""
    target = {"size": {"name": "big", "hidden": 32, "layers": 1}, "tokens": 30 * STEP}
    sweep = with_changes(folder, target=target)
    assert [run.kind for run in sweep.design.runs if run.size == "big"] == ["base"]
    run = target_run(sweep.design, sweep.spec, "big", 0.4321, 30 * STEP, seed=3)
    assert (run.kind, run.r, run.seed) == ("run", 0.4321, 3)
    assert run.start.run_id == sweep.design.bases["big"]


def test_sizes_that_cannot_be(folder: Path) -> None:
    for size, message in (
        ({"name": "b", "hidden": 16, "layers": 1, "inner": 32}, "sizes 'small' and 'b' have the same N = "),
        ({"name": "b", "hidden": 15, "layers": 1}, "size 'b': hidden is 15; wanted an even number."),
        ({"name": "b", "hidden": 30, "layers": 1, "heads": 4}, "hidden 30 does not split into 4 heads"),
        ({"name": "b", "checkpoint": "none"}, "is not a readable transformers configuration"),
        ({"name": "b", "config": {"hidden_size": 16}}, "field 'num_hidden_layers' is missing"),
        (
            {"name": "b", "config": {"vocab_size": 9}},
            "its vocabulary of 9 is smaller than the tokenizer's 300",
        ),
        (
            {"name": "b", "config": {"max_position_embeddings": 8}},
            "it reads 8 positions; the sweep's context",
        ),
    ):
        model = tiny_document()["model"]
        model["sizes"].append(size)
        with pytest.raises(ConfigError, match=message) as refused:
            with_changes(folder, model=model)
        assert str(refused.value).startswith(str(folder / "sweep.yaml"))


def test_price_and_limit(folder: Path) -> None:
    sweep = prepare(folder)
    cost = price(sweep)
    rung = sweep.design.rungs["small"]
    # Evaluations of the base, and per ratio of the trunk and of two branches, on 16 windows of each corpus.
    steps, evaluations = 40 + 2 * (24 + 4 + 6), 4 + 2 * (4 + 1 + 1)
    a_third = 2 * 16 * CONTEXT / 3
    assert cost.flops == pytest.approx((steps * STEP + evaluations * a_third) * rung.flops_per_token)
    assert cost.frame["tokens"].sum() == steps * STEP
    # On the clock the arithmetic of so small a sweep is nothing beside starts and steps.
    assert wall_hours(cost, slots=2)[1] > cost.hours[1] / 2 + (COMMAND + WORKER) / 3600
    pretend(folder, sweep.design.runs[0])
    rest = (steps - 40) * STEP + (evaluations - 4) * a_third
    assert price(sweep).flops == pytest.approx(rest * rung.flops_per_token)
    check_limit(sweep, cost, None, False)
    with pytest.raises(BudgetError, match="the limit is 0"):
        check_limit(sweep, cost, 0.0, False)
    check_limit(sweep, cost, 0.0, True)
    limited = replace(sweep, spec=sweep.spec.model_copy(update={"limit": type(sweep.spec.limit)(flops=1)}))
    with pytest.raises(BudgetError, match="FLOPs; the limit is 1"):
        check_limit(limited, cost, None, False)


def test_collect_takes_the_finished_runs(folder: Path) -> None:
    sweep = prepare(folder)
    base, trunk, short, long = sweep.design.runs[:4]
    with pytest.raises(DataError, match="no run has finished yet"):
        collect(folder, sweep.design.runs)
    pretend(folder, base)
    pretend(folder, trunk, "started")
    pretend(folder, short, "abandoned")
    pretend(folder, long)
    frame = collect(folder, sweep.design.runs).frame
    assert frame["run_id"].tolist() == [base.run_id] * 2 + [long.run_id] * 2
    assert frame["r"].tolist() == [0, 0, 0.25, 0.25]
    assert (frame["N"] == sweep.design.rungs["small"].N).all()
    # A branch has the schedule that trunk and branch make together, and the base its own.
    text = "wsd(peak=0.003, steps=40, warmup=4, decay=8, shape=1-sqrt)"
    whole = "wsd(peak=0.001, steps=30, warmup=4, decay=6, shape=1-sqrt)"
    assert frame["schedule"].tolist() == [text] * 2 + [whole] * 2
    assert frame["base_schedule"].tolist() == [""] * 2 + [text] * 2
    journal = folder / "runs" / long.run_id / "metrics.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    for content, message in (
        ("", "the evaluation of step 30 is missing"),
        (lines[0].replace('"unit"', '"unti"'), "an evaluation of step 30 has no unit"),
        ("{}}\n", "line 1: got b'{}}'; wanted a JSON object"),
    ):
        journal.write_text(content)
        with pytest.raises(DataError, match=message):
            collect(folder, sweep.design.runs)


def test_a_base_brings_its_dense_curve(folder: Path) -> None:
    sweep = prepare(folder)
    base = sweep.design.runs[0]
    pretend(folder, base)
    journal = folder / "runs" / base.run_id / "metrics.jsonl"
    end = json.loads(journal.read_text().splitlines()[0])
    ways = [
        {**end, "kind": "eval_base", "step": 20, "D": 0, "phase": "trunk", "eval_set": name}
        for name in ("general", "general/dense")
    ]
    journal.write_text("".join(json.dumps(row) + "\n" for row in ways) + journal.read_text())
    frame = collect(folder, sweep.design.runs).frame
    assert frame["phase"].tolist()[0] == "pretraining"
    assert frame["eval_set"].tolist()[0] == "general/dense"
    assert frame["step"].tolist()[:2] == [20, 40]
    assert (frame["phase"] == "pretraining").sum() == 1


def test_status(folder: Path) -> None:
    sweep = prepare(folder)
    base, trunk, short = sweep.design.runs[:3]
    pretend(folder, base, r_seen=0.0)
    pretend(folder, trunk, "abandoned", reason="diverged: x")
    pretend(folder, short, "started")
    frame = status_frame(sweep).set_index("run_id")
    assert frame["status"].tolist() == ["finished", "abandoned", "started", *["waiting"] * 4]
    assert frame.loc[base.run_id, "step"] == 40
    assert frame.loc[short.run_id, "step"] == 20
    assert frame.loc[trunk.run_id, "reason"] == "diverged: x"


def test_losses_are_written_whatever_ends_the_sweep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = prepare(folder)
    path = folder / "losses.csv"
    for error in (KeyboardInterrupt(), DataError("the disk is full")):

        def stop(*arguments: Any, error: BaseException = error, **more: Any) -> Outcome:
            raise error

        monkeypatch.setattr(run_module, "execute", stop)
        with pytest.raises(type(error)):  # nothing has finished: there is nothing to write
            run_sweep(sweep)
        assert not path.exists()
    pretend(folder, sweep.design.runs[0])
    with pytest.raises(DataError, match="the disk is full"):
        run_sweep(sweep)
    assert path.exists()
    path.unlink()
    lost = {sweep.design.runs[1].run_id: "diverged: x"}
    monkeypatch.setattr(
        run_module, "execute", lambda *rest, **more: Outcome([sweep.design.runs[0].run_id], {}, lost)
    )
    result = run_sweep(sweep)
    assert (len(result.table), result.outcome.abandoned, path.exists()) == (2, lost, True)
    monkeypatch.setattr(run_module, "execute", lambda *rest, **more: Outcome([], {}, lost))
    with pytest.raises(RunError, match=r"none of 7 runs finished; .*-trunk-.*: diverged: x"):
        run_sweep(sweep)
