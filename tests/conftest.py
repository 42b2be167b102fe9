"""What every test may use: shared real data, fits and curves of known truth, one thread per process."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

settings.register_profile("dcpt", deadline=None, derandomize=True)
settings.load_profile("dcpt")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real corpora and loss measurements beside the checkout; the test is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "losses").is_dir():
        pytest.skip("the folder of real corpora and loss measurements is not beside this checkout")
    return folder


def _load(path: str) -> ModuleType:
    """A module that lies beside the tests of one room and serves those of others."""
    file = Path(__file__).resolve().parent / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """Fits whose truth is known, without any fitting."""
    return _load("unit/plan/synthetic.py")


@pytest.fixture(scope="session")
def world() -> ModuleType:
    """Curves of pre-training and continual pre-training whose truth is known."""
    return _load("unit/fit/loss_curves/curve_world.py")
