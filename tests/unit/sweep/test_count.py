"""Counting parameters with the trainer: one process for all sizes, and none for what is known."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.run_spec import ModelSpec
from dcpt.sweep import count
from dcpt.sweep.count import count_by_trainer

MODELS = {name: ModelSpec("gpt2", {"n_embd": width}) for name, width in (("a", 8), ("b", 16))}


class Trainer:
    """Stands for the process: counts the width as attention, up to the network it fails at."""

    def __init__(self, fail_at: int | None = None, said: str = "") -> None:
        self.fail_at, self.said, self.calls = fail_at, said, []  # type: ignore[var-annotated]

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert options["stdin"] == subprocess.DEVNULL
        models = [json.loads(Path(path).read_text()) for path in command[4:]]
        self.calls.append(models)
        lines = [json.dumps({"attention": model["config"]["n_embd"]}) for model in models[: self.fail_at]]
        return subprocess.CompletedProcess(command, self.said != "", "\n".join(lines) + "\n", self.said)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(**how: Any) -> Trainer:
        trainer = Trainer(**how)
        monkeypatch.setattr(count.subprocess, "run", trainer)
        return trainer

    return use


def test_once_for_all_and_never_again(trainer: Any, tmp_path: Path) -> None:
    process = trainer()
    wanted = {"a": {"attention": 8}, "b": {"attention": 16}}
    assert count_by_trainer(MODELS, tmp_path) == wanted
    assert count_by_trainer(MODELS, tmp_path) == wanted
    assert len(process.calls) == 1
    third = {**MODELS, "c": ModelSpec("gpt2", {"n_embd": 32})}
    assert count_by_trainer(third, tmp_path) == {**wanted, "c": {"attention": 32}}
    assert [model["config"]["n_embd"] for model in process.calls[1]] == [32]
    document = json.loads((tmp_path / "corpus" / "parameters.json").read_text())
    assert (document["schema_version"], len(document["counts"])) == (1, 3)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema_version": 1}', '{"schema_version": 1, "counts": [3]}']
)
def test_a_damaged_file_is_counted_again(trainer: Any, tmp_path: Path, content: str) -> None:
    process = trainer()
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "parameters.json").write_text(content)
    for _ in range(2):
        assert count_by_trainer(MODELS, tmp_path)["b"] == {"attention": 16}
    assert len(process.calls) == 1


def test_a_checkpoint_is_known_by_its_weights(trainer: Any, tmp_path: Path) -> None:
    process = trainer()
    config = {"n_embd": 4}
    here = {"a": ModelSpec("gpt2", config, "model", "hash")}
    count_by_trainer(here, tmp_path)
    assert process.calls[0][0]["checkpoint"] == str((tmp_path / "model").resolve())
    count_by_trainer({"a": ModelSpec("gpt2", config, "/elsewhere", "hash")}, tmp_path)
    assert len(process.calls) == 1
    count_by_trainer({"a": ModelSpec("gpt2", config, "model", "other")}, tmp_path)
    assert len(process.calls) == 2


def test_the_size_that_cannot_be_built_is_named(trainer: Any, tmp_path: Path) -> None:
    trainer(fail_at=1, said="noise\nmodel family 'x': cannot be built (no).\n")
    with pytest.raises(ConfigError) as refused:
        count_by_trainer(MODELS, tmp_path)
    assert refused.value.message == "size 'b': model family 'x': cannot be built (no)."
    trainer(fail_at=0, said=" ")
    with pytest.raises(ConfigError, match="size 'a': the trainer could not count"):
        count_by_trainer(MODELS, tmp_path)
