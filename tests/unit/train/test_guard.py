"""The guard: who is killed is replaced at once, by one that has not heard the old one's orders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# A guard over a process that repeats what it reads, kills itself when told to, and ends with its input.
SCRIPT = """
import json, os, sys
from dcpt.train.guard import guard
def emit(event): os.write(1, (json.dumps(event) + "\\n").encode())
def work(parent, above):
    emit({"event": "ready"})
    rest = b""
    while letter := os.read(0, 1):
        rest += letter
        if letter == b"\\n":
            word, rest = rest.decode().strip(), b""
            if word == "die": os.kill(os.getpid(), 9)
            if word == "leave": sys.exit(9)
            emit({"event": "heard", "word": word})
    return 0
sys.exit(guard(os.getppid(), emit, work))
"""


@pytest.fixture
def process(tmp_path: Path) -> Any:
    if not sys.platform.startswith("linux"):
        pytest.skip("the guard forks on Linux only")
    made = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    yield made
    made.kill()
    made.wait()


def read(process: Any) -> dict[str, Any]:
    return dict(json.loads(process.stdout.readline()))


def test_orders_to_the_dead_are_not_carried_out(process: Any) -> None:
    assert read(process) == {"event": "ready"}
    process.stdin.write("one\ndie\ntwo\n")
    assert read(process) == {"event": "heard", "word": "one"}
    assert read(process) == {"event": "died", "signal": 9}
    process.stdin.write('three\n{"again": true}\nfour\n')
    assert read(process) == {"event": "ready"}
    assert read(process) == {"event": "heard", "word": "four"}
    process.stdin.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize(("word", "status"), [("leave", 9), ("", 75)])
def test_it_ends_with_the_status_of_the_one_that_works(process: Any, word: str, status: int) -> None:
    assert read(process) == {"event": "ready"}
    if word:
        process.stdin.write(f"{word}\n")
    else:
        process.terminate()
    assert process.wait(60) == status
