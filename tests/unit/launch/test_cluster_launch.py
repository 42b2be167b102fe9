"""A full run as a job of a cluster, with a script in torchrun's place: on a real Slurm node and on Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))  # the miniature sweep lies there
sys.path.insert(0, str(Path(__file__).parents[1] / "run"))  # and the cluster of one node there

from ray_home import set_home
from slurm_cluster import SlurmCluster, missing
from tiny_sweep import TinySweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.launch.full_settings import FullSettings
from dcpt.launch.node import over_processes, settings_of
from dcpt.run import slurm, store
from dcpt.run.choose import choose_executor
from dcpt.run.execute import execute
from dcpt.run.executor import ExecutorFactory, Place
from dcpt.run.ray_executor import RayExecutor
from dcpt.run.slurm_script import batch_script

SCRIPT = """
import json, os, pathlib, signal, sys, time
def say(**event): print(json.dumps(event), flush=True)
folder = pathlib.Path(sys.argv[1])
with open(folder / "metrics.jsonl", "a") as file: file.write('{"kind":"start","step":0}\\n')
starts = len((folder / "metrics.jsonl").read_text().splitlines())
plan = json.loads((folder.parent.parent / "plan.json").read_text()).get(folder.name, [])
word = plan[starts - 1] if starts <= len(plan) else "finish"
def stop(*_): say(event="stopped", run_id=folder.name); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
say(event="started", run_id=folder.name, step=0, steps=20, pid=os.getpid())
while word == "sleep": time.sleep(0.05)
if word == "raise": raise ValueError("rank 1 is out of luck")
if word == "abandon":
    say(event="failed", run_id=folder.name, reason="no such layer", retry=False)
    sys.exit(0)
(folder / "checkpoints" / "step-00000020").mkdir(parents=True, exist_ok=True)
record = {"schema_version": 1, "run_id": folder.name, "status": "finished"}
(folder / "record.json").write_text(json.dumps(record))
say(event="finished", run_id=folder.name)
"""

HOOK = """
import subprocess, sys
_Popen = subprocess.Popen
class Popen(_Popen):
    def __init__(self, command, *rest, **options):
        if "torch.distributed.run" in command:
            command = [sys.executable, "-S", {script!r}, command[command.index("full") + 1]]
        super().__init__(command, *rest, **options)
subprocess.Popen = Popen
"""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A base and its target, and a script that every torchrun of the cluster is replaced by."""
    monkeypatch.setattr(slurm, "QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(slurm, "SETTLE_SECONDS", 0.5)
    set_home(monkeypatch, tmp_path)
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "torchrun.py").write_text(SCRIPT)
    (hook / "sitecustomize.py").write_text(HOOK.format(script=str(hook / "torchrun.py")))
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(hook), before])))
    sweep = TinySweep(tmp_path / "a sweep")
    base = sweep.base()

    class Scene:
        root, specs = sweep.root, (base, sweep.trunk(base))

        def plan(self, *words: list[str]) -> None:
            plan = {spec.run_id: list(own) for spec, own in zip(self.specs, words, strict=True)}
            (self.root / "plan.json").write_text(json.dumps(plan))

        def run(self, made: ExecutorFactory, listen: Callable[[dict[str, Any]], None]) -> Any:
            made = over_processes(made, FullSettings(procs=2, device="cpu"))
            return execute(self.root, self.specs, {}, None, "cpu", listen, executor=made)

    return Scene()


@pytest.mark.skipif(bool(missing()), reason=missing() or "Slurm is there")
def test_jobs_on_slurm_are_tried_again_cancelled_and_gone_on_with(scene: Any, tmp_path: Path) -> None:
    base, target = [spec.run_id for spec in scene.specs]
    scene.plan(["raise"], ["sleep"])
    events: list[dict[str, Any]] = []

    def stop(event: dict[str, Any]) -> None:
        events.append(event)
        if (event["event"], event["run_id"]) == ("started", target):
            raise KeyboardInterrupt

    with SlurmCluster(tmp_path / "cluster"):
        slurm_here = choose_executor("slurm", ["time=30"])
        with pytest.raises(KeyboardInterrupt):
            scene.run(slurm_here, stop)
        (again,) = [event for event in events if event["event"] == "retry"]
        assert again["reason"] == "ValueError: rank 1 is out of luck"
        assert RunRecord.load(store.run_folder(scene.root, target)) is None
        queue = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True)
        assert queue.stdout == ""
        assert scene.run(slurm_here, events.append).finished == [base, target]
    scripts = [path.read_text() for path in sorted((scene.root / "slurm").glob("*/job.sh"))]
    assert len(scripts) == 4
    assert all("-m dcpt.launch.node " in text and "--cpus-per-task=2\n" in text for text in scripts)
    assert not list(scene.root.glob("runs/*/lease/*"))


def test_ray_holds_the_processes_of_a_run_in_one_actor(scene: Any) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra dcpt[ray])")
    base, target = [spec.run_id for spec in scene.specs]
    scene.plan([], ["sleep", "abandon"])
    ray_here = choose_executor("ray", ["address=local", "num_cpus=1"])
    events: list[dict[str, Any]] = []

    def stop(event: dict[str, Any]) -> None:
        events.append(event)
        if (event["event"], event["run_id"]) == ("started", target):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scene.run(ray_here, stop)
    # The lease is free again: what goes on with the run, here in another actor, need not wait for it.
    outcome = scene.run(ray_here, events.append)
    assert (outcome.finished, outcome.abandoned) == ([base], {target: "no such layer"})


def test_over_several_machines_it_is_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    seen: list[Place] = []
    settings = FullSettings(8, 2, "cuda", "bf16", micro_batch=4, recompute=True)
    over_processes(lambda place: seen.append(place), settings)(Place(tmp_path, None, "cuda", "bf16"))  # type: ignore[func-returns-value, arg-type]
    (place,) = seen
    assert settings_of(place) == settings
    text = batch_script("dcpt-x-000001", tmp_path, 1, place, {"gres": "gpu:8"})
    assert "#SBATCH --cpus-per-task=8\n" in text
    assert "#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=1\n#SBATCH --gres=gpu:8\n" in text
    command = " ".join(settings.across(tmp_path / "runs" / "n7b", "first:29400"))
    assert command.startswith("srun --nodes 2 --ntasks-per-node 1 --cpus-per-task 8 ")
    assert "--nnodes 2 --nproc-per-node 8 " in command
    assert "--rdzv-endpoint first:29400 -m dcpt.train full " in command
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "64")  # --option cpus-per-task=64
    assert "--cpus-per-task 64 " in " ".join(settings.across(tmp_path / "runs" / "n7b", "first:29400"))
    with pytest.raises(ConfigError, match="a run over 2 machines") as refused:
        RayExecutor(place)
    assert "--executor slurm" in str(refused.value)
