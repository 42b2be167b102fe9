"""The benchmarks of packing at toy sizes: what they print, and that packed losses are single runs'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import packing
from benchmarks.gpu import run_all


def test_the_last_line_says_what_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    packing.main(["--device", "cpu", "--ratios", "3", "--steps", "12", "--every", "6", "--context", "16"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["device"], found["K"], found["runs"], found["shape"]) == ("cpu", 3, 3, "0.05M")
    assert found["losses_compared"] == 3 * 2 * 2  # runs, evaluations, sides
    assert found["max_loss_difference"] <= 1e-6 < found["seed_noise"]


def test_the_rehearsal_packs(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert run_all.main(["--rehearse", "--device", "cpu", "--out", str(out), "--only", "packs of 1M"]) == 0
    found = json.loads(out.read_text())
    assert found["rehearsal"]
    assert found["parts"]["packs of 1M"]["K"] == 3


def test_what_fails_or_does_not_fit_in_costs_the_other_parts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("CUDA error")

    parts = [
        ("a", 0.0, broken),
        ("b", 1e6, lambda: {"mfu": 0.1, "tokens_per_second": 1.0}),
        ("c", 0.0, lambda: {"mfu": 0.2, "tokens_per_second": 2.0}),
    ]
    monkeypatch.setattr(run_all, "_parts", lambda processor, toy: parts)
    out = tmp_path / "gpu.json"
    assert run_all.main(["--rehearse", "--device", "cpu", "--out", str(out)]) == 1
    found = json.loads(out.read_text())["parts"]
    assert found["a"]["error"] == "RuntimeError: CUDA error"
    assert "skipped" in found["b"]
    assert found["c"]["mfu"] == 0.2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["parts"] == found
