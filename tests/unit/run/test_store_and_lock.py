"""Run folders, and the locks that keep two runners, or a runner and old workers, apart."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))

from tiny_sweep import TinySweep

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_record import RunRecord
from dcpt.run import machine, store
from dcpt.run.lock import one_at_a_time, only_runner


def test_a_run_folder_from_waiting_to_finished(tmp_path: Path) -> None:
    spec = TinySweep(tmp_path).base()
    folder = store.write_spec(tmp_path, spec)
    assert folder == tmp_path / "runs" / spec.run_id
    assert store.read_spec(folder) == spec
    assert store.status(folder) == "waiting"
    rows = [{"kind": "start", "step": 0}, {"kind": "eval", "step": 10, "eval_set": "general", "value": 3.0}]
    files.append_lines(
        folder / "metrics.jsonl", [*rows, {"kind": "start", "step": 10}, rows[1] | {"value": 2.0}]
    )
    assert store.status(folder) == "started"
    assert store.count_starts(folder) == 2
    assert [row["value"] for row in store.read_metrics(folder)] == [2.0]  # the later row of a step counts
    assert not store.has_checkpoint(folder, 10)
    (folder / "checkpoints" / "step-00000010").mkdir(parents=True)
    assert store.has_checkpoint(folder, 10)
    store.remove_checkpoints(folder)
    assert not store.has_checkpoint(folder, 10)
    RunRecord(spec.run_id, "finished").save(folder)
    assert store.status(folder) == "finished"
    store.discard_record(folder)
    assert store.status(folder) == "started"


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    spec = TinySweep(tmp_path).base()
    folder = store.write_spec(tmp_path, spec)
    files.append_line(folder / "metrics.jsonl", {"kind": "eval"})
    with pytest.raises(DataError, match=r"metrics.jsonl line 1: an eval row has no step"):
        store.read_metrics(folder)
    (folder / "metrics.jsonl").write_text("what\n")
    assert store.count_starts(folder) == 0
    (folder / "record.json").write_text('{"schema_version": 1, "run_id": "x", "status": "lost"}')
    with pytest.raises(DataError, match=r"record.json.status: got 'lost'; wanted one of finished"):
        store.status(folder)
    other = {"schema_version": 1, **files.read_json(folder / "spec.json", "a spec", 1), "seed": 99}
    files.write_json(folder / "spec.json", other)
    with pytest.raises(DataError, match=f"is not the spec of run {spec.run_id}; it was changed by hand"):
        store.write_spec(tmp_path, spec)
    files.write_json(folder / "spec.json", {**other, "extra": 1})
    with pytest.raises(DataError, match=r"spec.json: unknown field 'extra'"):
        store.read_spec(folder)


def test_one_runner_per_folder(tmp_path: Path) -> None:
    with only_runner(tmp_path / "new"):
        refused = pytest.raises(ConfigError, match=rf"another dcpt process \(pid {os.getpid()}\)")
        with refused, only_runner(tmp_path / "new"):
            pass
        with only_runner(tmp_path / "other"):
            pass
    with only_runner(tmp_path / "new"):
        pass


def test_a_worker_that_outlives_its_runner_keeps_the_next_one_out(tmp_path: Path) -> None:
    with only_runner(tmp_path) as hold:
        worker = subprocess.Popen(["sleep", "600"], pass_fds=(hold,))
    try:
        refused = pytest.raises(ConfigError, match="a worker of an earlier dcpt process is still at work")
        with refused, only_runner(tmp_path, leave_seconds=0.0):
            pass
        threading.Timer(0.3, worker.kill).start()
        with only_runner(tmp_path, leave_seconds=60.0):
            assert worker.wait(60.0) != 0
    finally:
        worker.kill()
        worker.wait()


def test_an_error_inside_the_lock_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), only_runner(tmp_path):
        raise BrokenPipeError
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be locked"), only_runner(tmp_path / "file"):
        pass


def test_builders_wait_for_one_another(tmp_path: Path) -> None:
    order: list[str] = []
    inside, over = threading.Event(), threading.Event()

    def build() -> None:
        inside.set()
        with one_at_a_time(tmp_path / "a" / "lock"):
            order.append("second")
        over.set()

    with one_at_a_time(tmp_path / "a" / "lock"):
        thread = threading.Thread(target=build)
        thread.start()
        inside.wait(60)
        order.append("first")
    assert over.wait(60)
    thread.join(60)
    assert order == ["first", "second"]
    (tmp_path / "file").touch()
    with one_at_a_time(tmp_path / "file" / "lock"):
        pass  # where nothing can be written, nothing is guarded


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("", ()),
        ("-1", ()),
        ("0", ("0",)),
        ("2, 3", ("2", "3")),
        ("GPU-8a,1", ("GPU-8a", "1")),
        ("1,-1,2", ("1",)),
    ],
)
def test_gpus_keep_the_names_they_were_given(
    monkeypatch: pytest.MonkeyPatch, visible: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.visible_gpus() == names
    assert machine.count_gpus() == len(names)
    assert machine.count_cores() >= 1


def test_equal_specs_are_one_run(tmp_path: Path) -> None:
    spec = TinySweep(tmp_path).base()
    assert store.write_spec(tmp_path, spec) == store.write_spec(tmp_path, replace(spec))
    assert len(list((tmp_path / "runs").iterdir())) == 1
