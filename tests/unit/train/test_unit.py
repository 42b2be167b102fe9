"""The loop: what a run measures, keeps and survives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_sweep import BATCH, CONTEXT, LLAMA, TinySweep, read_rows

from dcpt.core.checkpoint_files import weights_hash
from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import EvaluationSpec, ModelSpec
from dcpt.core.schedule import Schedule
from dcpt.train import checkpoint, unit
from dcpt.train.failure import Stopped
from dcpt.train.model import draw_model, read_config
from dcpt.train.processor import Processor
from dcpt.train.unit import run

NEOX = {
    "vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def stop_after(steps: int, wish: str = "save"):
    """A `stop` that asks once so many steps have been begun."""
    count = iter(range(10**6))
    return lambda: wish if next(count) >= steps else None


def kept_steps(folder: Path) -> dict[int, bool]:
    """Steps with a checkpoint, and whether it holds an optimizer."""
    return {
        step: (checkpoint.checkpoint_folder(folder, step) / "optimizer.safetensors").exists()
        for step in checkpoint.list_steps(folder)
    }


def test_a_branch_equals_the_independent_run_of_its_schedule(sweep: TinySweep, processor: Processor) -> None:
    base = sweep.base()
    trunk = sweep.trunk(base)
    whole, branch = sweep.whole(trunk), sweep.branch(trunk)
    folders = [sweep.place(spec) for spec in (base, trunk, whole, branch)]
    records = [run(folder, processor) for folder in folders]
    after = trunk.schedule.steps
    assert read_rows(folders[3]) == [row for row in read_rows(folders[2]) if row["step"] > after]
    assert [row["step"] for row in read_rows(folders[3])] == [32] * 8
    assert read_rows(folders[1]) == [row for row in read_rows(folders[2]) if row["step"] <= after]
    # what each keeps: a base and a trunk what others start from, a run its weights, a branch nothing
    assert [kept_steps(folder) for folder in folders] == [{20: True}, {24: True}, {32: False}, {}]
    # FLOPs are those of the run's own steps, tokens those of its phase
    assert records[3].flops == pytest.approx(records[2].flops * 8 / 32)
    assert records[3].tokens == records[2].tokens == 32 * BATCH * CONTEXT


def test_rows_carry_phase_tokens_and_ratio(sweep: TinySweep, processor: Processor) -> None:
    base = sweep.base()
    trunk = sweep.trunk(base)
    whole = sweep.whole(trunk)
    for spec in (base, whole):
        run(sweep.place(spec), processor)
    folder = sweep.place(base)
    assert {(row["step"], row["phase"], row["D"], row["r_seen"]) for row in read_rows(folder)} == {
        (20, "base", 0, 0)
    }
    assert {(row["step"], row["phase"]) for row in read_rows(folder, "eval_base")} == {(10, "trunk")}
    rows = read_rows(sweep.place(whole))
    assert [(row["step"], row["phase"]) for row in rows[::8]] == [
        (8, "trunk"),
        (16, "trunk"),
        (24, "trunk"),
        (32, "end"),
    ]
    per_step = BATCH * CONTEXT
    assert all(
        row["D"] == row["step"] * per_step and row["tokens"] == row["D"] + 20 * per_step for row in rows
    )
    rates = whole.schedule.rates()
    assert rows[-1]["eta"] == rates[-1]
    assert rows[-1]["S1"] == pytest.approx(rates.sum())
    # with the warm-up left out the area of a plateau is 0 and the decay's is positive
    assert [row["S2"] > 0 for row in rows[::8]] == [False, False, False, True]


def test_the_record_states_ratio_and_epochs_seen(sweep: TinySweep, processor: Processor) -> None:
    base = sweep.base(steps=0)
    spec = replace(sweep.trunk(base, steps=20, r=0.3), kind="run")
    run(sweep.place(base), processor)
    record = run(sweep.place(spec), processor)
    assert record == RunRecord.load(sweep.place(spec))
    sequences = 20 * BATCH
    assert record.r_seen == pytest.approx(0.3, abs=0.5 / sequences)
    # passes = sequences of a corpus over its windows: (6000 - 1) // 16 and (3000 - 1) // 16
    assert record.epochs["law"] == pytest.approx(0.3 * sequences / 374, abs=1 / 374)
    assert record.epochs["notes"] == pytest.approx(0.175 * sequences / 187, abs=1 / 187)
    assert record.N == 5200
    assert {row["r_seen"] for row in read_rows(sweep.place(spec)) if row["step"] == 20} == {record.r_seen}
    assert run(sweep.place(spec), processor) == record  # a finished run is not trained again


def test_an_interrupted_run_goes_on_bitwise(sweep: TinySweep, processor: Processor) -> None:
    spec = sweep.base(steps=40)
    folder, twin = sweep.place(spec), sweep.place(replace(spec, slug="twin"))
    whole = run(twin, processor)
    with pytest.raises(Stopped):
        run(folder, processor, stop=stop_after(17))
    assert checkpoint.list_steps(folder) == [10, 17]
    with pytest.raises(Stopped):
        run(folder, processor, stop=stop_after(9, "leave"))
    assert checkpoint.list_steps(folder) == [17, 20]  # leaving writes nothing
    record = run(folder, processor)
    for kind in ("train", "eval_base", "eval"):
        assert read_rows(folder, kind) == read_rows(twin, kind)
    weights = [checkpoint.checkpoint_folder(place, 40) / "model.safetensors" for place in (folder, twin)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (record.attempts, whole.attempts) == (3, 1)
    assert record.flops == whole.flops
    assert record.seconds > 0


@pytest.mark.parametrize("damage", ["newest", "all"])
def test_torn_journals_and_damaged_checkpoints_cost_only_time(
    sweep: TinySweep, processor: Processor, damage: str
) -> None:
    spec = sweep.base(steps=30)
    folder, twin = sweep.place(spec), sweep.place(replace(spec, slug="twin"))
    run(twin, processor)
    with pytest.raises(Stopped):
        run(folder, processor, stop=stop_after(25))
    for step in checkpoint.list_steps(folder)[-1 if damage == "newest" else 0 :]:
        path = checkpoint.checkpoint_folder(folder, step) / "optimizer.safetensors"
        path.write_bytes(path.read_bytes()[:100])
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"kind": "eval", "step": 25, "val')
    started = []
    run(folder, processor, report=started.append)
    assert started[0]["step"] == (20 if damage == "newest" else 0)
    for kind in ("train", "eval_base", "eval"):
        assert read_rows(folder, kind) == read_rows(twin, kind)


def test_a_diverging_run_is_abandoned_before_the_step(sweep: TinySweep, processor: Processor) -> None:
    base = sweep.base(steps=12)
    wild = replace(base, schedule=Schedule("constant", 1e30, 12))
    record = run(sweep.place(wild), processor)
    assert record.status == "abandoned"
    assert "diverged" in record.reason
    assert "at step 2" in record.reason
    assert (record.steps, RunRecord.load(sweep.place(wild))) == (1, record)


@pytest.mark.parametrize(("family", "config"), [("llama", LLAMA), ("gpt_neox", NEOX)])
def test_a_ready_made_base_is_measured_and_handed_on(
    sweep: TinySweep, processor: Processor, tmp_path: Path, family: str, config: dict[str, int]
) -> None:
    made = draw_model(read_config(ModelSpec(family, config)), seed=5)
    made.save_pretrained(tmp_path / "made")
    described = json.loads((tmp_path / "made" / "config.json").read_text())
    model = ModelSpec(family, described, str(tmp_path / "made"), weights_hash(tmp_path / "made"))
    base = sweep.base(steps=0, model=model)
    folder = sweep.place(base)
    record = run(folder, processor)
    assert (record.status, record.steps, record.tokens, record.r_seen) == ("finished", 0, 0, None)
    assert {(row["step"], row["phase"], row["D"], row["eta"]) for row in read_rows(folder)} == {
        (0, "base", 0, 0.0)
    }
    assert kept_steps(folder) == {0: False}
    child = sweep.trunk(base, steps=8)
    assert run(sweep.place(child), processor).status == "finished"
    with torch.inference_mode():
        tokens = torch.arange(16)[None]
        again = unit.start_network(
            sweep.root, folder, replace(child, start=replace(child.start, step=0)), None
        )
        assert torch.equal(again.eval()(input_ids=tokens).logits, made.eval()(input_ids=tokens).logits)


def test_evaluations_fall_where_the_spec_says(sweep: TinySweep, processor: Processor) -> None:
    plan = EvaluationSpec(every=8, sequences=16, also_at=(3,), ends=(13, 20))
    base = sweep.base(steps=0)
    run(sweep.place(base), processor)
    spec = replace(sweep.trunk(base, steps=20), evaluation=plan, keep=(5,), kind="run")
    run(sweep.place(spec), processor)
    rows = read_rows(sweep.place(spec))
    assert sorted({(row["step"], row["phase"]) for row in rows}) == [
        (3, "trunk"), (8, "trunk"), (13, "end"), (16, "trunk"), (20, "end"),
    ]  # fmt: skip
    assert kept_steps(sweep.place(spec)) == {5: True, 20: False}


def test_a_corpus_that_changed_is_refused(sweep: TinySweep, processor: Processor) -> None:
    spec = sweep.base()
    changed = replace(spec, corpora=(replace(spec.corpora[0], hash="0" * 16), *spec.corpora[1:]))
    with pytest.raises(DataError, match="content hash"):
        run(sweep.place(changed), processor)


def test_a_missing_parent_is_named(sweep: TinySweep, processor: Processor) -> None:
    with pytest.raises(DataError, match="run its parent first"):
        run(sweep.place(sweep.trunk(sweep.base())), processor)
