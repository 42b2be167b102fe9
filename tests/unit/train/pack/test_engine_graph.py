"""The order of a recorded step: warm up, record without taking, replay; or go on where it is refused.

There is no CUDA here: a graph is stood in for by one that undoes what was done while it was recorded, as
recording does nothing, and takes the step when it is replayed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from twins import Twins, largest_difference

from dcpt.core.run_record import RunRecord
from dcpt.train.pack import pack
from dcpt.train.pack.engine import WARM_UP, Engine
from dcpt.train.pack.feed import ResidentTokens
from dcpt.train.unit import run


class Recorded:
    """Stands in for `torch.cuda.CUDAGraph`."""

    engine: Emulated
    log: list[str]

    def replay(self) -> None:
        self.log.append("replay")
        Engine._body(self.engine)

    def reset(self) -> None:
        self.log.append("reset")


class Emulated(Engine):
    """An engine that believes to be on a GPU."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "longest": 10})
        self.record = True
        Recorded.engine = self

    def _body(self) -> None:
        Recorded.log.append("body")
        super()._body()


class Stream:
    """Stands in for `torch.cuda.Stream`."""

    def wait_stream(self, other: Stream) -> None:
        pass


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine did, in order."""
    Recorded.log = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(pack, "Engine", Emulated)
    monkeypatch.setattr(pack, "resident_tokens", ResidentTokens)
    monkeypatch.setattr(pack, "measures_together", lambda processor: True)
    return Recorded.log


def changed_by_a_step(engine: Engine) -> list[torch.Tensor]:
    moments = [value for state in engine.step.stack.optimizer.state.values() for value in state.values()]
    return [*engine.step.stack.weights.values(), *moments, engine._row, engine._results]


@contextlib.contextmanager
def recording(graph: Recorded) -> Iterator[None]:
    tensors = changed_by_a_step(graph.engine)
    before = [value.detach().clone() for value in tensors]
    yield
    with torch.no_grad():
        for value, old in zip(tensors, before, strict=True):
            value.copy_(old)


@contextlib.contextmanager
def refusing(graph: Recorded) -> Iterator[None]:
    with recording(graph):
        yield
    raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore words")


def test_a_step_is_recorded_once_and_replayed(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "graph", recording)
    record = compare(twins)
    assert record.host["graph"] == "recorded"
    assert log[: WARM_UP + 2] == ["body"] * WARM_UP + ["body", "replay"]
    assert log.count("body") == WARM_UP + 1
    assert log[-1] == "reset"


def test_where_recording_is_refused_steps_go_one_by_one(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "graph", refusing)
    record = compare(twins)
    assert record.host["graph"] == "no: CUDA error: operation not permitted when stream is capturing"
    assert set(log) == {"body"}


def compare(twins: Twins) -> RunRecord:
    """Train runs alone and together; a record of the latter."""
    alone, together = twins.place(twins.runs())
    for folder in alone:
        run(folder, twins.processor)
    events = twins.pack(together)
    assert not [event for event in events if event["event"] in ("failed", "alone")]
    for one, other in zip(alone, together, strict=True):
        assert largest_difference(one, other) < 1e-6
    found = RunRecord.load(together[0])
    assert found is not None
    return found
