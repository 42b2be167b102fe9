"""The benchmarks of packing at toy sizes: what they print, and that packed losses are single runs'."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import packing
from benchmarks.gpu import part, run_all
from benchmarks.gpu.proxies import Setting
from benchmarks.gpu.stages import STAGES, Stage
from dcpt.train.processor import Processor


def test_the_last_line_says_what_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    packing.main(["--device", "cpu", "--ratios", "3", "--steps", "12", "--every", "6", "--context", "16"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["device"], found["K"], found["runs"], found["shape"]) == ("cpu", 3, 3, "0.05M")
    assert found["losses_compared"] == 3 * 2 * 2  # runs, evaluations, sides
    assert found["max_loss_difference"] <= 1e-6 < found["seed_noise"]


def test_runs_trained_alone_are_spread_over_the_ratios() -> None:
    setting = Setting("0.05M", 64, 16, 4, steps=8, every=4, sequences=16, ratios=5)
    told: list[dict[str, Any]] = []
    found = packing.compare(
        setting,
        Processor(torch.device("cpu")),
        5,
        "off",
        False,
        alone=2,
        tell=lambda item: told.append(json.loads(json.dumps(item))),
    )
    assert (found["runs"], found["K"], found["runs_alone"]) == (5, 5, 2)
    assert found["losses_compared"] == 2 * 2 * 2  # runs, evaluations, sides
    assert found["max_loss_difference"] <= 1e-6
    hourly = found["proxies_per_hour"]
    assert found["speedup"] == pytest.approx(hourly["packed"] / hourly["sequential"], rel=0.02)
    # what is known is told before the next measurement begins
    assert "packed" in told[0]["seconds"]
    assert "sequential" not in told[0]["seconds"]


def test_a_part_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    assert part.main(["packs of 1M", "--rehearse", "--device", "cpu", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["K"] == 3
    assert found["machine"]["device"] == "cpu"


PROGRAM = """
import json, subprocess, sys, time
from pathlib import Path
name, out = sys.argv[1], Path(sys.argv[2])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(sys.argv[3]).write_text(str(child.pid))
if name != "silent":
    out.write_text(json.dumps({"mfu": 0.5, "tokens_per_second": 1.0}))
if name == "hangs":
    time.sleep(60)
sys.exit("CUDA error" if name in ("silent", "dies") else 0)
"""


@pytest.mark.parametrize(
    ("name", "trouble", "found"),
    [
        ("hangs", "ended after 1 s", True),
        ("dies", "exit status 1: CUDA error", True),
        ("silent", "exit status 1", False),
    ],
)
def test_a_part_that_hangs_or_dies_is_ended_and_what_it_found_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trouble: str, found: bool
) -> None:
    # the part's own process is replaced by one that misbehaves; how it is ended is what is tested
    true = run_all._run

    def run(command: list[str], *rest: Any) -> str:
        out = command[command.index("--out") + 1]
        return true([sys.executable, "-c", PROGRAM, name, out, str(tmp_path / "child")], *rest)

    monkeypatch.setattr(run_all, "_run", run)
    outcome = run_all.measure(STAGES[0], 1.0, "cpu", True)
    assert outcome["error"].startswith(trouble)
    assert ("mfu" in outcome) is found
    child = int((tmp_path / "child").read_text())
    assert _is_gone(child)


def _is_gone(process: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_visit_goes_on_where_the_last_one_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[str] = []
    broken = {STAGES[1].name}

    def measure(stage: Stage, seconds: float, device: str, rehearse: bool) -> dict[str, Any]:
        taken.append(stage.name)
        return {"error": "CUDA error"} if stage.name in broken else {"mfu": 0.1, "tokens_per_second": 1.0}

    monkeypatch.setattr(run_all, "measure", measure)
    out = tmp_path / "gpu.json"
    options = ["--rehearse", "--device", "cpu", "--json", "--out", str(out)]
    assert run_all.main([*options, "--seconds", "0"]) == 1
    assert taken == []
    assert run_all.main(options) == 1
    assert taken == [stage.name for stage in STAGES]
    assert json.loads(out.read_text())["parts"][STAGES[1].name] == {"error": "CUDA error"}
    taken.clear()
    broken.clear()
    capsys.readouterr()
    assert run_all.main(options) == 0
    assert taken == [STAGES[1].name]
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == json.loads(out.read_text())
    page = (tmp_path / "gpu.md").read_text()
    assert page.startswith("# Rehearsal")
    assert all(stage.name in page for stage in STAGES)
