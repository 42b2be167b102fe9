"""A full run over two processes, begun, stopped and resumed in one or two: the losses of a single process.

All runs over two processes go through one torchrun, because starting it takes longer than they do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from full_group import go_through
from tiny_sweep import TinySweep, read_rows
from transformers import AutoModelForCausalLM

from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import EvaluationSpec, ModelSpec, RunSpec
from dcpt.core.training_options import Interpolation
from dcpt.train import checkpoint
from dcpt.train.full.group import join_group
from dcpt.train.processor import Processor, prepare_processor
from dcpt.train.unit import run

CLOSE = 1e-6
"""Nats per token: sums over the batch are rounded in another order."""

NEOX = {
    "vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0,
    "tie_word_embeddings": True,
}  # fmt: skip


def specs_of(sweep: TinySweep) -> tuple[RunSpec, dict[str, RunSpec]]:
    """The base, and runs that differ in what may go wrong when they are cut into shards."""
    base = sweep.base()
    whole = sweep.whole(sweep.trunk(base))
    tied = replace(sweep.base(18, batch=7, keep=(9, 18)), slug="tied", model=ModelSpec("gpt_neox", NEOX))
    trunk = sweep.trunk(base, r=0.5)
    rule = ReweightingSpec(every=8, strength=0.5, window=2, bounds={"books": (0.2, 1.0)})
    return base, {
        "plain": whole,
        "stopped": replace(whole, slug="stopped"),
        "pulled": replace(
            whole, slug="pulled", optimizer=replace(whole.optimizer, interpolation=Interpolation(5, 0.3))
        ),
        "tied": tied,
        "reweighted": replace(
            trunk, slug="reweighted", mixture=replace(trunk.mixture, reweighting=rule), keep=(),
            evaluation=EvaluationSpec(every=4, sequences=16),
        ),
        "restored": replace(
            whole, slug="restored", start=replace(whole.start, optimizer="restored"),  # type: ignore[arg-type, type-var]
            evaluation=EvaluationSpec(every=16, sequences=16, ends=(32,), dense_sequences=8),
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TinySweep, dict[str, tuple[Path, Path]]]:
    """Folders of each run as one process trained it and as the group did."""
    sweep = TinySweep(tmp_path_factory.mktemp("full"))
    processor = prepare_processor("cpu")
    base, specs = specs_of(sweep)
    run(sweep.place(base), processor)
    folders = {}
    for name, spec in specs.items():
        single, several = sweep.place(replace(spec, slug="single")), sweep.place(spec)
        run(single, processor)
        folders[name] = (single, several)
    several = {name: str(pair[1]) for name, pair in folders.items()}
    with join_group(processor.device) as group:  # one process begins what two go on with
        go_through([{"run": several["pulled"], "stop": 13}, {"run": several["tied"], "stop": 4}], group)
    jobs = [
        {"run": several["plain"], "micro_batch": 3, "recompute": True},
        {"run": several["stopped"], "stop": 19},
        {"run": several["pulled"]},
        {"run": several["tied"], "micro_batch": 2},
        {"run": several["reweighted"]},
        {"run": several["restored"]},
    ]
    script = Path(__file__).with_name("full_group.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    answer = subprocess.run(
        [*command, str(script), json.dumps(jobs)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert (Path(several["stopped"]) / "shards" / "step-00000019" / "__1_0.distcp").is_file()
    with join_group(processor.device) as group:  # and goes on with what two began
        go_through([{"run": several["stopped"]}], group)
    return sweep, folders


@pytest.mark.parametrize("name", ["plain", "stopped", "pulled", "tied", "reweighted", "restored"])
def test_several_processes_give_the_losses_of_one(
    done: tuple[TinySweep, dict[str, tuple[Path, Path]]], name: str
) -> None:
    single, several = done[1][name]
    for kind, field in (("eval", "value"), ("eval_base", "value"), ("train", "loss"), ("mixture", "")):
        expected, found = read_rows(single, kind), read_rows(several, kind)
        for row, other in zip(expected, found, strict=True):
            noisy = {
                key for key in row if key in ("sem", "grad_norm") or key.startswith(("loss:", "wanted:"))
            }
            if field:
                assert other.pop(field) == pytest.approx(row.pop(field), abs=CLOSE, rel=0)
            for key in noisy:
                assert other.pop(key) == pytest.approx(row.pop(key), rel=1e-4)
            assert other == row
    records = RunRecord.load(single), RunRecord.load(several)
    assert records[0] is not None
    assert records[1] is not None
    same = ("status", "parameters", "steps", "tokens", "r_seen", "epochs", "flops")
    assert {key: getattr(records[0], key) for key in same} == {key: getattr(records[1], key) for key in same}
    assert not (several / "shards").exists()


def test_what_it_leaves_is_what_a_single_process_leaves(
    done: tuple[TinySweep, dict[str, tuple[Path, Path]]], processor: Processor
) -> None:
    """A base of a full run can be continued, with its optimizer, by runs of one process."""
    single, several = done[1]["tied"]
    assert checkpoint.list_steps(single) == checkpoint.list_steps(several) == [9, 18]
    for name in (checkpoint.MODEL, checkpoint.OPTIMIZER):
        left, right = (
            checkpoint._read_tensors(folder / "checkpoints" / "step-00000018" / name)
            for folder in (single, several)
        )
        assert left.keys() == right.keys()
        for key, value in left.items():
            # Biases of the keys have no gradient but rounding, which Adam makes steps of.
            torch.testing.assert_close(right[key], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["plain", "tied"])
def test_the_export_loads_in_transformers_with_equal_logits(
    done: tuple[TinySweep, dict[str, tuple[Path, Path]]], name: str
) -> None:
    """A Llama and a GPT-NeoX with tied embeddings, one trained in one process and one in two."""
    tokens = torch.arange(32).reshape(2, 16) % 32
    logits = []
    for folder in done[1][name]:
        last = checkpoint.checkpoint_folder(folder, checkpoint.list_steps(folder)[-1])
        network, report = AutoModelForCausalLM.from_pretrained(last, output_loading_info=True)
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]
        logits.append(network(tokens).logits)
    torch.testing.assert_close(logits[1], logits[0], rtol=0, atol=1e-4)


def test_the_record_and_the_journal_state_speed_and_utilisation(
    done: tuple[TinySweep, dict[str, tuple[Path, Path]]],
) -> None:
    folder = done[1]["plain"][1]
    record = RunRecord.load(folder)
    assert record is not None
    assert (record.host["processes"], record.host["micro_batch"]) == ("2", "3")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    speeds = [row for row in rows if row["kind"] == "speed"]
    assert [row["step"] for row in speeds] == [10, 20, 30, 32]
    # FLOPs per second over the peak of two cores (190 GFLOP/s each)
    per_token = record.flops / record.tokens
    for row in speeds:
        assert row["mfu"] == pytest.approx(row["tokens_per_second"] * per_token / (2 * 190e9), abs=1e-6)
