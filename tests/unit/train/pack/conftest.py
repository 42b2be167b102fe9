"""A trained base, and two equal sweeps that go on from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_sweep import TinySweep
from twins import Twins

from dcpt.train.processor import Processor
from dcpt.train.unit import run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, processor: Processor) -> Path:
    """Folder of a trained base."""
    sweep = TinySweep(tmp_path_factory.mktemp("base"))
    folder = sweep.place(sweep.base())
    run(folder, processor)
    return folder


@pytest.fixture
def twins(tmp_path: Path, processor: Processor, base: Path) -> Twins:
    """Two equal sweeps with a trained base."""
    return Twins(tmp_path, processor, base)
