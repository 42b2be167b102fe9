"""Faults inside a pack: they befall one run, and the others are to the bit what they are without it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_sweep import read_rows
from twins import Twins, largest_difference

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import OptimizerSpec
from dcpt.train import unit as unit_module
from dcpt.train.journal import RETRY, Journal
from dcpt.train.pack.stack import Stack
from dcpt.train.pack.step import PackedStep
from dcpt.train.spike import SHIFT, Spike
from dcpt.train.start import start_network
from dcpt.train.unit import Unit, run

RETRYING = replace(OptimizerSpec(), on_spike="retry")


def record_of(folder: Path) -> RunRecord:
    record = RunRecord.load(folder)
    assert record is not None
    return record


def not_a_number(step: int, loss: float, norm: float) -> None:
    """What the trainer says of such a loss."""
    unit_module.refuse_divergence(step, float("nan"), norm)


def spiked(step: int, loss: float, norm: float) -> None:
    raise Spike("diverged: the training loss spiked to 9 at step 13")


@pytest.fixture(params=[not_a_number, spiked])
def trouble(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Call it with the folder of a run: its first order of data goes wrong at step 13, packed or alone."""
    after: Any = Unit.after_step
    places: list[Path] = []

    def fail(self: Unit, step: int, loss: float, norm: float, seconds: float) -> None:
        if self.run_dir in places and step == 13 and not Journal.rows_in(self.run_dir, RETRY):
            request.param(step, loss, norm)
        after(self, step, loss, norm, seconds)

    monkeypatch.setattr(Unit, "after_step", fail)
    return lambda folder: places.append(folder.resolve())


def test_one_replica_is_tried_again_and_the_others_do_not_notice(
    twins: Twins, trouble: Callable[[Path], None]
) -> None:
    alone, together = twins.place(twins.runs(optimizer=RETRYING))
    for folder in (alone[1], together[1]):
        trouble(folder)
    run(alone[1], twins.processor)
    twins.pack([alone[0], *alone[2:]])
    events = twins.pack(together)
    assert [event["run_id"] for event in events if event["event"] == "alone"] == [together[1].name]
    assert not [event for event in events if event["event"] == "failed"]
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) == 0.0
    records = [record_of(folder) for folder in (alone[1], together[1])]
    assert {record.status for record in records} == {"finished"}
    assert records[0].reason == records[1].reason
    assert records[0].reason.startswith("trained anew with its data in another order: diverged: the training")
    for folder in (alone[1], together[1]):
        assert [row["shift"] for row in read_rows(folder, "retry")] == [SHIFT]


@pytest.mark.parametrize("choice", ["stop", "ignore"])
def test_without_that_option_a_loss_that_is_no_number_abandons_its_run(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, choice: Any
) -> None:
    together = twins.place(twins.runs(optimizer=replace(RETRYING, on_spike=choice)))[1]
    after: Any = Unit.after_step

    def fail(self: Unit, step: int, *rest: float) -> None:
        if self.run_dir == together[2].resolve() and step == 5:
            not_a_number(step, 0.0, 1.0)
        after(self, step, *rest)

    monkeypatch.setattr(Unit, "after_step", fail)
    twins.pack(together)
    record = record_of(together[2])
    assert (record.status, record.reason) == ("abandoned", "diverged: the training loss is nan at step 5")
    assert {record_of(folder).status for folder in (together[0], together[1], together[3])} == {"finished"}


def test_a_buried_replica_computes_on_with_finite_numbers(twins: Twins) -> None:
    """It keeps its place in the tensors; what is not finite there would slow down or trip the rest."""
    folders = twins.place(twins.runs())[1][:2]
    units = [Unit(folder, twins.processor, lambda event: None, lambda: None) for folder in folders]
    with torch.no_grad():
        next(units[0].network.parameters())[3] = float("nan")
    spec = units[0].spec
    stack = Stack([unit.network for unit in units], [unit.optimizer for unit in units], spec.optimizer)
    step = PackedStep(stack, twins.processor, spec.context, spec.optimizer.clip)
    tokens = torch.arange(2 * 4 * 17).reshape(2, 4, 17) % 32
    assert step.take(tokens).isfinite().all(dim=1).tolist() == [False, True]
    stack.bury(0)
    assert step.take(tokens).isfinite().all()
    assert all(weight.isfinite().all() for weight in stack.weights.values())
    stack.dissolve()


def test_a_memory_too_small_for_any_batch_splits_the_pack_and_then_the_batch(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After step 11 three sequences fit, of whichever run: no pack does, and no whole batch."""
    alone, together = twins.place(twins.runs())
    for folder in alone:
        run(folder, twins.processor)
    room, taken = [10**6], []
    take = PackedStep.take

    def packed(self: PackedStep, tokens: torch.Tensor) -> torch.Tensor:
        if tokens.shape[0] * tokens.shape[1] > room[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        taken.append(len(tokens))
        if len(taken) == 11:
            room[0] = 3
        return take(self, tokens)

    def check(network: torch.nn.Module, arguments: Any, named: dict[str, Any]) -> None:
        if network.training and len(named["input_ids"]) > room[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def small(*arguments: Any) -> Any:
        network = start_network(*arguments)
        network.register_forward_pre_hook(check, with_kwargs=True)
        return network

    monkeypatch.setattr(PackedStep, "take", packed)
    monkeypatch.setattr(unit_module, "start_network", small)
    events = twins.pack(together)
    assert {event["run_id"] for event in events if event["event"] == "alone"} == {f.name for f in together}
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6
        # the pack's last checkpoint is of step 8: what came after it was done again, two at a time
        said = "2 of 8 sequences at a time from step 9, for want of memory"
        assert record_of(other).host["micro_batch"] == said
        assert "micro_batch" not in record_of(one).host


def test_a_record_says_how_each_part_of_the_run_went_through_the_memory(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at a time alone, stopped, and then whole batches in a pack, where there is more memory."""
    alone, together = twins.place(twins.runs()[:2])
    for folder in alone:
        run(folder, twins.processor)
    journal = Journal(together[0], unit_module.read_spec(together[0]))
    journal.log_micro_batch(1, 2)
    asked = iter(range(100))
    with pytest.raises(unit_module.Stopped):
        run(together[0], twins.processor, stop=lambda: "save" if next(asked) >= 10 else None)
    copy = shutil.copytree(together[0], together[0].with_name("copy"))
    twins.pack(together)
    said = "2 of 8 sequences at a time; whole batches from step 11, for want of memory"
    assert record_of(together[0]).host["micro_batch"] == said
    assert "micro_batch" not in record_of(together[1]).host
    assert largest_difference(alone[0], together[0]) < 1e-6
    # taken back to a step before it was told, it holds from the next step on
    journal = Journal(copy, journal.spec)
    journal.log_micro_batch(13, 4)
    journal.rewind(11)
    assert (journal.micro_batches(), journal.micro_batch) == ({1: 2, 12: 4}, 4)
    journal.rewind(None)
    assert journal.micro_batches() == {1: 4}
