"""The bar: lines of plain text without a terminal, no colour where NO_COLOR is set."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest
import typer

from dcpt.cli import progress
from dcpt.cli.progress import Progress

EVENTS = (
    {"event": "started", "run_id": "a", "step": 0, "steps": 10},
    {"event": "progress", "run_id": "a", "step": 5, "steps": 10, "tokens_per_second": 2000.0},
    {"event": "finished", "run_id": "a"},
    {"event": "failed", "run_id": "b", "reason": "the loss diverged", "retry": False},
    {"event": "abandoned", "run_id": "b", "reason": "the loss diverged"},
)


def test_lines_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_INTERVAL", 0.0)
    with Progress({"a": 3.0, "b": 1.0}, {}, set()) as follow:
        for event in EVENTS:
            follow(event)
    said = capsys.readouterr()
    assert said.out == ""
    assert "\x1b" not in said.err
    assert " 38 %  0/2 runs  2k tokens/s" in said.err
    assert " 75 %  1/2 runs" in said.err
    assert said.err.count("the loss diverged") == 1


def test_finished_work_counts_from_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_INTERVAL", 0.0)
    with Progress({"a": 1.0, "b": 1.0}, {"b": 10}, {"a"}) as follow:
        follow({"event": "progress", "run_id": "b", "step": 15, "steps": 20})
    assert " 75 %  1/2 runs" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stop, Progress({"a": 1.0}, {}, set()):
        raise KeyboardInterrupt
    assert stop.value.exit_code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="boom"), Progress({"a": 1.0}, {}, set()):
        raise ValueError("boom")


def test_no_colour_on_a_terminal_that_wants_none() -> None:
    code = (
        "from dcpt.cli.progress import Progress\n"
        "with Progress({'a': 1.0}, {}, set()) as follow:\n"
        "    follow({'event': 'progress', 'run_id': 'a', 'step': 5, 'steps': 10})\n"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert b"0/1 runs" in text
    assert not re.search(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m", text)
