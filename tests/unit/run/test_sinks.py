"""Mirrors in trackers: what they show, what they survive, and that no run notices them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.run.sinks import mirroring as mirroring_module
from dcpt.run.sinks.journal_tail import JournalTail, metrics_of
from dcpt.run.sinks.mirror import Mirror
from dcpt.run.sinks.mirroring import mirroring
from dcpt.run.sinks.sink import TRACKERS, Tracker, read_names

TRAIN = [{"kind": "train", "step": step, "loss": 4 - step / 100, "eta": 1e-3} for step in (10, 20, 30, 40)]


def evaluation(step: int, value: float) -> dict[str, Any]:
    return {
        "kind": "eval", "step": step, "phase": "trunk", "eval_set": "general", "metric": "loss",
        "unit": "nats_per_token", "value": value, "sem": 0.01, "n_eval_tokens": 256, "D": 100 * step,
    }  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sweep folder with one run begun."""
    place_run(tmp_path, "one", [*TRAIN[:2], evaluation(20, 3.5)])
    return tmp_path


def place_run(root: Path, name: str, rows: list[dict[str, Any]], ended: bool = False) -> Path:
    folder = root / "runs" / name
    files.write_json(folder / "spec.json", {"schema_version": 1, "size": "n1m", "seed": 3})
    files.append_lines(folder / "metrics.jsonl", rows)
    if ended:
        (folder / "record.json").write_text("{}")
    return folder


def scalars(root: Path, run: str = "one") -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(root / "runs" / "mirror" / "tensorboard" / run))
    reader.Reload()
    return {
        tag: [(item.step, round(item.value, 4)) for item in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def test_a_step_is_handed_out_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = JournalTail(path)
    assert list(tail.read()) == []
    files.append_lines(path, TRAIN[:2])
    assert [step for step, _ in tail.read()] == [10]  # more rows of step 20 may follow
    files.append_lines(path, [evaluation(20, 3.5)])
    with open(path, "ab") as file:
        file.write(b'{"kind": "train", "step": 30, "lo')  # torn
    assert list(tail.read()) == []
    # the run is started again from step 20: its journal is written anew, and step 20 is still to come
    files.write_text(path, "".join(json.dumps(row) + "\n" for row in [*TRAIN[:2], evaluation(20, 3.5)]))
    files.append_lines(path, TRAIN[2:])
    steps = dict(tail.read(ended=True))
    assert list(steps) == [20, 30, 40]
    assert steps[20] == {
        "train/loss": 3.8, "train/eta": 1e-3, "loss/general": 3.5, "sem/loss/general": 0.01, "at/D": 2000.0,
    }  # fmt: skip
    assert list(tail.read(ended=True)) == []
    assert [step for step, _ in JournalTail(path, through=20).read(ended=True)] == [30, 40]


def test_rows_of_any_kind_have_names() -> None:
    row = {"kind": "mixture", "step": 4, "share:law": 0.25, "note": "x", "flag": True}
    assert metrics_of(row) == {"mixture/share:law": 0.25}


def test_tensorboard_shows_a_resumed_run_without_doubles(root: Path) -> None:
    mirror = Mirror(root, TRACKERS["tensorboard"], "sweep")
    assert mirror.catch_up() == 1
    # killed before it could note what it has given: the next one gives it again
    note = mirror.note.read_bytes()
    files.append_lines(root / "runs" / "one" / "metrics.jsonl", TRAIN[2:3])
    mirror.catch_up()
    mirror.drop()
    mirror.close()
    mirror.note.write_bytes(note)
    time.sleep(1.1)  # event files are read in the order of the second they were begun in
    files.append_lines(root / "runs" / "one" / "metrics.jsonl", TRAIN[3:])
    (root / "runs" / "one" / "record.json").write_text("{}")
    again = Mirror(root, TRACKERS["tensorboard"], "sweep")
    assert again.catch_up() == 3
    again.close()
    found = scalars(root)
    assert found["train/loss"] == [(10, 3.9), (20, 3.8), (30, 3.7), (40, 3.6)]
    assert found["loss/general"] == [(20, 3.5)]
    assert Mirror(root, TRACKERS["tensorboard"], "sweep").catch_up() == 0


def test_two_mirrors_of_one_folder_are_refused(root: Path) -> None:
    first = Mirror(root, TRACKERS["tensorboard"], "sweep")
    with pytest.raises(ConfigError, match="another process mirrors it to tensorboard"):
        Mirror(root, TRACKERS["tensorboard"], "sweep")
    first.close()
    first.note.write_text('{"schema_version": 1, "runs": {"one": "ten"}}')
    with pytest.raises(DataError, match="is damaged"):
        Mirror(root, TRACKERS["tensorboard"], "sweep")


ONCE = """
import sys
from pathlib import Path
from dcpt.run.sinks.mirror import Mirror
from dcpt.run.sinks.sink import TRACKERS
mirror = Mirror(Path(sys.argv[1]), TRACKERS[sys.argv[2]], "sweep")
mirror.catch_up()
mirror.close()
print("torch" in sys.modules, file=sys.stderr)
"""


def mirror_once(root: Path, tracker: str, **environment: str) -> None:
    """In a process of its own: trackers keep their settings from their first use on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "TRACKIO_"))}
    done = subprocess.run(
        [sys.executable, "-c", ONCE, str(root), tracker], env={**clean, **environment}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().splitlines()[-1] == "False"


def test_trackio_writes_to_the_sweep_folder_alone(root: Path) -> None:
    mirror_once(
        root, "trackio", TRACKIO_SPACE_ID="someone/elsewhere", TRACKIO_SERVER_URL="http://127.0.0.1:9"
    )
    place_run(root, "one", TRAIN[2:], ended=True)
    place_run(root, "two", TRAIN, ended=True)
    mirror_once(root, "trackio", HF_HOME=str(root / "unused"))
    (database,) = (root / "runs" / "mirror" / "trackio").glob("*.db")
    with sqlite3.connect(database) as reader:
        rows = reader.execute("select run_name, step, metrics from metrics order by 1, 2").fetchall()
    assert [(run, step) for run, step, _ in rows] == [
        *(("one", step) for step in (10, 20, 30, 40)),
        *(("two", step) for step in (10, 20, 30, 40)),
    ]
    assert json.loads(rows[1][2])["loss/general"] == 3.5


def wandb_records(data: bytes) -> Iterator[Any]:
    """Records of a transaction log: a header of 7 bytes, then CRC, length and type before each record."""
    from wandb.proto import wandb_internal_pb2

    at = 7
    while at + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, at + 4)
        assert kind == 1  # whole: none of these few records crosses a block of 32 KiB
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data[at + 7 : at + 7 + length])
        yield record
        at += 7 + length


def test_wandb_is_offline_unless_told_otherwise(root: Path) -> None:
    place_run(root, "one", TRAIN[2:], ended=True)
    mirror_once(root, "wandb")
    (file,) = (root / "runs" / "mirror" / "wandb").glob("wandb/offline-run-*/*.wandb")
    history, names = [], set()
    for record in wandb_records(file.read_bytes()):
        if record.HasField("run"):
            names.add((record.run.run_id, record.run.project, record.run.run_group))
        if record.HasField("history"):
            items = {
                ".".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            history.append((items["_step"], items["train/loss"], items.get("loss/general")))
    assert names == {("one", "sweep", "n1m")}
    assert history == [(10, 3.9, None), (20, 3.8, 3.5), (30, 3.7, None), (40, 3.6, None)]


def test_names_are_checked_and_none_is_none() -> None:
    assert read_names("wandb, tensorboard,wandb") == ("wandb", "tensorboard")
    assert read_names("none") == ()
    with pytest.raises(ConfigError, match="'mlflow' is not known; wanted some of tensorboard, wandb"):
        read_names("mlflow")


def test_what_is_mirrored_while_runs_train_is_what_they_logged(root: Path) -> None:
    said: list[str] = []
    with mirroring(root, ["tensorboard"], "sweep", said.append):
        place_run(root, "one", TRAIN[2:], ended=True)
        place_run(root, "two", TRAIN[:1])  # not at its end: what it has logged is not yet a whole step
    assert said == []
    assert [step for step, _ in scalars(root)["train/loss"]] == [10, 20, 30, 40]


@pytest.fixture
def broken_trackio(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name that the mirroring process finds first; its body is the test's."""
    folder = tmp_path_factory.mktemp("packages")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder / "trackio.py"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise OSError('no network')", "trackio is not up to date (OSError: no network)"),
        ("import os; os.kill(os.getpid(), 9)", "trackio is not up to date (exit -9)"),
        ("import time; time.sleep(600)", "trackio did not catch up within 3 s"),
        ("def init(**_): raise ValueError", "trackio is not up to date (ValueError)"),
        ("import sys; sys.exit(3)", "trackio is not up to date (exit 3)"),
    ],
)
def test_a_tracker_that_fails_is_one_sentence(
    root: Path, broken_trackio: Path, body: str, expected: str
) -> None:
    broken_trackio.write_text(body)
    said: list[str] = []
    place_run(root, "one", TRAIN[2:], ended=True)
    before = (root / "runs" / "one" / "metrics.jsonl").read_bytes()
    with mirroring(root, ["trackio"], "sweep", said.append, grace=3.0):
        pass
    assert len(said) == 1
    assert expected in said[0]
    assert said[0].endswith(f"dcpt sweep mirror {root} --to trackio catches up")
    assert (root / "runs" / "one" / "metrics.jsonl").read_bytes() == before


def test_a_missing_package_is_one_warning_and_starts_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracker, "installed", property(lambda tracker: False))
    monkeypatch.setattr(mirroring_module.subprocess, "Popen", None)
    said: list[str] = []
    with mirroring(root, ["wandb"], "sweep", said.append):
        pass
    assert said == ["mirror: wandb is not installed, so nothing is mirrored to it; pip install 'dcpt[wandb]'"]


FOLLOWED = """
import sys, time
from dcpt.run.sinks.mirroring import mirroring
with mirroring(sys.argv[1], ["tensorboard"], "sweep", print):
    print("up", flush=True)
    time.sleep(600)
"""


def test_a_mirror_outlives_no_killed_runner(root: Path) -> None:
    place_run(root, "one", TRAIN[2:], ended=True)
    runner = subprocess.Popen([sys.executable, "-c", FOLLOWED, str(root)], stdout=subprocess.PIPE)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"up\n"
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            Mirror(root, TRACKERS["tensorboard"], "sweep").close()
        except ConfigError:
            time.sleep(0.2)
            continue
        if (root / "runs" / "mirror" / "tensorboard" / "one").exists():
            break
        time.sleep(0.2)
    assert [step for step, _ in scalars(root)["train/loss"]] == [10, 20, 30, 40]
