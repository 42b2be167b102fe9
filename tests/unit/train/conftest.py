"""A fresh sweep folder, and the processor tests compute on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the miniature sweep lies beside the tests

from tiny_sweep import TinySweep

from dcpt.train.processor import Processor, prepare_processor


@pytest.fixture
def sweep(tmp_path: Path) -> TinySweep:
    """Corpora and specs in miniature."""
    return TinySweep(tmp_path)


@pytest.fixture(scope="session")
def processor() -> Processor:
    """One CPU thread in fp32."""
    return prepare_processor("cpu")
