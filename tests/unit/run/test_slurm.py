"""The Slurm executor on a real cluster of one node, with a trainer that is a small script."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from scripted_trainer import script_everywhere
from slurm_cluster import SlurmCluster, missing
from tiny_sweep import TinySweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.run import slurm, store
from dcpt.run.conductor import Outcome
from dcpt.run.execute import execute
from dcpt.run.executor import Place
from dcpt.run.slurm import SlurmExecutor
from dcpt.run.slurm_script import batch_script

needs_slurm = pytest.mark.skipif(bool(missing()), reason=missing() or "Slurm is there")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A cluster for all tests of this file."""
    with SlurmCluster(tmp_path_factory.mktemp("slurm") / "cluster") as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: SlurmCluster) -> Any:
    """A base and two runs from it, in a folder whose name needs quoting."""
    monkeypatch.setattr(slurm, "QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(slurm, "SETTLE_SECONDS", 0.5)
    script_everywhere(tmp_path / "hook", monkeypatch)
    sweep = TinySweep(tmp_path / "a sweep")
    base = sweep.base()

    class Scene:
        root = sweep.root
        specs = (base, sweep.trunk(base), sweep.trunk(base, r=0.5))
        events: list[dict[str, Any]]

        def plan(self, plan: dict[str, list[str]]) -> None:
            (self.root / "plan.json").write_text(json.dumps(plan))
            for spec in self.specs:
                store.write_spec(self.root, spec)

        def run(self, plan: dict[str, list[str]], slots: int | None = None) -> Outcome:
            self.plan(plan)
            self.events = []
            return execute(
                self.root, self.specs, {}, slots, "cpu", self.events.append, executor=SlurmExecutor
            )

    return Scene()


def queue(what: str = "%T") -> list[str]:
    command = ["squeue", "--noheader", "--array", f"--format={what}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def wait_for(what: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


@needs_slurm
def test_parents_first_and_what_is_ready_as_one_array(scene: Any) -> None:
    base, *trunks = [spec.run_id for spec in scene.specs]
    # The first start of the base is killed with its worker: it is tried again, in a task of its own.
    outcome = scene.run({base: ["kill"]})
    assert outcome.finished[0] == base
    assert sorted(outcome.finished[1:]) == sorted(trunks)
    (again,) = [event for event in scene.events if event["event"] == "retry"]
    assert "SIGKILL" in again["reason"]
    batches = sorted((scene.root / "slurm").iterdir())
    runs = [(batch / "runs.txt").read_text().split() for batch in batches]
    assert [sorted(names) for names in runs] == [[base], [base], sorted(trunks)]
    text = (batches[-1] / "job.sh").read_text()
    assert "#SBATCH --array=0-1\n" in text
    assert "#SBATCH --requeue\n#SBATCH --cpus-per-task=1\n#SBATCH --signal=B:USR1@120\n" in text
    # A task lets go of its leases after it has said how its runs ended.
    wait_for(lambda: not list(scene.root.glob("runs/*/lease/*")))
    wait_for(lambda: not list((scene.root / "runs" / "holds").glob("*.lock")))


@needs_slurm
def test_a_task_that_slurm_ends_is_tried_again(scene: Any) -> None:
    base = scene.specs[0].run_id
    scene.plan({base: ["sleep"]})

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "started" and event["run_id"] == base and "RUNNING" in queue():
            subprocess.run(["scancel", "--state=RUNNING", *queue("%A")], check=True)

    events: list[dict[str, Any]] = []

    def listen(event: dict[str, Any]) -> None:
        events.append(event)
        if [one["event"] for one in events if one.get("run_id") == base] == ["started"]:
            kill(event)

    outcome = execute(scene.root, scene.specs[:1], {}, None, "cpu", listen, executor=SlurmExecutor)
    assert outcome.finished == [base]
    (again,) = [event for event in events if event["event"] == "retry"]
    assert again["reason"].startswith("Slurm ended task 0 of batch 1")


@needs_slurm
def test_the_next_runner_takes_over_what_slurm_still_has_and_cancels_it(scene: Any) -> None:
    base = scene.specs[0].run_id
    scene.plan({base: ["sleep", "finish"]})
    first = SlurmExecutor(Place(scene.root, device="cpu"))
    assert first.submit([base])
    wait_for(lambda: "started" in [event["event"] for event in first.poll(0.2)])
    # The runner dies here; the job does not.
    second = SlurmExecutor(Place(scene.root, device="cpu"))
    assert list(second.under_way()) == [base]
    assert second.room > 1000
    job = subprocess.run(
        ["squeue", "--noheader", "--format=%A"], capture_output=True, text=True
    ).stdout.strip()
    # The time limit comes near: the worker saves, and Slurm queues the task again.
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
    wait_for(lambda: queue() == ["PENDING"])
    second.cancel(30.0)
    wait_for(lambda: not queue())
    assert RunRecord.load(store.run_folder(scene.root, base)) is None
    assert scene.run({}).finished[0] == base


@needs_slurm
def test_what_slurm_refuses_is_said_in_its_words(scene: Any) -> None:
    scene.plan({})
    refused = partial(SlurmExecutor, options={"partition": "none"})
    with pytest.raises(ConfigError, match=r"sbatch refused .*invalid partition"):
        execute(scene.root, scene.specs, {}, None, "cpu", executor=refused)
    assert not list((scene.root / "slurm").iterdir())


def test_the_script_takes_options_of_sbatch_and_no_others(tmp_path: Path) -> None:
    place = Place(tmp_path, device="cuda", options=["--pack", "4"])
    setup = tmp_path / "modules.sh"
    setup.touch()
    options = {"time": "2:00:00", "gres": "gpu:1", "cpus-per-task": "4", "setup": str(setup)}
    text = batch_script("dcpt-x-000001", tmp_path / "slurm" / "000001", 7, place, options)
    assert "#SBATCH --array=0-6\n" in text
    assert "#SBATCH --time=2:00:00\n#SBATCH --gres=gpu:1\n" in text
    assert "--cpus-per-task=4" in text
    assert f"source {setup}\n" in text
    assert "--device cuda --precision fp32 --trainer '--pack 4' &" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    for wrong in ({"array": "0-3"}, {"Time": "1"}, {"time": "1\nrm -rf /"}, {"setup": "/nowhere"}):
        with pytest.raises(ConfigError, match="slurm option"):
            batch_script("x", tmp_path, 1, place, wrong)
