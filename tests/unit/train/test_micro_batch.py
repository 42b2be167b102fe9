"""A memory that does not hold the batch: the parts add up to the same run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_sweep import LLAMA, VOCAB, TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import ModelSpec
from dcpt.train import unit
from dcpt.train.micro_batch import MicroBatch
from dcpt.train.model import draw_model, read_config
from dcpt.train.objective import Objective
from dcpt.train.processor import Processor
from dcpt.train.serve import train_one
from dcpt.train.start import start_network
from dcpt.train.unit import run

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory")


def hold_at_most(monkeypatch: pytest.MonkeyPatch, rows: int, error: Exception) -> list[int]:
    """Let every forward pass of more sequences fail; returns the sizes that were refused."""
    refused: list[int] = []

    def check(network: torch.nn.Module, arguments: Any, named: dict[str, Any]) -> None:
        if len(named["input_ids"]) > rows:
            refused.append(len(named["input_ids"]))
            raise error

    def small(*arguments: Any) -> Any:
        network = start_network(*arguments)
        network.register_forward_pre_hook(check, with_kwargs=True)
        return network

    monkeypatch.setattr(unit, "start_network", small)
    return refused


def values(folder: Path) -> dict[tuple[Any, ...], float]:
    return {(row["step"], row["eval_set"], row["metric"]): row["value"] for row in read_rows(folder)}


@pytest.mark.parametrize("error", [CUDA, CPU])
@pytest.mark.parametrize("tilt", [0.0, 1.5])
def test_half_a_batch_at_a_time_gives_the_same_losses(
    tmp_path: Path, processor: Processor, monkeypatch: pytest.MonkeyPatch, error: Exception, tilt: float
) -> None:
    small, large = TinySweep(tmp_path / "small"), TinySweep(tmp_path / "large")
    spec = small.base(steps=12)
    spec = replace(spec, optimizer=replace(spec.optimizer, tilt=tilt))
    whole = large.place(spec)
    run(whole, processor)
    folder = small.place(spec)
    with monkeypatch.context() as patch:
        refused = hold_at_most(patch, 3, error)
        record = run(folder, processor)
    assert record.status == "finished"
    assert record.host["micro_batch"].startswith("2 of 8 sequences")
    assert "micro_batch" not in run(whole, processor).host
    # 8, then 4 sequences were refused in training; an evaluation asks for 16 windows, then 8, then 4
    assert refused[:2] == [8, 4]
    assert [(row["step"], row["rows"]) for row in read_rows(folder, "micro_batch")] == [(1, 2)]
    expected = values(whole)
    assert values(folder) == pytest.approx(expected, abs=1e-5)
    assert len(expected) == 8


@pytest.mark.parametrize("tilt", [0.0, 1.5])
def test_parts_of_different_length_weigh_by_their_sequences(processor: Processor, tilt: float) -> None:
    """Seven sequences in threes and in twos: the last part has one."""
    network = draw_model(read_config(ModelSpec("llama", LLAMA)), 0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)  # so that losses differ
    tokens = torch.randint(0, VOCAB, (7, 17), generator=torch.Generator().manual_seed(1))
    objective = Objective(network, processor, tilt)
    found = []
    for rows in (7, 3, 2):
        network.zero_grad()
        objective.begin(tokens)
        loss = MicroBatch(7, rows).backward(network, tokens, objective)
        found.append([loss, *(parameter.grad for parameter in network.parameters())])
    for parts in found[1:]:
        for one, other in zip(parts, found[0], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_resumed_run_knows_what_its_memory_holds(
    sweep: TinySweep, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep.place(sweep.base(steps=20))
    refused = hold_at_most(monkeypatch, 4, CUDA)
    count = iter(range(100))
    with pytest.raises(unit.Stopped):
        run(folder, processor, stop=lambda: "leave" if next(count) >= 15 else None)
    in_training = refused.count(8)
    run(folder, processor)
    assert refused.count(8) > in_training  # by evaluations only: training began with 4 at once
    assert len(read_rows(folder, "micro_batch")) == 1
    assert [row["step"] for row in read_rows(folder, "start")] == [0, 10]


def test_a_single_sequence_too_many_is_said_and_can_be_tried_elsewhere(
    sweep: TinySweep, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sweep.place(sweep.base(steps=12))
    refused = hold_at_most(monkeypatch, 0, CUDA)
    events: list[dict[str, Any]] = []
    watch: Any = SimpleNamespace(busy=False, wish=lambda: None)
    assert not train_one(folder, processor, events.append, watch)
    assert refused == [8, 4, 2, 1]
    assert events[-1] == {
        "event": "failed", "run_id": folder.name, "reason": "out of memory", "retry": True,
    }  # fmt: skip
    assert RunRecord.load(folder) is None


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    micro = MicroBatch(8)

    def broken(tokens: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        micro.backward(torch.nn.Linear(1, 1), torch.zeros(8, 2), broken)
    assert micro.rows == 8
