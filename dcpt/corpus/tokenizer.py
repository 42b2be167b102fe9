"""Text to token ids: a byte-level BPE trained here, or an existing tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import content_hash, read_json, write_json, write_text
from dcpt.corpus.spec import TokenizerSpec

if TYPE_CHECKING:
    import tokenizers

SCHEMA_VERSION = 1
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0


_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """A tokenizer reduced to what a corpus needs.

    Parameters
    ----------
    kind : {"bpe", "hf"}
        Trained here, or brought along.
    backend : tokenizers.Tokenizer
        Does the work; no special token is ever read out of text.
    vocab_size : int
        Every id is below it.
    eos_id : int
        Token that ends a document.
    hash : str
        Hash of the vocabulary, the merges, every setting and the end-of-sequence token.
    original : object, optional
        The `transformers` tokenizer of kind ``hf``.
    """

    kind: Literal["bpe", "hf"]
    backend: tokenizers.Tokenizer
    vocab_size: int
    eos_id: int
    hash: str
    original: Any = None

    def encode_batch(self, documents: Sequence[str]) -> list[list[int]]:
        """Token ids of each document, without begin or end tokens."""
        encodings = self.backend.encode_batch_fast(list(documents), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens spelled out."""
        return str(self.backend.decode(list(ids), skip_special_tokens=False))


def train_bpe(documents: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE; the same documents in the same order give the same tokenizer.

    Parameters
    ----------
    documents : iterable of str
        Training text.
    vocab_size : int
        Entries wanted: the end-of-sequence token (id 0), the 256 bytes, and merges.

    Raises
    ------
    DataError
        When the text is too small for a vocabulary of this size.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(documents, trainer)
    found = backend.get_vocab_size()
    if found < vocab_size:
        raise DataError(
            f"tokenizer: the text gives a vocabulary of {found}; wanted {vocab_size}.",
            hint="use more text or a smaller vocab_size",
        )
    return _wrap("bpe", backend, backend.to_str(), END_OF_TEXT_ID)


def load_tokenizer(spec: TokenizerSpec, root: Path) -> Tokenizer:
    """Load an existing `transformers` tokenizer.

    Parameters
    ----------
    spec : TokenizerSpec
        Of kind ``hf``; its path is a folder (relative ones start at `root`) or else a hub name.
    root : Path
        Folder that relative paths start at.

    Raises
    ------
    ConfigError
        When the spec is of kind ``bpe``, which is trained, not loaded.
    DataError
        When it cannot be loaded, is not a fast tokenizer, or has no end-of-sequence token.
    """
    if spec.kind != "hf" or spec.path is None:
        raise ConfigError("tokenizer: kind is bpe; wanted hf to load one.", hint="train it with train_bpe")
    local = Path(root) / Path(spec.path).expanduser()
    # Where the first part of org/name is a folder here, a path is meant: the hub is not asked for minutes.
    is_path = (Path(root) / Path(spec.path).parts[0]).is_dir() or not _HUB_NAME.fullmatch(spec.path)
    if not local.exists() and is_path:
        raise DataError(
            f"tokenizer {spec.path}: there is no folder {local}, and it is no hub name (org/name).",
            hint="relative paths start at the folder given with --data-root, else at the sweep's",
        )
    return _load_hf(str(local) if local.exists() else spec.path)


def save_tokenizer(tokenizer: Tokenizer, folder: Path | str, fingerprint: str = "") -> Path:
    """Write a tokenizer so that `open_tokenizer` and `transformers.AutoTokenizer` read it.

    Parameters
    ----------
    tokenizer : Tokenizer
        What to write.
    folder : path
        Folder to write into; ``tokenizer_info.json`` is written last.
    fingerprint : str
        Hash of what it was made from, kept in ``tokenizer_info.json``.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    folder = Path(folder)
    if tokenizer.original is not None:
        try:
            tokenizer.original.save_pretrained(str(folder))
        except OSError as error:
            raise DataError(f"{folder}: could not be written: {error.strerror or error}.") from error
    else:
        write_text(folder / "tokenizer.json", tokenizer.backend.to_str(pretty=True))
        config = {"schema_version": SCHEMA_VERSION, "tokenizer_class": "PreTrainedTokenizerFast"}
        write_json(folder / "tokenizer_config.json", {**config, "eos_token": END_OF_TEXT})
    return write_json(
        folder / "tokenizer_info.json",
        {
            "schema_version": SCHEMA_VERSION,
            "kind": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "eos_id": tokenizer.eos_id,
            "hash": tokenizer.hash,
            "fingerprint": fingerprint,
        },
    )


def open_tokenizer(folder: Path | str) -> Tokenizer:
    """Read a tokenizer that `save_tokenizer` wrote.

    Raises
    ------
    DataError
        When it is absent, damaged, or no longer the one its ``tokenizer_info.json`` describes.
    """
    folder = Path(folder)
    info = read_json(folder / "tokenizer_info.json", "a tokenizer description", SCHEMA_VERSION)
    if info.get("kind") == "bpe":
        from tokenizers import Tokenizer as Backend

        path = folder / "tokenizer.json"
        try:
            text = path.read_text(encoding="utf-8")
            backend = Backend.from_str(text)
        except Exception as error:  # the Rust library raises the bare class
            raise DataError(f"{path}: cannot be read ({error}).", hint="build the corpora again") from None
        tokenizer = _wrap("bpe", backend, text, END_OF_TEXT_ID)
    else:
        tokenizer = _load_hf(str(folder))
    if tokenizer.hash != info.get("hash"):
        raise DataError(
            f"{folder}: the tokenizer's hash is {tokenizer.hash}; "
            f"tokenizer_info.json says {info.get('hash')}.",
            hint="the files were changed: delete the folder and build the corpora again",
        )
    return tokenizer


def _load_hf(path: str) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        original = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except Exception as error:  # configurations check themselves, each with exceptions of its own
        if "trust_remote_code" in str(error):
            raise DataError(
                f"tokenizer {path}: asks for Python code of its own to be run, which never happens.",
                hint="give a folder with a tokenizer.json that transformers reads without it",
            ) from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"tokenizer {path}: cannot be loaded ({reason}).",
            hint="give a folder with tokenizer.json, or a hub name with network or a filled cache",
        ) from None
    backend = getattr(original, "backend_tokenizer", None)
    if backend is None:
        raise DataError(
            f"tokenizer {path}: is a {type(original).__name__}; wanted one with a fast backend.",
            hint="convert it to tokenizer.json first",
        )
    if original.eos_token_id is None:
        raise DataError(
            f"tokenizer {path}: has no end-of-sequence token; documents could not be told apart.",
            hint="set eos_token in its tokenizer_config.json",
        )
    from tokenizers import Tokenizer as Backend

    # A copy: what is switched off below must not show in the tokenizer that is saved.
    text = backend.to_str()
    return _wrap("hf", Backend.from_str(text), text, int(original.eos_token_id), original)


def _wrap(
    kind: Literal["bpe", "hf"], backend: tokenizers.Tokenizer, text: str, eos_id: int, original: Any = None
) -> Tokenizer:
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "<|endoftext|>" inside a document is text
    vocab_size = max(backend.get_vocab(with_added_tokens=True).values()) + 1
    # The text is the tokenizer as it was written, so the hash outlives a new spelling by the library.
    # Truncation and padding are switched off here and do not count.
    document = {key: value for key, value in json.loads(text).items() if key not in ("truncation", "padding")}
    digest = content_hash([document, eos_id])
    return Tokenizer(kind, backend, vocab_size, eos_id, digest, original)
