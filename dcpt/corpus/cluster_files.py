"""The files of a clustered corpus: one of JSON lines per cluster, its name, its size."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from dcpt.core.errors import DataError
from dcpt.corpus.cluster_centres import Labels

if TYPE_CHECKING:
    from dcpt.corpus.tokenizer import Tokenizer

_NAME_WORDS = 3
_EXCERPT_BYTES = 200_000
"""Text of each cluster whose tokens are counted; those of the rest are taken in proportion to bytes."""
_TRAINING_BYTES = 2_000_000
_VOCABULARIES = (1024, 512, 300, 257)
"""Of the tokenizer then trained: the default of a sweep, or less where the text is too short for it."""


@dataclass
class Size:
    """Documents and UTF-8 bytes of a cluster."""

    documents: int = 0
    bytes: int = 0


class ClusterWriter:
    """Writes the documents of each cluster to a gzip file of JSON lines; none is there before all are whole.

    Parameters
    ----------
    folder : path
        Where the files go; made when absent.
    names : sequence of str
        Names of the clusters.
    old : sequence of str
        Files of an earlier clustering in that folder, to be removed.
    """

    def __init__(self, folder: Path, names: Sequence[str], old: Sequence[str] = ()) -> None:
        self.folder, self.names, self._old = folder, list(names), tuple(old)
        self.sizes = [Size() for _ in names]
        self.excerpts: list[list[str]] = [[] for _ in names]
        self._unfinished = folder / ".unfinished"
        self._files: list[IO[bytes]] = []
        self._raw: list[IO[bytes]] = []

    @staticmethod
    def file_name(name: str) -> str:
        """File of a cluster."""
        return f"{name}.jsonl.gz"

    def __enter__(self) -> Self:
        try:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            self._unfinished.mkdir(parents=True)
            for name in self.names:
                # No time and no name in the header: the same documents give the same bytes.
                raw = open(self._unfinished / self.file_name(name), "wb")
                self._raw.append(raw)
                self._files.append(gzip.GzipFile("", "wb", 6, raw, mtime=0))  # type: ignore[arg-type]
        except OSError as error:
            raise _refused(self.folder, error) from error
        return self

    def write(self, documents: Sequence[str], labels: Labels) -> None:
        """Append documents to their clusters."""
        try:
            for document, label in zip(documents, labels.tolist(), strict=True):
                size = self.sizes[label]
                length = len(document.encode("utf-8"))
                if size.bytes < _EXCERPT_BYTES:
                    self.excerpts[label].append(document)
                size.documents += 1
                size.bytes += length
                line = json.dumps({"text": document}, ensure_ascii=False) + "\n"
                self._files[label].write(line.encode("utf-8"))
        except OSError as error:
            raise _refused(self.folder, error) from error

    def finish(self) -> None:
        """Put the whole files in their place; those of an earlier clustering go."""
        try:
            self._close()
            for name in self._old:
                (self.folder / name).unlink(missing_ok=True)
            for name in self.names:
                (self._unfinished / self.file_name(name)).replace(self.folder / self.file_name(name))
        except OSError as error:
            raise _refused(self.folder, error) from error

    def _close(self) -> None:
        for file in (*self._files, *self._raw):
            file.close()
        self._files, self._raw = [], []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        shutil.rmtree(self._unfinished, ignore_errors=True)


def names_of(terms: Sequence[Sequence[str]]) -> list[str]:
    """Names of clusters from their top terms, as a corpus may be called: ``c1-court-person-law``.

    Letters outside a to z lose their marks or go; a cluster whose words all go keeps its number.

    Examples
    --------
    >>> names_of([["théorème", "module"], ["\u6cd5"]])
    ['c1-theoreme-module', 'c2']
    """
    names = []
    for number, words in enumerate(terms, start=1):
        plain = [
            re.sub(
                r"[^a-z0-9]",
                "",
                unicodedata.normalize("NFKD", word.lower()).encode("ascii", "ignore").decode(),
            )
            for word in words
        ]
        named = [word[:15] for word in plain if word][:_NAME_WORDS]
        names.append("-".join([f"c{number}", *named]))
    return names


def count_tokens(
    tokenizer: str | None,
    sample: Sequence[str],
    excerpts: Sequence[Sequence[str]],
    sizes: Sequence[Size],
    root: Path,
) -> tuple[list[int], str]:
    """Tokens of each cluster, by the tokens per byte of its first documents.

    Parameters
    ----------
    tokenizer : str, optional
        Folder of a tokenizer; None trains a byte-level BPE on a part of the sample.
    sample : sequence of str
        Documents of all clusters.
    excerpts : sequence of sequence of str
        Some documents of each cluster.
    sizes : sequence of Size
        Of the clusters.
    root : path
        Folder that a relative path of the tokenizer starts at.

    Returns
    -------
    tuple of list of int and str
        Tokens of each cluster, one per document for its end included, and what was counted, in words.
    """
    from dcpt.corpus.spec import TokenizerSpec
    from dcpt.corpus.tokenizer import load_tokenizer

    if tokenizer is not None:
        made = load_tokenizer(TokenizerSpec(kind="hf", path=tokenizer), root)
    else:
        text, total = [], 0
        for document in sample:
            if total > _TRAINING_BYTES:
                break
            text.append(document)
            total += len(document)
        made = _train(text)
    tokens = []
    for some, size in zip(excerpts, sizes, strict=True):
        counted = sum(len(ids) for ids in made.encode_batch(some))
        read = sum(len(document.encode("utf-8")) for document in some)
        tokens.append(round(counted / max(read, 1) * size.bytes) + size.documents)
    named = tokenizer or f"byte-level BPE of {made.vocab_size} trained on the sample"
    return tokens, f"{named}; tokens per byte of the first {_EXCERPT_BYTES // 1000} kB of each cluster"


def _train(text: Sequence[str]) -> Tokenizer:
    from dcpt.corpus.tokenizer import train_bpe

    for size in _VOCABULARIES[:-1]:
        with suppress(DataError):
            return train_bpe(text, size)
    return train_bpe(text, _VOCABULARIES[-1])


def _refused(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder}: could not be written: {error.strerror or error}.")
