"""Policy above all executors: packs, a disk that is full, and the choice of an executor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))

from tiny_sweep import TinySweep

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_record import RunRecord
from dcpt.run import store
from dcpt.run.choose import choose_executor
from dcpt.run.conductor import MAX_ATTEMPTS, Conductor
from dcpt.run.event_log import EventReader, EventWriter
from dcpt.run.executor import Event, Place
from dcpt.run.local import LocalExecutor
from dcpt.run.node import Node


class Scripted:
    """An executor in one process: what becomes of a group is decided by a function."""

    def __init__(self, fate: Callable[[list[str]], list[Event]], there: Collection[str] = ()) -> None:
        self.fate, self.there = fate, there
        self.groups: list[list[str]] = []
        self.events: list[Event] = []
        self.room = 1000

    def under_way(self) -> Collection[str]:
        return self.there

    def submit(self, runs: Sequence[str]) -> bool:
        self.groups.append(list(runs))
        self.events += self.fate(list(runs))
        return True

    def poll(self, seconds: float) -> list[Event]:
        events, self.events = self.events, []
        return events

    def cancel(self, grace: float) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def sweep(tmp_path: Path) -> TinySweep:
    return TinySweep(tmp_path)


def finished(runs: list[str]) -> list[Event]:
    return [{"event": "finished", "run_id": name} for name in runs]


def test_a_group_that_is_lost_twice_goes_run_by_run(sweep: TinySweep) -> None:
    """Together its runs may be too much for the memory: the system kills the process, over and over."""
    specs = [sweep.base(seed=seed) for seed in range(3)]
    executor = Scripted(
        lambda runs: (
            finished(runs)
            if len(runs) == 1
            else [{"event": "lost", "run_id": name, "reason": "killed", "began": True} for name in runs]
        )
    )
    conductor = Conductor(
        sweep.root, specs, {}, executor, lambda event: None, lambda ready: [ready] if ready else []
    )
    assert sorted(conductor.loop().finished) == sorted(spec.run_id for spec in specs)
    assert [len(group) for group in executor.groups] == [3, 3, 1, 1, 1]
    assert MAX_ATTEMPTS == 3


def test_the_longest_path_of_work_goes_first_and_what_is_under_way_is_not_given_again(
    sweep: TinySweep,
) -> None:
    base = sweep.base()
    long, short = sweep.trunk(base), sweep.trunk(base, r=0.5)
    branch = sweep.branch(long)
    work = {base.run_id: 1.0, long.run_id: 1.0, short.run_id: 1.5, branch.run_id: 2.0}
    executor = Scripted(finished)
    Conductor(sweep.root, [branch, short, long, base], work, executor, lambda event: None).loop()
    assert executor.groups == [[base.run_id], [long.run_id], [short.run_id], [branch.run_id]]
    again = Scripted(finished, there=[base.run_id])
    again.events = finished([base.run_id])
    outcome = Conductor(sweep.root, [base], {}, again, lambda event: None).loop()
    assert (outcome.finished, again.groups) == ([base.run_id], [])


def test_a_process_that_dies_on_a_full_disk_pauses_the_sweep(
    sweep: TinySweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may not even have been able to say why: nothing is marked as failed."""
    base = sweep.base()
    lost = [{"event": "lost", "run_id": base.run_id, "reason": "it left no word", "began": True}]
    conductor = Conductor(sweep.root, [base], {}, Scripted(lambda runs: lost), lambda event: None)
    monkeypatch.setattr(store, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(DataError, match="the disk is full"):
        conductor.loop()
    assert RunRecord.load(store.run_folder(sweep.root, base.run_id)) is None


def test_events_cross_a_file_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader, writer = EventReader(path), EventWriter(path)
    assert reader.read() == []
    writer.write({"event": "started", "run_id": "a", "step": 0})
    for step in range(5):  # progress is told now and then, not each time
        writer.write({"event": "progress", "run_id": "a", "step": step})
    assert [event["event"] for event in reader.read()] == ["started", "progress"]
    with open(path, "ab") as file:
        file.write(b'{"event": "finis')
        file.flush()
        assert reader.read() == []
        file.write(b'hed", "run_id": "a"}\nnot an event\n')
    assert [event["event"] for event in reader.read()] == ["finished"]
    EventWriter(tmp_path / "nowhere" / "x").write({"event": "started"})  # as on a full disk
    assert EventReader(path, skip=True).read() == []


def test_executors_are_chosen_by_name() -> None:
    assert choose_executor("local") is LocalExecutor
    for name, options, words in (
        ("pbs", [], "wanted one of local, ray, slurm"),
        ("local", ["partition=x"], "the local executor has none"),
        ("ray", ["num_gpus"], "wanted KEY=VALUE"),
        ("slurm", ["time=1", "time=2"], "stands twice"),
    ):
        with pytest.raises(ConfigError, match=words):
            choose_executor(name, options)


def test_a_node_leaves_a_finished_run_as_it_is(sweep: TinySweep, tmp_path: Path) -> None:
    """A task may wait in a queue while its run is brought to its end elsewhere."""
    base = sweep.base()
    folder = store.write_spec(sweep.root, base)
    RunRecord(base.run_id, "finished").save(folder)
    node = Node(Place(sweep.root, device="cpu"), tmp_path / "events.jsonl", "test")
    assert node.train([base.run_id])
    assert node.worker is None
    node.close()
    assert EventReader(tmp_path / "events.jsonl").read() == finished([base.run_id])
    assert not (folder / "lease").exists()
