"""``dcpt launch`` as jobs of a cluster and beside a tracker, up to where the runs begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the runner is called with; then Ctrl-C."""
    given: list[dict[str, Any]] = []

    def execute(root: Path, specs: Any, work: Any, slots: Any, *options: Any, **more: Any) -> Any:
        given.append({"specs": specs, "slots": slots, **more})
        raise KeyboardInterrupt

    monkeypatch.setattr("dcpt.launch.launch.execute", execute)
    return given


@pytest.fixture
def words(fits: Path, sweep: Path, call: Callable[..., Any]) -> list[str]:
    planned = call("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep", "general <= +20%")
    assert planned.code == 0, planned.err
    return ["launch", "fits/mine", "--sweep", "experiments/mine", "--yes"]


def test_a_launch_is_handed_to_a_cluster(
    words: list[str],
    handed_on: list[dict[str, Any]],
    call: Callable[..., Any],
    sweep: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dcpt.launch.node import FULL_NODE
    from dcpt.run.executor import Place
    from dcpt.run.slurm import SlurmExecutor

    slurm = ["--executor", "slurm", "--option", "partition=gpu"]
    one = call(*words, *slurm, "--mirror", "tensorboard")
    assert one.code == 130, one.err
    assert "Slurm jobs are cancelled" in one.err
    assert "the same command goes on" in one.err
    assert (sweep / "runs" / "mirror" / "tensorboard.lock").exists()
    assert handed_on[0]["executor"].func is SlurmExecutor
    assert [run.kind for run in handed_on[0]["specs"]] == ["base", "run"]
    # Over machines it is one job; without a cluster its commands are printed.
    wide = [*words, "--nodes", "2", "--procs", "8"]
    assert call(*wide, *slurm).code == 130
    made: list[Place] = []
    monkeypatch.setattr(SlurmExecutor, "__init__", lambda own, place, options: made.append(place))
    handed_on[1]["executor"](Place(sweep))
    assert [(place.procs, place.nodes, place.node) for place in made] == [(8, 2, FULL_NODE)]
    printed = call(*wide)
    assert (printed.code, "srun --nodes 2" in printed.out) == (0, True)
    assert len(handed_on) == 2
    assert call(*words).code == 130
    assert handed_on[2]["executor"] is None


def test_an_option_without_an_executor_is_refused(words: list[str], call: Callable[..., Any]) -> None:
    answer = call(*words, "--option", "partition=gpu")
    assert answer.code == 2
    assert "the local executor has none" in answer.err
