"""Documents to a flat token stream on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from dcpt.core.errors import DataError
from dcpt.corpus.shards import SplitInfo, numpy_dtype, token_dtype
from dcpt.corpus.tokenizer import Tokenizer

# Text encoded at a time: enough to keep the tokenizer's threads busy, little memory.
_BATCH_BYTES = 1 << 20


def write_stream(
    path: Path,
    documents: Iterable[str],
    tokenizer: Tokenizer,
    progress: Callable[[int], None] | None = None,
) -> SplitInfo:
    """Write the documents' tokens to a file, each document followed by the end-of-sequence token.

    Parameters
    ----------
    path : Path
        File to write, in place: the caller moves it once it is whole.
    documents : iterable of str
        Their order is kept.
    tokenizer : Tokenizer
        Its vocabulary decides between 2 and 4 bytes per token.
    progress : callable, optional
        Called with the bytes of text done after every batch.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    dtype = numpy_dtype(token_dtype(tokenizer.vocab_size))
    digest = hashlib.sha256()
    count = tokens = text_bytes = 0
    try:
        with open(path, "wb") as file:
            for batch, size in _batches(documents):
                ids = tokenizer.encode_batch(batch)
                end = (tokenizer.eos_id,)
                data = np.fromiter(chain.from_iterable(chain(row, end) for row in ids), dtype=dtype).tobytes()
                file.write(data)
                digest.update(data)
                count += len(batch)
                tokens += len(data) // dtype.itemsize
                text_bytes += size
                if progress is not None:
                    progress(text_bytes)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DataError(
            f"{path}: could not be written: {error.strerror or error}.",
            hint="free some disk space or check the permissions, then run the same command again",
        ) from error
    return SplitInfo(count, tokens, text_bytes, digest.hexdigest())


def _batches(documents: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    batch: list[str] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.encode("utf-8"))
        if size >= _BATCH_BYTES:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size
