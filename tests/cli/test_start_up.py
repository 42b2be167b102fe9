"""What the program is before it does anything: quick to start, plain, in order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

HEAVY = ("torch", "transformers", "datasets", "pandas", "scipy", "matplotlib", "numpy", "sympy", "rich")

HELP = """
import sys
from dcpt.cli.main import main
sys.argv = ["dcpt", *{words!r}]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0, stop.code
"""


@pytest.mark.parametrize(
    "code",
    ["import dcpt; dir(dcpt)", *(HELP.format(words=words) for words in (["--help"], ["fit", "--help"]))],
)
def test_start_up_loads_nothing_heavy(code: str) -> None:
    ask = f"{code}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_public_names_load_on_first_use() -> None:
    import dcpt

    for name in dcpt.__all__:
        assert getattr(dcpt, name) is not None
    assert set(dcpt.__all__) <= set(dir(dcpt))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dcpt.nonsense  # noqa: B018


def test_commands_stand_in_the_order_of_use(call: Callable[..., Any]) -> None:
    lines = call("--help").out.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line.strip()][:14] == [
        "demo", "corpus", "sweep", "ingest", "fit", "predict", "plan", "next", "launch", "compare", "report",
        "laws", "schema", "doctor",
    ]  # fmt: skip


def test_no_command_shows_the_help(call: Callable[..., Any]) -> None:
    for words in ((), ("sweep",), ("ingest",)):
        answer = call(*words)
        assert "Usage: dcpt" in answer.out + answer.err
        assert answer.code in (0, 2)


def test_version(call: Callable[..., Any]) -> None:
    import dcpt

    assert call("--version").out == f"dcpt {dcpt.__version__}\n"


@pytest.mark.parametrize("words", [("--help",), ("laws",), ("fit", "--help"), ("fit", "--lwa")])
def test_plain_text_where_there_is_no_terminal(process: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = process(*words, env={**os.environ, "NO_COLOR": "1"})
    text = answer.out + answer.err
    assert "\x1b" not in text
    assert text.isascii()
