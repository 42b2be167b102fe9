"""The weight files of a `transformers` checkpoint folder: which there are, whole or not, in which numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from dcpt.core.errors import DataError
from dcpt.core.files import content_hash, file_hash

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Floating-point numbers of the safetensors format under the names torch has for them."""

_LONGEST_HEADER = 100_000_000
"""Bytes, as the safetensors library has it: more is no header."""


def weight_files(folder: Path) -> list[Path]:
    """The files that `transformers` reads the weights from: one, or the shards that an index names.

    Raises
    ------
    DataError
        When there are none in safetensors format, the index is damaged, or a shard is missing.
    """
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.exists():
        found = sorted(folder.glob("*.safetensors"))
        if found:
            return found
        others = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        also = f" ({others[0]} is a pickle, which is never opened)" if others else ""
        raise DataError(
            f"{folder}: holds no .safetensors weights{also}.",
            hint="save the model with save_pretrained(..., safe_serialization=True)",
        )
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        names = sorted({str(name) for name in places})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{index}: is damaged ({type(error).__name__}).") from None
    shards = [folder / name for name in names]
    missing = [path.name for path in shards if path.parent != folder or not path.exists()]
    if missing or not shards:
        raise DataError(
            f"{folder}: {len(missing)} of {len(shards)} shards that its index names are missing"
            + (f", {missing[0]} first." if missing else "."),
            hint="the download or copy was cut short: fetch the checkpoint again",
        )
    return shards


def weights_hash(folder: Path) -> str:
    """Hash of a checkpoint's weights: names and contents of all of its safetensors files."""
    return content_hash([[path.name, file_hash(path)] for path in sorted(folder.glob("*.safetensors"))])


def stored_dtypes(folder: Path) -> tuple[str, ...]:
    """Kinds of floating-point numbers the weights are stored in, those of most values first.

    Returns
    -------
    tuple of str
        Names that torch has for them; empty when a header cannot be read.

    Raises
    ------
    DataError
        As `weight_files`.
    """
    values: dict[str, int] = {}
    for path in weight_files(folder):
        for entry in _header(path).values():
            if isinstance(entry, dict) and entry.get("dtype") in DTYPES:
                first, last = entry["data_offsets"]
                name = DTYPES[entry["dtype"]]
                values[name] = values.get(name, 0) + (last - first)
    return tuple(sorted(values, key=lambda name: -values[name]))


def _header(path: Path) -> dict[str, object]:
    """Names, types and places of a file's tensors; empty for a file that is none of the format."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                return {}
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error):
        return {}
    return header if isinstance(header, dict) else {}
