"""Runs trained together against the same runs trained one by one: rows, records and checkpoints."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from twins import STEPS, Twins, largest_difference

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import EvaluationSpec, OptimizerSpec, RunSpec
from dcpt.core.training_options import Interpolation
from dcpt.train import checkpoint
from dcpt.train.failure import Stopped
from dcpt.train.journal import RETRY, Journal
from dcpt.train.optimizer import make_optimizer
from dcpt.train.pack import pack
from dcpt.train.pack.feed import ResidentTokens
from dcpt.train.pack.probe import choose_size, even_parts, sizes_to_try
from dcpt.train.pack.step import PackedStep
from dcpt.train.pack.worklist import Packing, train_list
from dcpt.train.spike import Spike, SpikeWatch
from dcpt.train.unit import Unit, run


def test_a_pack_leaves_what_single_runs_leave(twins: Twins) -> None:
    alone, together = twins.place(twins.runs())
    for folder in alone:
        run(folder, twins.processor)
    events = twins.pack(together)
    assert [event["run_id"] for event in events if event["event"] == "finished"] == [f.name for f in together]
    assert not [event for event in events if event["event"] in ("failed", "alone")]
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6
        records = [RunRecord.load(folder) for folder in (one, other)]
        assert records[0] is not None
        assert records[1] is not None
        assert records[1].host["packed"] == "4"
        assert records[0] == replace(records[1], seconds=records[0].seconds, host=records[0].host)
    # a checkpoint out of a pack is one transformers reads
    assert Unit(together[0], twins.processor, lambda event: None, lambda: None).progress.step == STEPS


def test_the_way_of_a_gpu_leads_to_the_same_losses(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    # corpora on the device, steps in stretches, evaluations of all replicas at once; but no graph. Weights
    # are interpolated, and checkpoints kept, inside what would be one stretch.
    def on_device(corpora: Any, device: torch.device) -> ResidentTokens:
        return ResidentTokens(corpora, device)

    monkeypatch.setattr(pack, "resident_tokens", on_device)
    monkeypatch.setattr(pack, "Engine", partial(pack.Engine, longest=10))
    monkeypatch.setattr(pack, "measures_together", lambda processor: True)
    plan = EvaluationSpec(every=8, sequences=16, ends=(STEPS,), dense_sequences=12)
    option = replace(OptimizerSpec(), interpolation=Interpolation(every=3, rate=0.4))
    specs = twins.runs(evaluation=plan, optimizer=option)
    alone, together = twins.place([replace(specs[0], keep=(4, 13, STEPS)), *specs[1:]])
    for folder in alone:
        run(folder, twins.processor)
    twins.pack(together)
    for one, other in zip(alone, together, strict=True):
        assert 0 < largest_difference(one, other) < 1e-6


def test_a_run_that_spikes_gets_its_other_attempt_alone(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, together = twins.place(twins.runs(optimizer=replace(OptimizerSpec(), on_spike="retry")))
    look = SpikeWatch.look

    def spiked(self: SpikeWatch, step: int, loss: float) -> None:
        if self.minds and step == 20 and self.place == together[1] and not Journal.rows_in(self.place, RETRY):
            raise Spike("diverged: the training loss spiked")
        look(self, step, loss)

    made = SpikeWatch.__init__

    def remember(self: SpikeWatch, spec: RunSpec, journal: Journal) -> None:
        made(self, spec, journal)
        self.place = journal.path.parent

    monkeypatch.setattr(SpikeWatch, "__init__", remember)
    monkeypatch.setattr(SpikeWatch, "look", spiked)
    twins.pack(alone[:1] + alone[2:])
    events = twins.pack(together)
    assert [event["run_id"] for event in events if event["event"] == "alone"] == [together[1].name]
    assert len(Journal.rows_in(together[1], RETRY)) == 1
    record = RunRecord.load(together[1])
    assert record is not None
    assert record.status == "finished"
    for one, other in zip(alone[:1] + alone[2:], together[:1] + together[2:], strict=True):
        assert largest_difference(one, other) == 0.0


def test_packs_and_single_runs_resume_one_another(twins: Twins) -> None:
    alone, together = twins.place(twins.runs(evaluation=EvaluationSpec(every=8, sequences=16, also_at=(20,))))
    for folder in alone:
        run(folder, twins.processor)
    asked = iter(range(100))
    with pytest.raises(Stopped):  # the pack stops after step 11
        twins.pack(together, stop=lambda: "save" if next(asked) >= 11 else None)
    assert {checkpoint.list_steps(folder)[-1] for folder in together} == {11}
    run(together[0], twins.processor)  # one goes on alone to its end, one to step 18
    more = iter(range(100))
    with pytest.raises(Stopped):
        run(together[1], twins.processor, stop=lambda: "save" if next(more) >= 7 else None)
    assert checkpoint.list_steps(together[1])[-1] == 18
    events = twins.pack(together)  # the two that lie behind meet the other one
    assert [event["run_id"] for event in events if event["event"] == "alone"] == [together[0].name]
    assert {event["step"] for event in events if event["event"] == "started"} == {11, 18}
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6


def test_a_replica_that_diverges_is_abandoned_and_changes_no_bit_of_the_others(twins: Twins) -> None:
    base = twins.sweeps[0].base()
    poisoned = replace(base, seed=77)
    specs = twins.runs()
    assert specs[1].start is not None
    specs[1] = replace(specs[1], start=replace(specs[1].start, run_id=poisoned.run_id))
    for sweep in twins.sweeps:
        folder = sweep.place(poisoned)
        run(folder, twins.processor)
        unit = Unit(sweep.place(base), twins.processor, lambda event: None, lambda: None)
        with torch.no_grad():
            next(unit.network.parameters())[3] = float("nan")
        optimizer = make_optimizer(unit.network, poisoned.optimizer)
        checkpoint.save_checkpoint(folder, checkpoint.Progress(20), unit.network, optimizer)
    alone, together = twins.place(specs)
    run(alone[1], twins.processor)
    healthy = [alone[0], *alone[2:]]
    twins.pack(healthy)
    events = twins.pack(together)
    trouble = [event for event in events if event["event"] == "failed"]
    records = [RunRecord.load(folder[1]) for folder in (alone, together)]
    assert records[0] is not None
    assert records[1] is not None
    assert records[1].status == "abandoned"
    assert trouble == [
        {"event": "failed", "run_id": together[1].name, "reason": records[0].reason, "retry": False}
    ]
    assert (records[1].reason, records[1].steps) == (records[0].reason, 0)
    for one, other in zip(healthy, [together[0], *together[2:]], strict=True):
        assert largest_difference(one, other) == 0.0


def test_a_pack_that_does_not_fit_is_halved(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = twins.place(twins.runs())
    for folder in alone:
        run(folder, twins.processor)
    take, sizes = PackedStep.take, []

    def limited(self: PackedStep, tokens: torch.Tensor) -> torch.Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 2 and len(sizes) > 9:  # after the first evaluation
            raise torch.OutOfMemoryError("CUDA out of memory")
        return take(self, tokens)

    monkeypatch.setattr(PackedStep, "take", limited)
    events = twins.pack(together)
    assert [event["run_id"] for event in events if event["event"] == "finished"] == [f.name for f in together]
    assert [size for size, last in zip(sizes[1:], sizes, strict=False) if size != last] == [2]
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6


def test_where_nothing_can_be_compiled_the_pack_goes_on_without(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", refused)
    together = twins.place(twins.runs())[1]
    events: list[dict[str, Any]] = []
    train_list(together, twins.processor, events.append, lambda: None, Packing(4, "on"), alone=refused)
    assert [event["run_id"] for event in events if event["event"] == "finished"] == [f.name for f in together]


def test_runs_that_cannot_join_are_trained_alone_and_options_count(twins: Twins) -> None:
    option = replace(twins.runs()[0].optimizer, interpolation=Interpolation(every=5, rate=0.4))
    specs = twins.runs(optimizer=option)
    odd = replace(specs[3], context=8, slug="odd")
    alone, together = twins.place([*specs[:3], odd])
    for folder in alone:
        run(folder, twins.processor)
    events = twins.pack(together, size=2)
    assert [event["run_id"] for event in events if event["event"] == "alone"] == [
        together[2].name,
        together[3].name,
    ]
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6


def test_the_probe_leaves_a_run_as_it_is_and_its_sizes_cover_all_runs(twins: Twins) -> None:
    folder = twins.place(twins.runs())[0][0]
    unit = Unit(folder, twins.processor, lambda event: None, lambda: None)
    before = [parameter.clone() for parameter in unit.network.parameters()]
    size, rate = choose_size(unit, twins.processor, 3)
    assert size in sizes_to_try(3) == [1, 2, 3]
    assert rate > 0
    assert all(torch.equal(a, b) for a, b in zip(before, unit.network.parameters(), strict=True))
    assert not unit.optimizer.state
    assert sizes_to_try(9) == [1, 2, 4, 8, 9]
    assert even_parts(9, 8) == [5, 4]
