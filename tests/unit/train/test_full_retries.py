"""A full run that begins again from its start, in another order of data."""

from __future__ import annotations

import time
import weakref
from dataclasses import replace
from typing import Any

import pytest
from tiny_sweep import TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.train.failure import refuse_divergence
from dcpt.train.full import run as full_run
from dcpt.train.full import store
from dcpt.train.full.assemble import assemble
from dcpt.train.full.command import train_full
from dcpt.train.full.options import FullOptions
from dcpt.train.full.run import FullRun
from dcpt.train.journal import RETRY, Journal
from dcpt.train.processor import Processor
from dcpt.train.spike import with_data_order
from dcpt.train.unit import run


def test_nothing_of_the_order_that_was_given_up_is_gone_on_from(
    sweep: TinySweep, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is no number at step 9, while the checkpoint of step 8 is still on its way to the disk."""
    base = sweep.base()
    run(sweep.place(base), processor)
    spec = sweep.trunk(base)
    spec = replace(spec, optimizer=replace(spec.optimizer, on_spike="retry"))
    folder = sweep.place(spec)
    after: Any = FullRun._after_step
    write = store.write_state

    def fail(self: FullRun, step: int, loss: float, *rest: Any) -> None:
        if step == 9 and not Journal.rows_in(folder, RETRY):
            refuse_divergence(step, float("nan"), 1.0)
        after(self, step, loss, *rest)

    def slowly(*arguments: Any) -> None:
        time.sleep(0.5)
        write(*arguments)

    made: list[weakref.ref[Any]] = []

    def one_at_a_time(*places: Any) -> Any:
        assert not any(network() for network in made), "two networks at a time"
        assembly = assemble(*places)
        made.append(weakref.ref(assembly.network))
        return assembly

    monkeypatch.setattr(full_run, "assemble", one_at_a_time)
    monkeypatch.setattr(FullRun, "_after_step", fail)
    monkeypatch.setattr(store, "write_state", slowly)
    events: list[dict[str, Any]] = []
    assert train_full(folder, FullOptions("cpu"), None, events.append) == 0
    assert [event["step"] for event in events if event["event"] == "started"] == [0, 0]
    assert len(made) == 2
    record = RunRecord.load(folder)
    assert record is not None
    assert record.status == "finished"
    assert record.reason.endswith("in another order: diverged: the training loss is nan at step 9")
    # as a run that had this order from the beginning
    again = with_data_order(folder, spec)
    other = sweep.place(replace(again, slug="other", optimizer=replace(spec.optimizer, on_spike="stop")))
    run(other, processor)
    assert read_rows(other) == read_rows(folder)
