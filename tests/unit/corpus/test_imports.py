from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "pydantic", "datasets", "tokenizers", "transformers", "pandas", "pyarrow")


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [("shards, batches, sampler", ()), ("build", ("pydantic",))],
)
def test_importing_loads_no_heavy_library(modules, allowed):
    code = f"from dcpt.corpus import {modules}; import sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(allowed)
    assert not done.stderr
