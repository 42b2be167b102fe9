"""A trainer without training: it does with each run what ``plan.json`` says, one word per start."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dcpt.run import worker

SCRIPT = """
import json, os, pathlib, signal, sys, time
def say(**event): print(json.dumps(event), flush=True)
def finish(folder):
    (folder / "checkpoints" / "step-00000020").mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(
        {"schema_version": 1, "run_id": folder.name, "status": "finished"}))
def stop(*_): sys.exit(75)
signal.signal(signal.SIGTERM, stop)
parent = os.getppid()
say(event="ready")
for line in sys.stdin:
    order = json.loads(line)
    for folder in map(pathlib.Path, order.get("run_dirs") or [order["run_dir"]]):
        with open(folder / "metrics.jsonl", "a") as file: file.write('{"kind":"start","step":0}\\n')
        starts = len((folder / "metrics.jsonl").read_text().splitlines())
        plan = json.loads((folder.parent.parent / "plan.json").read_text()).get(folder.name, [])
        word = plan[starts - 1] if starts <= len(plan) else "finish"
        say(event="started", run_id=folder.name, step=0, steps=20)
        if word == "kill": os.kill(os.getpid(), signal.SIGKILL)
        while word == "sleep":
            time.sleep(0.05)
            if os.getppid() != parent: os._exit(75)
        if word == "raise": sys.exit("out of luck")
        if word == "kill-after-record": finish(folder); os.kill(os.getpid(), signal.SIGKILL)
        if word == "finish": finish(folder); say(event="finished", run_id=folder.name)
        if word == "finish-and-die":
            finish(folder); say(event="finished", run_id=folder.name); sys.stdout.close(); os._exit(3)
        if word.startswith("fail:"):
            say(event="failed", run_id=folder.name, reason=word[5:], retry=True)
        if word.startswith("abandon:"):
            (folder / "record.json").write_text(json.dumps({"schema_version": 1, "run_id": folder.name,
                "status": "abandoned", "reason": word[8:]}))
            say(event="failed", run_id=folder.name, reason=word[8:], retry=False)
"""

HOOK = """
import subprocess, sys
_Popen = subprocess.Popen
class Popen(_Popen):
    def __init__(self, command, *rest, **options):
        if "dcpt.train" in command:
            command = [sys.executable, "-S", {script!r}]
        super().__init__(command, *rest, **options)
subprocess.Popen = Popen
"""


def write_script(folder: Path) -> Path:
    """The trainer as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer.py"
    path.write_text(SCRIPT)
    return path


def script_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let workers of this process be this trainer; the list grows by one with every worker."""
    script, popen, hired = write_script(folder), worker.subprocess.Popen, []

    def start(command: list[str], **options: Any) -> Any:
        hired.append(str(script))
        return popen([sys.executable, "-S", str(script)], **options)

    monkeypatch.setattr(worker.subprocess, "Popen", start)
    return hired


def script_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are started from now on, and their children, find this trainer instead of dcpt's."""
    script = write_script(folder)
    (folder / "sitecustomize.py").write_text(HOOK.format(script=str(script)))
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
