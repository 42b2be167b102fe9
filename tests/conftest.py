"""What every test may use: the shared real data, where it is, and one thread per process."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

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
