"""Mirrors from the command line: a finished sweep shown later, one shown while it runs, and mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcpt.core import files
from dcpt.run.sinks.sink import Tracker

ROWS = [{"kind": "train", "step": step, "loss": 4 - step / 100} for step in (10, 20)]


@pytest.fixture
def launched(tmp_path: Path) -> Path:
    """The folder of a launch with one finished run."""
    folder = tmp_path / "launch" / "runs" / "target"
    files.write_json(folder / "spec.json", {"schema_version": 1, "size": "n1m"})
    files.append_lines(folder / "metrics.jsonl", ROWS)
    (folder / "record.json").write_text("{}")
    return tmp_path / "launch"


def test_what_the_tracker_has_not_is_added_once(call: Callable[..., Any], launched: Path) -> None:
    first = call("sweep", "mirror", str(launched), "--to", "tensorboard", "--json")
    assert first.document["steps"] == {"tensorboard": 2}
    assert Path(first.document["folders"]["tensorboard"], "target").is_dir()
    again = call("sweep", "mirror", str(launched), "--to", "tensorboard")
    assert again.out.endswith("runs/mirror/tensorboard: 0 steps more\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "mlflow"), 2, "'mlflow' is not known; wanted some of tensorboard, wandb, trackio"),
        (("--to", "none"), 2, "names no tracker"),
    ],
)
def test_mistakes_are_sentences(
    call: Callable[..., Any], launched: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = call("sweep", "mirror", str(launched), *words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err


def test_nothing_to_mirror_and_nothing_to_mirror_with(
    call: Callable[..., Any], launched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    answer = call("sweep", "mirror", str(tmp_path / "empty"), "--to", "wandb")
    assert (answer.code, "no run has begun" in answer.err) == (3, True)
    monkeypatch.setattr(Tracker, "installed", property(lambda tracker: False))
    answer = call("sweep", "mirror", str(launched), "--to", "wandb")
    assert (answer.code, "pip install 'dcpt[wandb]'" in answer.err) == (2, True)


def test_a_tracker_that_fails_is_a_sentence(call: Callable[..., Any], launched: Path) -> None:
    place = launched / "runs" / "mirror" / "tensorboard"
    place.parent.mkdir()
    place.write_text("in the way")
    answer = call("sweep", "mirror", str(launched), "--to", "tensorboard")
    assert answer.code == 3
    assert "tensorboard failed: " in answer.err
    assert "Traceback" not in answer.err
    assert json.loads((launched / "runs" / "target" / "metrics.jsonl").read_text().splitlines()[0]) == ROWS[0]


def test_a_sweep_is_mirrored_while_it_runs_and_is_the_same_sweep(
    call: Callable[..., Any], sweep: Path, folder: Path
) -> None:
    """The file says wandb, the command tensorboard: the command is heeded; no run id knows of either."""
    path = sweep / "sweep.yaml" if sweep.is_dir() else sweep
    text = path.read_text()
    for found, short in (
        ("    - {name: b, hidden: 16, layers: 1}\n    - {name: c, hidden: 32, layers: 1}\n", ""),
        ("ratios: [0.3, 0.7]", "ratios: [0.3]"),
        ("budgets: [320, 640]", "budgets: [640]"),
    ):
        assert found in text
        text = text.replace(found, short)
    path.write_text(text)
    plain = call("sweep", "status", str(path), "--json").document["runs"]
    path.write_text(text + "mirror: {to: [wandb], project: shown}\n")
    answer = call("sweep", "run", str(path), "--mirror", "tensorboard", "--slots", "1")
    assert answer.code == 0, answer.err
    assert "mirror" not in answer.err
    done = call("sweep", "status", str(path), "--json").document["runs"]
    assert [row["run_id"] for row in done] == [row["run_id"] for row in plain]
    assert {row["status"] for row in done} == {"finished"}
    places = path.parent / "runs" / "mirror"
    assert sorted(item.name for item in (places / "tensorboard").iterdir()) == sorted(
        row["run_id"] for row in done
    )
    assert not (places / "wandb").exists()
    # the sweep file's own choice, for the same runs afterwards
    shown = call("sweep", "mirror", str(path), "--to", "tensorboard", "--json").document
    assert shown["steps"] == {"tensorboard": 0}
