"""The supervisor, with workers that are small scripts: deaths, retries, reasons, order."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from scripted_trainer import script_here
from tiny_sweep import TinySweep

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.run import conductor, lease, local, store
from dcpt.run.conductor import MAX_ATTEMPTS, Listener, Outcome
from dcpt.run.execute import execute
from dcpt.run.lease import LeaseOffice
from dcpt.run.stop_signals import stopping_like_ctrl_c


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A base and two runs from it; call it with the workers' plan to execute them."""
    sweep = TinySweep(tmp_path)
    base = sweep.base()
    trunk = sweep.trunk(base)
    specs = [base, trunk, sweep.branch(trunk)]
    hired = script_here(tmp_path, monkeypatch)

    class Scene:
        root, base, trunk, branch = tmp_path, *specs
        events: list[dict[str, Any]]

        def run(
            self,
            plan: dict[str, list[str]],
            only: list[RunSpec] | None = None,
            listen: Listener = lambda event: None,
        ) -> Outcome:
            (tmp_path / "plan.json").write_text(json.dumps(plan))
            hired.clear()
            self.events = []

            def hear(event: dict[str, Any]) -> None:
                self.events.append(event)
                listen(event)

            return execute(tmp_path, only or specs[:2], {}, 1, "cpu", hear)

        def record(self, spec: RunSpec) -> RunRecord:
            record = RunRecord.load(store.run_folder(tmp_path, spec.run_id))
            assert record is not None
            return record

        @property
        def hired(self) -> int:
            return len(hired)

    return Scene()


def test_parents_first_and_one_worker_for_all(scene: Any) -> None:
    outcome = scene.run({})
    assert outcome.finished == [scene.base.run_id, scene.trunk.run_id]
    assert scene.hired == 1
    assert scene.run({}).finished == outcome.finished
    assert scene.hired == 0


def test_a_dead_worker_is_replaced_and_its_run_tried_again(scene: Any) -> None:
    outcome = scene.run({scene.base.run_id: ["kill", "raise"]})
    assert len(outcome.finished) == 2
    assert scene.hired == 3
    reasons = [event["reason"] for event in scene.events if event["event"] == "retry"]
    assert reasons[0].startswith("the worker was killed by SIGKILL (by someone, or by the system when memory")
    # The last words are those of this worker, not of one before it in the same log.
    assert reasons[1] == "the worker died (exit 1): out of luck"
    assert "out of luck" not in reasons[0]


def test_old_words_in_a_log_are_no_reason(scene: Any) -> None:
    log = scene.root / "runs" / "logs" / "worker-0.log"
    log.parent.mkdir(parents=True)
    log.write_text("something from last week\n")
    scene.run({scene.base.run_id: ["kill"]})
    (again,) = [event for event in scene.events if event["event"] == "retry"]
    assert "last week" not in again["reason"]


def test_a_run_is_left_after_so_many_attempts(scene: Any) -> None:
    outcome = scene.run({scene.base.run_id: ["fail:no luck"] * 9})
    assert outcome.failed == {
        scene.base.run_id: "no luck",
        scene.trunk.run_id: f"waits for {scene.base.run_id}, which did not finish",
    }
    record = scene.record(scene.base)
    assert (record.status, record.reason, record.attempts) == ("failed", "no luck", MAX_ATTEMPTS)
    # The next command tries it again, and the attempts of both are counted.
    outcome = scene.run({scene.base.run_id: ["fail:no luck"] * 9})
    assert scene.record(scene.base).attempts == 2 * MAX_ATTEMPTS
    assert len(scene.run({}).finished) == 2


def test_a_worker_that_dies_after_its_last_word_has_finished(scene: Any) -> None:
    for word in ("kill-after-record", "finish-and-die"):
        for name in ("record.json", "metrics.jsonl"):
            for spec in (scene.base, scene.trunk):
                (store.run_folder(scene.root, spec.run_id) / name).unlink(missing_ok=True)
        outcome = scene.run({scene.base.run_id: [word]})
        assert (outcome.finished, outcome.failed) == ([scene.base.run_id, scene.trunk.run_id], {})
        # The next run may be given to it in the moment before it is gone: that one loses no attempt.
        assert not [event for event in scene.events if event["event"] == "retry"]


def test_a_worker_that_died_idle_costs_no_attempt(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is replaced before, or at the latest when, it is given a run."""
    executors: list[Any] = []
    conductors: list[Any] = []
    for step in ("before", "at"):
        for spec in (scene.base, scene.trunk):
            (store.run_folder(scene.root, spec.run_id) / "record.json").unlink(missing_ok=True)

        def kill(event: dict[str, Any], step: str = step) -> None:
            scene.events.append(event)
            if event == {"event": "finished", "run_id": scene.base.run_id}:
                (worker,) = executors[-1].workers
                worker.process.kill()
                os.waitid(os.P_PID, worker.process.pid, os.WEXITED | os.WNOWAIT)
                if step == "at":  # nobody has noticed yet
                    monkeypatch.setattr(worker.process, "poll", lambda: None)

        with monkeypatch.context() as patch:
            for kind, made in ((local.LocalExecutor, executors), (conductor.Conductor, conductors)):

                def remember(self: Any, *arguments: Any, init: Any = kind.__init__, made: Any = made) -> None:
                    made.append(self)
                    init(self, *arguments)

                patch.setattr(kind, "__init__", remember)
            (scene.root / "plan.json").write_text("{}")
            scene.events, before = [], scene.hired
            outcome = execute(scene.root, [scene.base, scene.trunk], {}, 1, "cpu", kill)
        assert len(outcome.finished) == 2
        assert conductors[-1].attempts == {scene.base.run_id: 1, scene.trunk.run_id: 1}
        assert scene.hired - before == 2
        assert not [event for event in scene.events if event["event"] == "retry"]


def test_a_run_that_diverged_is_not_tried_again_and_others_are(scene: Any) -> None:
    outcome = scene.run({scene.base.run_id: ["abandon:diverged: the loss is nan"]})
    assert list(outcome.abandoned) == [scene.base.run_id]
    assert list(scene.run({}).abandoned) == [scene.base.run_id]
    assert scene.hired == 0
    store.discard_record(store.run_folder(scene.root, scene.base.run_id))
    scene.run({scene.base.run_id: ["finish", "abandon:the corpus was rebuilt"]})
    assert scene.record(scene.base).status == "abandoned"
    assert len(scene.run({}).finished) == 2  # the corpus is back


def test_the_cause_is_named_down_the_line(scene: Any) -> None:
    specs = [scene.branch, scene.trunk, scene.base]  # in any order
    outcome = scene.run({scene.base.run_id: ["abandon:diverged: x"]}, specs)
    wanted = f"waits for {scene.base.run_id}, which did not finish"
    assert outcome.failed == {scene.trunk.run_id: wanted, scene.branch.run_id: wanted}


def test_a_full_disk_stops_everything(scene: Any) -> None:
    with pytest.raises(DataError, match="the disk is full") as refused:
        scene.run({scene.base.run_id: ["fail:disk full"]})
    assert "run the same command again" in str(refused.value)
    assert RunRecord.load(store.run_folder(scene.root, scene.base.run_id)) is None


def test_a_damaged_record_is_named(scene: Any) -> None:
    folder = store.write_spec(scene.root, scene.base)
    files.write_text(folder / "record.json", "{")
    with pytest.raises(DataError, match=r"record.json: is not valid JSON"):
        scene.run({})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_like_ctrl_c(number: signal.Signals) -> None:
    old = signal.signal(number, signal.SIG_DFL)  # whatever the tests were started under
    try:
        with pytest.raises(KeyboardInterrupt), stopping_like_ctrl_c():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN)
        with stopping_like_ctrl_c():
            os.kill(os.getpid(), number)  # as under nohup
    finally:
        signal.signal(number, old)


def test_a_run_that_somebody_else_holds_is_left_to_them(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runners on one disk: one waits, and takes what the other has finished as finished."""
    monkeypatch.setattr(conductor, "REFUSED_SECONDS", 0.2)
    folder = store.write_spec(scene.root, scene.base)
    elsewhere = LeaseOffice(scene.root)
    held = elsewhere.take(folder)
    assert held is not None

    def finish() -> None:
        (folder / "checkpoints" / "step-00000020").mkdir(parents=True)
        RunRecord(scene.base.run_id, "finished").save(folder)
        held.release(over=True)

    threading.Timer(1.0, finish).start()
    outcome = scene.run({})
    assert outcome.finished == [scene.base.run_id, scene.trunk.run_id]
    started = [event["run_id"] for event in scene.events if event["event"] == "started"]
    assert started == [scene.trunk.run_id]
    elsewhere.close()


def test_a_worker_whose_run_was_taken_over_is_killed(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept too long: the run is somebody else's, and its worker must not write on."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.0)
    folder = store.write_spec(scene.root, scene.base)

    def take_over(event: dict[str, Any]) -> None:
        if event["event"] == "started" and event["run_id"] == scene.base.run_id and scene.hired == 1:
            (folder / "lease" / "000002").write_text('{"schema_version": 1, "released": true}')

    plan = {scene.base.run_id: ["sleep"]}
    assert len(scene.run(plan, listen=take_over).finished) == 2
    (again,) = [event for event in scene.events if event["event"] == "retry"]
    assert "SIGKILL" in again["reason"]
