"""The home of Ray clusters that tests start: Ray writes a token there, and remembers it over clusters."""

from __future__ import annotations

from pathlib import Path

import pytest


def set_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give a test a home that all tests of its process share, and that is nobody's own.

    A process keeps the first token it has seen. With a home for each test a second cluster of one process
    would find no token there, and its server would end at once.
    """
    home = tmp_path.parent / "home-of-ray"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
