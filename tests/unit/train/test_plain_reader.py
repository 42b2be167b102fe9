"""A sharded checkpoint of somebody else: its tensors are read, and nothing in it is run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from dcpt.core.errors import DataError
from dcpt.train.full.plain_reader import METADATA, PlainReader

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed", "ignore:Detected an existing")


class Call:
    """Pickled, this is a call of a function with a path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_tensors_of_all_kinds_are_read(tmp_path: Path) -> None:
    kinds = (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool)
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in kinds} | {"one": torch.ones(())}
    dcp.save(tensors, checkpoint_id=tmp_path, no_dist=True)
    found = {name: torch.zeros_like(value) for name, value in tensors.items()}
    dcp.load(found, storage_reader=PlainReader(tmp_path), no_dist=True)
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


def test_nothing_in_it_is_run(tmp_path: Path) -> None:
    """Neither from the metadata nor from an entry that is no tensor, which torch would unpickle."""
    folder, mark = tmp_path / "checkpoint", tmp_path / "mark"
    dcp.save({"weight": torch.ones(2)}, checkpoint_id=folder, no_dist=True)
    (folder / METADATA).write_bytes(pickle.dumps(Call(mark)))
    with pytest.raises(DataError, match=r"\.metadata: is no description of tensors \(it names .*touch"):
        PlainReader(folder).read_metadata()
    dcp.save({"weight": Call(mark)}, checkpoint_id=folder, no_dist=True)
    with pytest.raises(DataError, match=r"it names .*BytesStorageMetadata"):
        PlainReader(folder).read_metadata()
    assert not mark.exists()
    (folder / METADATA).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="it holds a dict"):
        PlainReader(folder).read_metadata()
