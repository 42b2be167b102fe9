"""The files behind a ladder: folders of its checkpoints, and the tokenizer that all of its sizes read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import read_json
from dcpt.corpus.spec import TokenizerSpec
from dcpt.corpus.tokenizer import END_OF_TEXT_ID, SCHEMA_VERSION, load_tokenizer
from dcpt.sweep.checkpoints import checkpoint_notes, find_checkpoint, has_tokenizer, own_tokenizer
from dcpt.sweep.model_settings import SizeSettings
from dcpt.sweep.spec import SweepSpec


@dataclass(frozen=True)
class LadderFiles:
    """What a sweep file's sizes and tokenizer come to, before any text is read.

    Attributes
    ----------
    sizes : tuple of SizeSettings
        The proxies, then the target.
    folders : mapping of str to path
        Sizes that are checkpoints to their folders.
    tokenizer : TokenizerSpec
        The file's; by default that of its checkpoints, else a vocabulary trained on the corpora.
    expected : tuple of int
        Size of its vocabulary, and the token that ends a document.
    """

    sizes: tuple[SizeSettings, ...]
    folders: Mapping[str, Path]
    tokenizer: TokenizerSpec
    expected: tuple[int, int]

    @classmethod
    def find(cls, spec: SweepSpec, root: Path, sources: Path) -> LadderFiles:
        """Look for the files of a sweep.

        Parameters
        ----------
        spec : SweepSpec
            The sweep file.
        root : path
            Folder of the sweep.
        sources : path
            Folder that relative checkpoint and tokenizer paths start at.

        Raises
        ------
        ConfigError
            When a checkpoint is not there, or checkpoints bring different tokenizers.
        DataError
            When the tokenizer cannot be read.
        """
        sizes = (*spec.model.sizes, *([spec.target.size] if spec.target else []))
        loaded = [size for size in sizes if size.checkpoint is not None]
        folders = {size.name: find_checkpoint(size, sources, spec.model.download) for size in loaded}
        tokenizer = spec.tokenizer
        if "tokenizer" not in spec.model_fields_set:
            tokenizer = own_tokenizer(loaded, list(folders.values())) or tokenizer
        return cls(sizes, folders, tokenizer, _expected(tokenizer, root, sources))

    def notes(self, tokenizer_hash: str) -> list[str]:
        """What to know of the checkpoints, and of the tokenizer they are given.

        Parameters
        ----------
        tokenizer_hash : str
            Of the tokenizer in use.
        """
        loaded = [size for size in self.sizes if size.name in self.folders]
        notes = checkpoint_notes(loaded, list(self.folders.values()))
        for size in loaded:
            if not _reads(self.folders[size.name], self.tokenizer, tokenizer_hash):
                notes.append(
                    f"size {size.name!r} is a checkpoint and the sweep's tokenizer is not the one it brings, "
                    "if it brings any: its weights know these tokens only if it was trained on them"
                )
        return notes


def _expected(tokenizer: TokenizerSpec, root: Path, sources: Path) -> tuple[int, int]:
    if tokenizer.kind == "bpe":
        return tokenizer.vocab_size, END_OF_TEXT_ID
    try:  # as it was built before: loading one takes seconds
        path = root / "corpus" / "tokenizer" / "tokenizer_info.json"
        info = read_json(path, "a tokenizer description", SCHEMA_VERSION)
        if info["kind"] == "hf":
            return int(info["vocab_size"]), int(info["eos_id"])
    except (DataError, KeyError, TypeError, ValueError):
        pass
    loaded = load_tokenizer(tokenizer, sources)
    return loaded.vocab_size, loaded.eos_id


def _reads(folder: Path, tokenizer: TokenizerSpec, tokenizer_hash: str) -> bool:
    """Whether the tokenizer in use is the one a checkpoint brings."""
    if not has_tokenizer(folder):
        return False
    if tokenizer.kind == "hf" and tokenizer.path is not None and Path(tokenizer.path).resolve() == folder:
        return True
    try:
        return load_tokenizer(TokenizerSpec(kind="hf", path=str(folder)), folder).hash == tokenizer_hash
    except (DataError, ConfigError):
        return False
