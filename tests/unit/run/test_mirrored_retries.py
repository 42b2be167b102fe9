"""Mirrors of a run that began again from its start: its steps are shown once, and that it did is seen."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_sinks import evaluation, mirror_once, place_run, scalars, wandb_records

from dcpt.core import files
from dcpt.run.sinks.journal_tail import JournalTail
from dcpt.run.sinks.mirror import Mirror
from dcpt.run.sinks.sink import TRACKERS

START = {"kind": "start", "step": 0}
RETRY = {"kind": "retry", "step": 0, "shift": 1000, "reason": "diverged: the training loss spiked"}


def train(loss: float, *steps: int) -> list[dict[str, Any]]:
    return [{"kind": "train", "step": step, "loss": loss} for step in steps]


FIRST = [START, *train(3.0, 10, 20, 30), evaluation(30, 3.1), *train(9.0, 40)]
AGAIN = [START, RETRY, START, *train(2.0, 10, 20)]
REST = [*train(2.0, 30), evaluation(30, 2.1), *train(2.0, 40, 50)]


def write_anew(folder: Path, rows: list[dict[str, Any]]) -> None:
    """As a run does that is started again: another file, in place of the one that was there."""
    files.write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def begin_again(folder: Path) -> None:
    """The run of `root` goes on: told of the spike, and then anew."""
    files.append_lines(folder / "metrics.jsonl", [RETRY])
    write_anew(folder, AGAIN)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sweep whose run has come to its spike."""
    place_run(tmp_path, "one", FIRST)
    return tmp_path


@pytest.mark.parametrize("seen", ["as it happens", "afterwards", "by another mirror"])
def test_the_steps_of_the_second_attempt_are_handed_out_from_the_first_one(root: Path, seen: str) -> None:
    folder = root / "runs" / "one"
    tail = JournalTail(folder / "metrics.jsonl")
    assert [step for step, _ in tail.read()] == [10, 20, 30]
    if seen == "as it happens":
        files.append_lines(folder / "metrics.jsonl", [RETRY])
        assert [(step, tail.attempt, values.get("train/loss")) for step, values in tail.read()] == [
            (40, 0, 9.0)  # of the first attempt: a later one has begun
        ]
    begin_again(folder)
    if seen == "by another mirror":
        tail = JournalTail(folder / "metrics.jsonl", through=30)
    found = list(tail.read())
    assert found == [(0, {"retry/shift": 1000.0}), (10, {"train/loss": 2.0})]
    assert (tail.attempt, tail.reason) == (1, RETRY["reason"])
    # resumed from step 10: its journal is written anew once more, and nothing is told twice
    write_anew(folder, [*AGAIN[:4], {"kind": "start", "step": 10}, *train(2.0, 20)])
    later = JournalTail(folder / "metrics.jsonl", tail.through, tail.attempt)
    for reader in (tail, later):
        assert [step for step, _ in reader.read()] == []
    files.append_lines(folder / "metrics.jsonl", REST)
    for reader in (tail, later):
        assert [step for step, _ in reader.read(ended=True)] == [20, 30, 40, 50]


def test_another_file_under_the_number_of_a_deleted_one_is_known_for_another(root: Path) -> None:
    path = root / "runs" / "one" / "metrics.jsonl"
    tail = JournalTail(path)
    list(tail.read())
    with open(path, "r+b") as file:  # in place: number and device stay, and it is longer than before
        file.write("".join(json.dumps(row) + "\n" for row in [*AGAIN, *REST]).encode())
    assert [step for step, _ in tail.read(ended=True)] == [0, 10, 20, 30, 40, 50]


def mirror_both_attempts(root: Path, tracker: str) -> None:
    """The mirror is up to date at the spike, and again after the end; in processes of their own."""
    mirror_once(root, tracker)
    begin_again(root / "runs" / "one")
    place_run(root, "one", REST, ended=True)
    mirror_once(root, tracker)
    mirror_once(root, tracker)  # nothing more to tell


def test_a_mirror_that_ends_between_the_spike_and_the_next_attempt_tells_nothing_twice(root: Path) -> None:
    mirror_once(root, "tensorboard")
    files.append_lines(root / "runs" / "one" / "metrics.jsonl", [RETRY])
    for told in (1, 0):  # what the first attempt came to, and then nothing until there is a second
        mirror = Mirror(root, TRACKERS["tensorboard"], "sweep")
        assert mirror.catch_up() == told
        mirror.close()


def test_tensorboard_shows_the_second_attempt_alone_and_why_there_was_one(root: Path) -> None:
    mirror = Mirror(root, TRACKERS["tensorboard"], "sweep")
    mirror.catch_up()
    begin_again(root / "runs" / "one")
    mirror.catch_up()
    place_run(root, "one", REST, ended=True)
    mirror.catch_up()
    mirror.close()
    found = scalars(root)
    assert found["train/loss"] == [(step, 2.0) for step in (10, 20, 30, 40, 50)]
    assert found["loss/general"] == [(30, 2.1)]
    assert found["retry/shift"] == [(0, 1000.0)]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(root / "runs" / "mirror" / "tensorboard" / "one"))
    reader.Reload()
    (told,) = reader.Tensors("retry")
    assert b"spiked" in told.tensor_proto.string_val[0]


def test_trackio_has_each_attempt_as_a_run_of_its_own(root: Path) -> None:
    mirror_both_attempts(root, "trackio")
    (database,) = (root / "runs" / "mirror" / "trackio").glob("*.db")
    with sqlite3.connect(database) as reader:
        rows = reader.execute("select run_name, step, metrics from metrics order by 1, 2").fetchall()
    losses = [(run, step, json.loads(text).get("train/loss")) for run, step, text in rows]
    assert losses == [
        *(("one", step, 3.0) for step in (10, 20, 30)),
        ("one-retry1", 0, None),
        *(("one-retry1", step, 2.0) for step in (10, 20, 30, 40, 50)),
    ]


def test_wandb_has_each_attempt_as_a_run_of_its_own(root: Path) -> None:
    mirror_both_attempts(root, "wandb")
    found: dict[str, list[tuple[int, Any]]] = {}
    notes = {}
    for file in (root / "runs" / "mirror" / "wandb").glob("wandb/offline-run-*/*.wandb"):
        name = ""
        for record in wandb_records(file.read_bytes()):
            if record.HasField("run"):
                name = record.run.run_id
                notes[name] = record.run.notes
            if record.HasField("history"):
                items = {
                    ".".join(item.nested_key) or item.key: item.value_json for item in record.history.item
                }
                loss = items.get("train/loss")
                found.setdefault(name, []).append((int(items["_step"]), loss and json.loads(loss)))
    assert found == {
        "one": [(step, 3.0) for step in (10, 20, 30)],
        "one-retry1": [(0, None), *((step, 2.0) for step in (10, 20, 30, 40, 50))],
    }
    assert (notes["one"], notes["one-retry1"]) == ("", RETRY["reason"])
