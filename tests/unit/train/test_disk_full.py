"""A disk that takes no more: refused by the system itself, in the middle of a run."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_sweep import TinySweep, read_rows

from dcpt.core.run_record import RunRecord
from dcpt.train import checkpoint
from dcpt.train.processor import Processor
from dcpt.train.serve import train_one


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The system refuses further bytes (EFBIG), to Python and to safetensors alike."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "size",
    [
        150,  # not even the first rows of the journal
        1600,  # the journal ends inside the rows of the first evaluation
        6000,  # the journal fits; the first checkpoint does not
        40000,  # its weights fit; the optimizer's state does not
    ],
)
def test_nothing_is_half_written_and_the_run_ends_as_if_nothing_had_been(
    sweep: TinySweep, processor: Processor, tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    undisturbed = TinySweep(tmp_path_factory.mktemp("undisturbed"))
    watch: Any = SimpleNamespace(busy=False, wish=lambda: None)
    whole = undisturbed.place(undisturbed.base(steps=12))
    assert train_one(whole, processor, lambda event: None, watch)
    sizes = {path.name: path.stat().st_size for path in checkpoint.checkpoint_folder(whole, 12).iterdir()}
    assert 6000 < sizes["model.safetensors"] < 40000 < sizes["optimizer.safetensors"]

    folder = sweep.place(sweep.base(steps=12))
    events: list[dict[str, Any]] = []
    with no_file_longer_than(size):
        assert not train_one(folder, processor, events.append, watch)
    assert events[-1]["reason"] == "disk full"
    assert events[-1]["retry"]
    assert RunRecord.load(folder) is None
    assert checkpoint.list_steps(folder) == []
    assert not list(folder.glob("**/.*"))
    journal = folder / "metrics.jsonl"
    if journal.exists():
        assert journal.read_bytes().endswith(b"\n")
        assert all(json.loads(line)["kind"] for line in journal.read_text().splitlines())
    assert train_one(folder, processor, events.append, watch)
    assert read_rows(folder) == read_rows(whole)
