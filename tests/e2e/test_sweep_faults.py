"""A sweep under faults: whatever is killed, interrupted or full, the same command ends at the same losses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from faults import fault, start_command, strike
from tiny_text import BATCH, STEP, tiny_document, write_sweep

from dcpt.cli.main import main
from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.run_record import RunRecord
from dcpt.run import local, store
from dcpt.run.execute import execute
from dcpt.run.lock import only_runner
from dcpt.sweep.collect import collect
from dcpt.sweep.expand import target_run
from dcpt.sweep.prepare import Sweep, prepare
from dcpt.sweep.run_sweep import run_sweep

PATIENCE = 120.0
WORKER_RUN = "r0.25-s0-trunk"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep folder with its corpora built and nothing trained."""
    folder = write_sweep(tmp_path_factory.mktemp("tiny") / "sweep")
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sweep, run without any interruption; tests copy it and leave it as it is."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    shutil.copytree(prepared, folder)
    run_sweep(prepare(folder), slots=1, device="cpu")
    return folder


def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(folder, tmp_path / "sweep"))


def half(whole: Path, tmp_path: Path) -> Path:
    """A copy that lacks the runs at r = 0.25: its base and the runs at r = 0.8 are finished."""
    folder = copy(whole, tmp_path)
    for run in (folder / "runs").glob("small-r0.25-*"):
        shutil.rmtree(run)
    (folder / "losses.csv").unlink()
    return folder


def command(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """The exit code of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["dcpt", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def by_end(sweep: Sweep, part: str) -> str:
    """The run id that holds this part."""
    (name,) = [run.run_id for run in sweep.design.runs if part in run.run_id]
    return name


def losses(folder: Path) -> pd.DataFrame:
    return LossTable.read(folder / "losses.csv").frame


def assert_as_if_nothing_had_happened(folder: Path, whole: Path) -> None:
    """The loss tables are equal to the last bit, and so are the bytes of their files."""
    pd.testing.assert_frame_equal(losses(folder), losses(whole), check_exact=True)
    assert (folder / "losses.csv").read_bytes() == (whole / "losses.csv").read_bytes()


def assert_only_the_finished_runs(folder: Path) -> None:
    """A command that did not come to its end has written the losses of the runs that had."""
    written = set(losses(folder)["run_id"])
    assert len(written) == 4
    assert not any(name.startswith("small-r0.25") for name in written)


def test_what_a_whole_sweep_holds(whole: Path) -> None:
    """Base rows at D = 0, an end per branch, and the domain share that was asked for."""
    sweep = prepare(whole)
    frame = losses(whole)
    base = frame[frame["phase"] == "base"]
    assert set(base["eval_set"]) == {"general", "domain"}
    assert (base["D"] == 0).all()
    assert (base["r"] == 0).all()
    assert (base["tokens"] == 40 * STEP).all()
    ends = frame[(frame["phase"] == "end") & (frame["metric"] == "loss")]
    assert sorted(ends[ends["eval_set"] == "domain"]["D"]) == [20 * STEP] * 2 + [30 * STEP] * 2
    trained = frame[frame["D"] > 0]
    sequences = trained["step"] * BATCH
    assert ((trained["r_seen"] - trained["r"]).abs() * sequences <= 0.5 + 1e-9).all()
    for run in sweep.design.runs:
        record = RunRecord.load(store.run_folder(whole, run.run_id))
        assert (record.status, record.attempts, record.N) == ("finished", 1, sweep.design.rungs["small"].N)


def test_a_finished_sweep_starts_no_worker(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(local, "Worker", refuse)
    events: list[dict[str, Any]] = []
    before = (whole / "losses.csv").read_bytes()
    result = run_sweep(prepare(whole), slots=1, device="cpu", listen=events.append)
    assert events == []
    assert len(result.outcome.finished) == 7
    assert (whole / "losses.csv").read_bytes() == before


def test_a_branch_is_the_run_it_shares_its_trunk_of(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An independent run of the whole schedule from the base ends at the same losses, bit for bit."""
    folder = copy(whole, tmp_path)
    sweep = prepare(folder)
    alone = target_run(sweep.design, sweep.spec, "small", 0.8, 30 * STEP)
    assert alone.kind == "run"
    base = next(run for run in sweep.design.runs if run.kind == "base")
    assert execute(folder, [base, alone], {}, 1, "cpu").finished == [base.run_id, alone.run_id]
    wanted = losses(whole)
    branch = wanted[wanted["run_id"] == by_end(sweep, "r0.8-s0-d1.92k")]
    branch_end = branch[branch["phase"] == "end"].drop(columns="run_id").reset_index(drop=True)
    own = collect(folder, [base, alone]).frame
    own_end = own[own["phase"] == "end"].drop(columns="run_id").reset_index(drop=True)
    assert len(own_end) == 4
    pd.testing.assert_frame_equal(own_end, branch_end, check_exact=True)


def test_a_killed_worker_is_replaced(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 in mid-run: the run goes on in another worker from its last checkpoint."""
    folder = half(whole, tmp_path)
    mark = strike(monkeypatch, fault(tmp_path / "fault", "kill-worker", f"{WORKER_RUN}.*/step-00000020$"))
    events: list[dict[str, Any]] = []
    sweep = prepare(folder)
    result = run_sweep(sweep, slots=1, device="cpu", listen=events.append)
    assert mark.exists()
    name = by_end(sweep, WORKER_RUN)
    (again,) = [event for event in events if event["event"] == "retry"]
    assert again["run_id"] == name
    assert "SIGKILL" in again["reason"]
    starts = [event["step"] for event in events if event["event"] == "started" and event["run_id"] == name]
    assert starts == [0, 16]
    record = RunRecord.load(store.run_folder(folder, name))
    assert (record.status, record.attempts, record.reason) == ("finished", 2, "")
    assert len(result.outcome.finished) == 7
    assert_as_if_nothing_had_happened(folder, whole)


def test_a_killed_supervisor(whole: Path, tmp_path: Path) -> None:
    """kill -9 of the command: its worker leaves by itself, and the command goes on where it was."""
    folder = half(whole, tmp_path)
    environment = fault(tmp_path / "fault", "kill-parent", f"{WORKER_RUN}.*/step-00000010$")
    process = start_command(folder, environment)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    worker = int(Path(environment["DCPT_FAULT_MARK"]).read_text())
    sweep = prepare(folder)
    # The rerun does not wait for the worker to be gone: the lock that it inherited makes it wait.
    run_sweep(sweep, slots=1, device="cpu")
    assert not Path(f"/proc/{worker}").exists()
    assert_as_if_nothing_had_happened(folder, whole)
    assert RunRecord.load(store.run_folder(folder, by_end(sweep, WORKER_RUN))).attempts == 2


def test_ctrl_c(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT: exit 130, the finished runs are in losses.csv, and the command goes on where it was."""
    folder = half(whole, tmp_path)
    process = start_command(
        folder, fault(tmp_path / "fault", "interrupt-parent", f"{WORKER_RUN}.*/step-00000010$")
    )
    talk = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130, talk
    assert "the same command goes on" in talk
    assert "Traceback" not in talk
    assert_only_the_finished_runs(folder)
    with only_runner(folder, leave_seconds=0):
        pass  # no worker is left
    assert command(monkeypatch, "sweep", "run", folder, "--slots", "1", "--device", "cpu") == 0
    assert_as_if_nothing_had_happened(folder, whole)


def test_a_full_disk(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A write that is refused for want of space stops the sweep; with space it goes on."""
    folder = half(whole, tmp_path)
    mark = strike(monkeypatch, fault(tmp_path / "fault", "full", f"{WORKER_RUN}.*/step-00000020$"))
    mark.touch()
    words = ("sweep", "run", folder, "--slots", "1", "--device", "cpu")
    assert command(monkeypatch, *words) == DataError.exit_code
    said = capsys.readouterr().err
    assert "the disk is full" in said
    assert "hint: free some space" in said
    assert_only_the_finished_runs(folder)
    mark.unlink()
    assert command(monkeypatch, *words) == 0
    assert_as_if_nothing_had_happened(folder, whole)


def test_a_run_that_diverges_is_abandoned_and_the_others_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tiny_document()
    document["model"]["sizes"].append({"name": "wild", "hidden": 24, "layers": 1, "inner": 32, "rate": 1e33})
    document["cpt"]["ratios"] = [0.5]
    document["cpt"]["budgets"] = [20 * STEP]
    folder = write_sweep(tmp_path / "sweep", **document)
    assert command(monkeypatch, "sweep", "run", folder, "--slots", "1", "--device", "cpu") == 7
    said = capsys.readouterr()
    assert "3 of 6 runs did not finish" in said.err
    sweep = prepare(folder)
    base = by_end(sweep, "wild-base")
    record = RunRecord.load(store.run_folder(folder, base))
    assert (record.status, record.attempts) == ("abandoned", 1)
    assert record.reason.startswith("diverged: ")
    frame = losses(folder)
    assert set(frame["N"]) == {sweep.design.rungs["small"].N}
    assert set(frame["phase"]) == {"base", "trunk", "end"}

    # The same command tries nothing again: the same spec diverges again.
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(local, "Worker", refuse)
    result = run_sweep(sweep, slots=1, device="cpu")
    assert list(result.outcome.abandoned) == [base]
    assert len(result.outcome.failed) == 2
    assert all(reason.startswith(f"waits for {base}") for reason in result.outcome.failed.values())


def test_a_damaged_journal_is_named(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy(whole, tmp_path)
    sweep = prepare(folder)
    journal = store.run_folder(folder, by_end(sweep, "r0.8-s0-d1.28k")) / "metrics.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b'{"kind": "eval", "st\n', *lines[2:]]))
    assert command(monkeypatch, "sweep", "run", folder, "--device", "cpu") == 3
    said = capsys.readouterr().err
    assert f"{journal} line 2: got b'" in said
    assert "wanted a JSON object" in said
    # A whole file that lacks the end of a finished run is found out too.
    journal.write_bytes(b"".join(line for line in lines if json.loads(line).get("phase") != "end"))
    assert command(monkeypatch, "sweep", "run", folder, "--device", "cpu") == 3
    assert "the evaluation of step 20 is missing" in capsys.readouterr().err


def test_a_second_runner_is_refused(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy(whole, tmp_path)
    with only_runner(folder):
        assert command(monkeypatch, "sweep", "run", folder, "--device", "cpu") == 2
    assert f"another dcpt process (pid {os.getpid()}) is running this sweep" in capsys.readouterr().err
    assert command(monkeypatch, "sweep", "run", folder, "--device", "cpu") == 0


def test_deleted_checkpoints_are_made_again(whole: Path, tmp_path: Path) -> None:
    """A branch whose trunk's and base's checkpoints were deleted brings both back, with the same losses."""
    folder = copy(whole, tmp_path)
    sweep = prepare(folder)
    for part in ("base", "r0.8-s0-trunk"):
        store.remove_checkpoints(store.run_folder(folder, by_end(sweep, part)))
    shutil.rmtree(store.run_folder(folder, by_end(sweep, "r0.8-s0-d1.28k")))
    events: list[dict[str, Any]] = []
    run_sweep(sweep, slots=1, device="cpu", listen=events.append)
    started = [event["run_id"] for event in events if event["event"] == "started"]
    assert started == [by_end(sweep, part) for part in ("base", "r0.8-s0-trunk", "r0.8-s0-d1.28k")]
    assert_as_if_nothing_had_happened(folder, whole)
