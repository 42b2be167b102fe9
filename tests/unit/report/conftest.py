"""The synthetic fits of the planner's tests, as a fixture."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "plan" / "synthetic.py"
    spec = importlib.util.spec_from_file_location("synthetic_fits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
