"""Faults on demand: a hook in the trainer's processes that strikes at a given checkpoint.

A worker gives a checkpoint its name with ``os.replace``. The hook, loaded as ``sitecustomize`` through
PYTHONPATH, waits for the first name that matches a pattern and then kills the worker or its supervisor,
interrupts the supervisor, or lets the disk be full: at the same step in every run of the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = """
import errno, os, pathlib, re, signal

_replace, _pattern = os.replace, re.compile(os.environ["DCPT_FAULT_AT"])
_kind, _mark = os.environ["DCPT_FAULT"], pathlib.Path(os.environ["DCPT_FAULT_MARK"])


def _with_fault(source, target, **options):
    struck = False
    if _pattern.search(str(target)):
        if _kind == "full":
            if _mark.exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        elif not _mark.exists():
            struck = True
    if not struck:
        return _replace(source, target, **options)
    _mark.write_text(str(os.getpid()))
    if _kind == "kill-worker":
        os.kill(os.getpid(), signal.SIGKILL)
    _replace(source, target, **options)
    guard = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
    supervisor = int(guard.rpartition(")")[2].split()[1])
    os.kill(supervisor, {"kill-parent": signal.SIGKILL, "interrupt-parent": signal.SIGINT}[_kind])


os.replace = _with_fault
"""


def fault(folder: Path, kind: str, at: str) -> dict[str, str]:
    """Environment of processes that a fault strikes.

    Parameters
    ----------
    folder : Path
        Where the hook and its mark go. The mark says that the fault has struck, and by which process;
        for ``full`` the disk is full while it exists.
    kind : str
        kill-worker, kill-parent, interrupt-parent or full.
    at : str
        Pattern of the checkpoint's path, for example ``base.*/step-00000020``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])),
        "DCPT_FAULT": kind,
        "DCPT_FAULT_AT": at,
        "DCPT_FAULT_MARK": str(folder / "mark"),
    }


def strike(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Path:
    """Let a fault strike the workers started from this process; returns its mark."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Path(environment["DCPT_FAULT_MARK"])


def start_command(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """``dcpt sweep run`` as a process of its own, one run at a time."""
    command = [sys.executable, "-m", "dcpt", "sweep", "run", str(folder), "--slots", "1", "--device", "cpu"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
