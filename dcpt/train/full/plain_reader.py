"""Reading sharded checkpoints without running what they say."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import FileSystemReader, filesystem, metadata
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta

from dcpt.core.errors import DataError

METADATA = ".metadata"
"""The file in a checkpoint's folder that says which tensor lies where. `torch` keeps it as a pickle."""

_METADATA_CLASSES = (
    "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta", "TensorProperties",
    "TensorStorageMetadata", "_MEM_FORMAT_ENCODING",
)  # fmt: skip
# Entries that are no tensors are pickles again: BytesStorageMetadata is left out.
_KNOWN = {
    *((metadata.__name__, name) for name in _METADATA_CLASSES),
    (filesystem.__name__, "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),
}


class PlainReader(FileSystemReader):
    """A reader of sharded tensors whose metadata may name the classes that describe tensors, and no others.

    `torch`'s own unpickles the file as it is, which runs whatever code the author of the folder put there.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / METADATA

    def read_metadata(self) -> Metadata:  # type: ignore[override]
        """Which tensors there are, and where.

        Raises
        ------
        DataError
            When the file is absent, damaged, or names anything else.
        """
        try:
            with open(self.file, "rb") as file:
                found = _Unpickler(file).load()
            if not isinstance(found, Metadata):
                raise pickle.UnpicklingError(f"it holds a {type(found).__name__}")
        except Exception as error:  # a damaged pickle may raise anything
            raise DataError(
                f"{self.file}: is no description of tensors ({' '.join(str(error).split())[:200]}).",
                hint="delete this checkpoint; the run goes on from the one before",
            ) from None
        if found.storage_meta is None:
            found.storage_meta = StorageMeta()
        found.storage_meta.load_id = self.load_id
        return found


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = (module, name) in _KNOWN
        if known or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")
