"""Fits of mixtures whose truth is known, made once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dcpt.fit.mixtures.mixture_fit import MixtureFit


@pytest.fixture(scope="session")
def mixture_world() -> ModuleType:
    """Mixtures whose losses are known."""
    file = Path(__file__).with_name("mixture_world.py")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def mixture_fit(mixture_world: ModuleType) -> MixtureFit:
    """A process fitted to forty noisy runs on four corpora."""
    fit: MixtureFit = mixture_world.fit()
    return fit
