"""What the packages of fits and laws export is there, and is what it says."""

from __future__ import annotations

import importlib
import types

import pytest


@pytest.mark.parametrize("package", ["dcpt.fit", "dcpt.laws"])
def test_every_public_name_is_a_thing_of_this_package(package):
    module = importlib.import_module(package)
    assert (
        set(module.__all__)
        >= {
            "dcpt.fit": {"stack_domains", "ShortRun", "fit_two_stage", "run_tournament", "rank_laws"},
            "dcpt.laws": {"compute_optimal", "transferred_tokens", "collapse", "critical_time"},
        }[package]
    )
    assert set(module.__all__) == set(dir(module))
    for name in module.__all__:
        found = getattr(module, name)
        assert not isinstance(found, types.ModuleType), name
        assert found.__name__ == name
        assert found.__module__.startswith(package)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        module.nonsense  # noqa: B018
