"""A tokenised corpus on disk: corpus.json beside two flat token streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import content_hash, file_hash, read_json, write_json
from dcpt.core.run_spec import from_dict, to_dict

SCHEMA_VERSION = 1

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]

# A token stream is written least significant byte first on every machine.
_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


def token_dtype(vocab_size: int) -> Literal["uint16", "uint32"]:
    """Name of the smallest stream type that holds every token id of a vocabulary."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The on-disk (little-endian) numpy type of a stream type's name."""
    return _DTYPES[name]


@dataclass(frozen=True)
class SplitInfo:
    """Size and content of one token stream.

    Parameters
    ----------
    documents : int
        Documents in the stream.
    tokens : int
        Tokens, the end-of-sequence token after each document included.
    bytes : int
        UTF-8 bytes of the documents' text.
    sha256 : str
        SHA-256 of the stream's file, in hex.
    """

    documents: int
    tokens: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Leakage:
    """How much of the held-out text of a corpus also stands in training text.

    Parameters
    ----------
    words : int
        Length of the word n-grams compared.
    ngrams : int
        n-grams of the held-out documents, repeats included.
    overlap : float, optional
        Share of those n-grams that occur in the corpus's own training text; None when there are none.
    documents_over_half : int
        Held-out documents with more than half of their n-grams in that text.
    duplicates_removed : int
        Training documents left out because the same text is held out, in this corpus or another.
    overlap_others : float, optional
        Share of the n-grams that occur in the training text of other corpora; None when there are no
        n-grams or no other corpora.
    """

    words: int
    ngrams: int
    overlap: float | None
    documents_over_half: int
    duplicates_removed: int
    overlap_others: float | None = None


@dataclass(frozen=True)
class Corpus:
    """What is known of a tokenised corpus without reading its tokens.

    Parameters
    ----------
    name : str
        Name of the corpus; its folder carries the same one.
    role : {"general", "domain"}
        Side of the mixture.
    tokenizer_hash : str
        Hash of the tokenizer the streams were made with.
    vocab_size : int
        Every token id is below it.
    eos_id : int
        Token that ends each document.
    dtype : {"uint16", "uint32"}
        Type of the streams' elements, little-endian.
    train, heldout : SplitInfo
        The two streams; no document is in both.
    leakage : Leakage
        Text shared between them all the same.
    dropped : mapping
        Documents read and not used, by reason (``empty``, ``over the cap``).
    fingerprint : str
        Hash of everything the build depended on: specs, source files, tokenizer.
    """

    name: str
    role: Literal["general", "domain"]
    tokenizer_hash: str
    vocab_size: int
    eos_id: int
    dtype: Literal["uint16", "uint32"]
    train: SplitInfo
    heldout: SplitInfo
    leakage: Leakage
    dropped: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def hash(self) -> str:
        """Hash of the content: tokenizer, type and both streams (not the name, not the role)."""
        return content_hash([self.tokenizer_hash, self.dtype, self.train.sha256, self.heldout.sha256])

    @property
    def mean_tokens_per_document(self) -> float:
        """Tokens per training document, its end-of-sequence token included."""
        return self.train.tokens / self.train.documents


def write_corpus(folder: Path | str, corpus: Corpus) -> Path:
    """Write ``corpus.json`` into the folder that holds the streams; derived figures are written too."""
    derived = {"hash": corpus.hash, "mean_tokens_per_document": corpus.mean_tokens_per_document}
    document = {"schema_version": SCHEMA_VERSION, **to_dict(corpus), **derived}
    return write_json(Path(folder) / "corpus.json", document)


def read_corpus(folder: Path | str) -> Corpus:
    """Read ``corpus.json`` of a corpus folder.

    Raises
    ------
    DataError
        When the file is absent, is not a corpus description, or was changed by hand.
    """
    path = Path(folder) / "corpus.json"
    document = read_json(path, "a corpus description", SCHEMA_VERSION)
    document.pop("schema_version")
    recorded = document.pop("hash", None)
    document.pop("mean_tokens_per_document", None)
    try:
        corpus = from_dict(Corpus, document, str(path))
    except ConfigError as error:
        raise DataError(error.message, hint="build the corpus again") from None
    if recorded != corpus.hash:
        raise DataError(
            f"{path}: hash is {recorded!r}; its fields give {corpus.hash!r}.", hint="build the corpus again"
        )
    return corpus


@dataclass(frozen=True, eq=False)
class TokenCorpus:
    """An open corpus: its description and both streams, mapped into memory read-only.

    Parameters
    ----------
    folder : Path
        Where it lies.
    info : Corpus
        Its description.
    train, heldout : ndarray, shape (tokens,)
        Token ids.
    """

    folder: Path
    info: Corpus
    train: Tokens
    heldout: Tokens

    def n_windows(self, context: int, split: Split = "train") -> int:
        """Windows of ``context + 1`` tokens at stride ``context``: every prediction is made once."""
        if context < 1:
            raise ConfigError(f"corpus {self.info.name}: context is {context}; wanted at least 1 token.")
        size: SplitInfo = getattr(self.info, split)
        return (size.tokens - 1) // context

    def bytes_per_token(self, split: Split = "heldout") -> float:
        """UTF-8 bytes of text per token of a split, end-of-sequence tokens counted as tokens."""
        size: SplitInfo = getattr(self.info, split)
        return size.bytes / size.tokens


def open_corpus(folder: Path | str, verify: bool = False) -> TokenCorpus:
    """Open a tokenised corpus.

    Parameters
    ----------
    folder : path
        Folder with ``corpus.json``, ``train.bin`` and ``heldout.bin``.
    verify : bool
        Also check the SHA-256 of both streams (reads them whole); the sizes are always checked.

    Raises
    ------
    DataError
        When a file is absent or does not fit the description.
    """
    folder = Path(folder)
    info = read_corpus(folder)
    streams = {split: _open_stream(folder / f"{split}.bin", info, split, verify) for split in SPLITS}
    return TokenCorpus(folder, info, streams["train"], streams["heldout"])


def _open_stream(path: Path, info: Corpus, split: Split, verify: bool) -> Tokens:
    size: SplitInfo = getattr(info, split)
    dtype = numpy_dtype(info.dtype)
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); wanted the {split} tokens of corpus {info.name}.",
            hint="build the corpus again",
        ) from None
    if found != size.tokens * dtype.itemsize or not found:
        raise DataError(
            f"{path}: holds {found} bytes; corpus.json says {size.tokens} tokens of {info.dtype}, "
            f"{size.tokens * dtype.itemsize} bytes.",
            hint="the file was cut short or replaced: delete the corpus folder and build it again",
        )
    if verify and (digest := file_hash(path)) != size.sha256:
        raise DataError(
            f"{path}: SHA-256 is {digest[:12]}...; corpus.json says {size.sha256[:12]}....",
            hint="the file was changed: delete the corpus folder and build it again",
        )
    return np.memmap(path, dtype=dtype, mode="r")
