"""Sweeps with the trainer behind them: networks it has to count, and the number format it is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))

from tiny_text import tiny_document, write_sweep

from dcpt.core.errors import ConfigError
from dcpt.core.run_record import RunRecord
from dcpt.run import store
from dcpt.run.execute import execute
from dcpt.sweep import count
from dcpt.sweep.prepare import prepare


def with_family(folder: Path, family: str, *configs: dict[str, Any]) -> Path:
    document = tiny_document()
    sizes = [{"name": f"s{number}", "config": config} for number, config in enumerate(configs)]
    document["model"] |= {"family": family, "sizes": sizes}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def test_a_ladder_of_another_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is started once for all sizes, and never again for the same ladder."""
    folder = write_sweep(tmp_path / "sweep")
    widths = [{"n_embd": width, "n_layer": 1, "n_head": 2} for width in (8, 16)]
    with_family(folder, "gpt2", *widths)
    calls: list[list[str]] = []
    run = count.subprocess.run

    def watch(command: list[str], **options: Any) -> Any:
        calls.append(command)
        return run(command, **options)

    monkeypatch.setattr(count.subprocess, "run", watch)
    first = prepare(folder)
    # Per layer 12 width**2 + 13 width, and a last norm: a GPT-2 block with its biases.
    assert [rung.N for rung in first.design.rungs.values()] == [12 * w * w + 13 * w + 2 * w for w in (8, 16)]
    assert prepare(folder).design.runs == first.design.runs
    assert len(calls) == 1

    with pytest.raises(ConfigError) as refused:
        prepare(with_family(folder, "no-such-family", {"hidden_size": 8}))
    message = refused.value.message
    assert message.startswith(f"{folder / 'sweep.yaml'}: size 's0': ")
    assert [message.count(words) for words in ("model family", "no-such-family")] == [1, 1]


def test_the_number_format_reaches_the_trainer(tmp_path: Path) -> None:
    sweep = prepare(write_sweep(tmp_path / "sweep"))
    base = sweep.design.runs[0]
    assert execute(sweep.root, [base], {}, 1, "cpu", None, "bf16").finished == [base.run_id]
    record = RunRecord.load(store.run_folder(sweep.root, base.run_id))
    assert record is not None
    assert record.host["precision"] == "bf16"
