"""The examples in the docstrings of laws run as printed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import dcpt.laws


def test_examples_run():
    tried = 0
    for info in pkgutil.iter_modules(dcpt.laws.__path__):
        result = doctest.testmod(importlib.import_module(f"dcpt.laws.{info.name}"))
        assert not result.failed, f"dcpt.laws.{info.name}"
        tried += result.attempted
    assert tried >= 8
