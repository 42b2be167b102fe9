"""The Ray executor on a real cluster of this machine, with a trainer that is a small script."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "train"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from ray_home import set_home
from scripted_trainer import script_everywhere, script_here
from tiny_sweep import TinySweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.run import store
from dcpt.run.execute import execute
from dcpt.run.executor import Place
from dcpt.run.ray_executor import RayExecutor

ray = pytest.importorskip("ray", reason="Ray is not installed (the extra dcpt[ray])")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray on loopback with two CPUs and a GPU in name only, shut down afterwards."""
    script_everywhere(tmp_path / "hook", monkeypatch)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    set_home(monkeypatch, tmp_path)
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=1,
        object_store_memory=80 * 1024 * 1024,
        include_dashboard=False,
        log_to_driver=False,
    )
    yield
    ray.shutdown()


def test_a_graph_on_fractions_of_a_gpu_with_deaths_and_a_stop(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parents first, a worker and then an actor killed, Ctrl-C: one cluster, it takes seconds to start."""
    sweep = TinySweep(tmp_path / "sweep")
    base = sweep.base()
    specs = [base, sweep.trunk(base), sweep.trunk(base, r=0.5), sweep.trunk(base, r=0.75)]
    names = [spec.run_id for spec in specs]
    events: list[dict[str, Any]] = []
    (sweep.root / "plan.json").write_text(
        json.dumps({names[0]: ["kill"], names[1]: ["sleep"], names[2]: ["sleep", "sleep"]})
    )
    quarter = partial(RayExecutor, options={"num_gpus": "0.25", "num_cpus": "0.5"})
    assert quarter(Place(sweep.root)).room == 4
    assert quarter(Place(sweep.root, device="cpu")).room == 4

    killed: list[int] = []

    def listen(event: dict[str, Any]) -> None:
        events.append(event)
        told = [(one["event"], one.get("run_id")) for one in events]
        starts = [told.count(("started", name)) for name in names[1:3]]
        if starts == [1, 1] and not killed:  # both are asleep: their actors die
            for hold in (sweep.root / "runs" / "holds").glob("*.lock"):
                pid = int(hold.name.split("-")[1])
                if pid != os.getpid():
                    os.kill(pid, 9)
                    killed.append(pid)
        if ("finished", names[1]) in told and starts[1] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(sweep.root, specs, {}, None, "auto", listen, executor=quarter)
    retries = [event for event in events if event["event"] == "retry"]
    assert retries[0]["run_id"] == names[0]
    assert "SIGKILL" in retries[0]["reason"]
    # The third trunk's actor may have died with them, at its run or idle.
    assert {event["run_id"] for event in retries[1:]} >= set(names[1:3])
    assert all("actor died" in event["reason"] for event in retries[1:])
    assert RunRecord.load(store.run_folder(sweep.root, names[2])) is None
    # No lease outlives the actors: the next command, here without Ray, goes on at once.
    script_here(tmp_path / "hook", monkeypatch)
    outcome = execute(sweep.root, specs, {}, 2, "cpu")
    assert sorted(outcome.finished) == sorted(names)


def test_options_are_checked_before_ray_is_asked(tmp_path: Path) -> None:
    for wrong in ({"gpus": "1"}, {"num_gpus": "half"}, {"num_cpus": "-1"}):
        with pytest.raises(ConfigError, match="ray option"):
            RayExecutor(Place(tmp_path), wrong)


def test_nobody_at_the_address_is_said_at_once(tmp_path: Path) -> None:
    """Ray alone tries for minutes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ConfigError, match=f"no cluster at {address}: .*refused") as refused:
            RayExecutor(Place(tmp_path), {"address": address})
    assert time.monotonic() - began < 5
    assert "ray start --head" in str(refused.value)
    assert not ray.is_initialized()
