"""Checkpoints of a sweep file: where their files lie, what they hold, and the tokenizer they bring."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcpt.core.checkpoint_files import stored_dtypes, weight_files, weights_hash
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import file_hash
from dcpt.corpus.spec import TokenizerSpec
from dcpt.corpus.tokenizer import load_tokenizer
from dcpt.sweep.model_settings import SizeSettings

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""Files of a hub's repository that are fetched: configuration, weights, tokenizer. No pickles, no code."""


def find_checkpoint(size: SizeSettings, sources: Path, download: bool) -> Path:
    """Folder of a size's checkpoint: a local one, or the hub's as it lies in the cache.

    Parameters
    ----------
    size : SizeSettings
        Its `checkpoint` is a folder (relative ones start at `sources`) or else a model of the hub.
    sources : path
        Folder that relative paths start at.
    download : bool
        Whether what is not in the cache may be fetched.

    Raises
    ------
    ConfigError
        When there is none.
    """
    text = str(size.checkpoint)
    local = (sources / Path(text).expanduser()).resolve()
    # Where the first part of org/name is a folder here, a path is meant.
    is_path = (sources / Path(text).parts[0]).is_dir() or not _HUB_NAME.fullmatch(text)
    if local.exists() or is_path:
        if size.revision is not None:
            raise ConfigError(
                f"size {size.name!r}: revision {size.revision!r} is of a model of the hub; "
                f"{text!r} is a local folder."
            )
        return local
    return _from_hub(size.name, text, size.revision, download, local)


def _from_hub(name: str, model: str, revision: str | None, download: bool, local: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    which = f"{model!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        return Path(
            snapshot_download(
                model, revision=revision, local_files_only=not download, allow_patterns=list(_WANTED)
            )
        )
    except LocalEntryNotFoundError as error:
        if download:
            raise ConfigError(
                f"size {name!r}: {which} is not on this machine and the hub cannot be reached "
                f"({_one_line(error)}).",
                "fetch it where there is a network, and set HF_HOME to the cache or give its folder",
            ) from None
        raise ConfigError(
            f"size {name!r}: is not a readable transformers configuration: there is no folder {local}, and "
            f"{which} is not in the hub's cache on this machine.",
            "model: {download: true} fetches it; or give the folder it lies in",
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ConfigError(
            f"size {name!r}: {which} cannot be had from the hub ({_one_line(error)}).",
            "check its name, its revision, and that you may read it (hf auth login)",
        ) from None


def read_config(size: SizeSettings, folder: Path) -> dict[str, Any]:
    """The fields of a checkpoint's ``config.json``, after a look at its weight files.

    Raises
    ------
    ConfigError
        When it is no `transformers` checkpoint, or its weights are not whole.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"size {size.name!r}: {path} is not a readable transformers configuration "
            f"({type(error).__name__}: {error}).",
            hint="wanted a folder written by save_pretrained, or a model of the hub (org/name)",
        ) from None
    if config.get("quantization_config") is not None:
        raise ConfigError(
            f"size {size.name!r}: the weights in {folder} are quantised, and cannot be trained as they are.",
            hint="take the checkpoint they were made from, or save a dequantised one",
        )
    try:
        weight_files(folder)
    except DataError as error:
        raise ConfigError(f"size {size.name!r}: {error.message}", error.hint) from None
    return dict(config)


class WeightHashes:
    """Hashes of checkpoints' weights, each folder read once as long as its files stay as they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, int, int], ...], str] = {}

    def of(self, folder: Path) -> str:
        """Hash of the weights in a folder (see `weights_hash`)."""
        stats = [(path, path.stat()) for path in sorted(folder.glob("*.safetensors"))]
        key = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
        if key not in self._known:
            self._known[key] = weights_hash(folder)
        return self._known[key]


HASHES = WeightHashes()
"""Those of this process: gigabytes are not to be read twice for one command."""


def own_tokenizer(sizes: Sequence[SizeSettings], folders: Sequence[Path]) -> TokenizerSpec | None:
    """The tokenizer that all checkpoints of a ladder bring; None when the first brings none.

    Parameters
    ----------
    sizes : sequence of SizeSettings
        The checkpoints.
    folders : sequence of path
        Where they lie.

    Raises
    ------
    ConfigError
        When two of them bring different ones: their losses per token could not be compared.
    """
    brought = [has_tokenizer(folder) for folder in folders]
    if not brought or not brought[0]:
        return None
    first = TokenizerSpec(kind="hf", path=str(folders[0]))
    for size, folder, there in zip(sizes, folders, brought, strict=True):
        if not there or same_tokenizer(folders[0], folder):
            continue
        raise ConfigError(
            f"sizes {sizes[0].name!r} and {size.name!r} bring different tokenizers; losses per token of two "
            "vocabularies cannot be compared.",
            "give each a sweep of its own, or name the tokenizer of all: tokenizer: {kind: hf, path: ...}",
        )
    return first


def has_tokenizer(folder: Path) -> bool:
    """Whether a checkpoint folder brings a tokenizer."""
    return any((folder / name).exists() for name in TOKENIZER_FILES)


def same_tokenizer(one: Path, other: Path) -> bool:
    """Whether two folders hold one tokenizer, be it in other files."""
    files = [folder / "tokenizer.json" for folder in (one, other)]
    if all(file.exists() for file in files) and file_hash(files[0]) == file_hash(files[1]):
        return True
    hashes = [load_tokenizer(TokenizerSpec(kind="hf", path=str(place)), place).hash for place in (one, other)]
    return hashes[0] == hashes[1]


def checkpoint_notes(sizes: Sequence[SizeSettings], folders: Sequence[Path]) -> list[str]:
    """What to know of a ladder's checkpoints: their numbers, and what of their past is not known."""
    notes = []
    for size, folder in zip(sizes, folders, strict=True):
        kinds = [kind for kind in stored_dtypes(folder) if kind != "float32"]
        if kinds:
            notes.append(
                f"size {size.name!r}: its weights are stored in {' and '.join(kinds)}; they are trained, and "
                "kept, in float32"
            )
    unknown = [size.name for size in sizes if size.pretraining is None or size.pretraining.schedule is None]
    if unknown:
        notes.append(
            f"the learning rates that {', '.join(unknown)} were pre-trained with are not known: of the "
            "laws of curves cpt-dynamics-unknown-base fits the area they come to, cpt-dynamics needs them "
            "(pretraining: {schedule: ...})"
        )
    return notes


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
