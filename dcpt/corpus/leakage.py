"""Held-out text that also stands in the training text: word n-gram overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dcpt.corpus.shards import Leakage
from dcpt.corpus.shuffle import random_words

# 13 words: the n-gram length of the contamination study of Brown et al. 2020 (arXiv:2005.14165, appendix C).
NGRAM_WORDS = 13

# Training words hashed at a time, which bounds the memory; one document is never parted.
_BATCH_WORDS = 1 << 18

_Hashes = npt.NDArray[np.uint64]


def measure_leakage(
    heldout: Mapping[str, Sequence[str]],
    train: Mapping[str, Iterable[str]],
    duplicates_removed: Mapping[str, int],
) -> dict[str, Leakage]:
    """Share of the held-out word 13-grams that occur in the training documents, own and others'.

    Words are what white space parts, compared as written. A document of fewer than 13 words has no n-gram;
    text without spaces has few. Hashes of 64 bits stand for the n-grams, so the chance that any of 10**8
    comparisons is wrong is below 10**-6 for up to 10**5 distinct held-out n-grams.

    Parameters
    ----------
    heldout : mapping of str to sequence of str
        Held-out documents of each corpus to measure.
    train : mapping of str to iterable of str
        Training documents of every corpus, those to measure among them; read once, not kept.
    duplicates_removed : mapping of str to int
        Training documents of each corpus left out before, as held out word for word; goes into the result.

    Returns
    -------
    dict
        One entry for each corpus in `heldout`.
    """
    vocabulary: dict[str, int] = {}
    for documents in heldout.values():
        for document in documents:
            for word in document.split():
                vocabulary.setdefault(word, len(vocabulary) + 1)
    # Number 0 stands for every word that is not held out, and for the gap between two documents.
    values = random_words(0, len(vocabulary) + 1)
    hashes = {
        name: [_ngrams([vocabulary[word] for word in text.split()], values) for text in documents]
        for name, documents in heldout.items()
    }
    known = np.unique(_joined([row for rows in hashes.values() for row in rows]))
    seen = {name: _seen(known, documents, vocabulary, values) for name, documents in train.items()}
    return {name: _report(name, rows, known, seen, duplicates_removed[name]) for name, rows in hashes.items()}


def _seen(
    known: _Hashes, documents: Iterable[str], vocabulary: dict[str, int], values: _Hashes
) -> npt.NDArray[np.bool_]:
    """Which of the known n-grams stand in the documents."""
    seen = np.zeros(len(known), dtype=np.bool_)
    if len(known):
        for words in _batches(documents, vocabulary):
            hashes = _ngrams(words, values)
            place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            seen[place[known[place] == hashes]] = True
    return seen


def _report(
    name: str,
    hashes: list[_Hashes],
    known: _Hashes,
    seen: Mapping[str, npt.NDArray[np.bool_]],
    duplicates_removed: int,
) -> Leakage:
    where = np.searchsorted(known, _joined(hashes))
    hits = seen[name][where]
    ends = np.cumsum([len(row) for row in hashes], dtype=np.int64)
    shares = [
        float(hits[end - len(row) : end].mean())
        for row, end in zip(hashes, ends.tolist(), strict=True)
        if len(row)
    ]
    others = [marks for other, marks in seen.items() if other != name]
    return Leakage(
        words=NGRAM_WORDS,
        ngrams=len(where),
        overlap=float(hits.mean()) if len(where) else None,
        documents_over_half=sum(share > 0.5 for share in shares),
        duplicates_removed=duplicates_removed,
        overlap_others=float(np.any(others, axis=0)[where].mean()) if len(where) and others else None,
    )


def _joined(hashes: list[_Hashes]) -> _Hashes:
    return np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint64)


def _batches(documents: Iterable[str], vocabulary: dict[str, int]) -> Iterator[list[int]]:
    words: list[int] = []
    for text in documents:
        words += [vocabulary.get(word, 0) for word in text.split()]
        words.append(0)
        if len(words) >= _BATCH_WORDS:
            yield words
            words = []
    if words:
        yield words


def _ngrams(words: Sequence[int], values: _Hashes) -> _Hashes:
    """Hash of each run of 13 words: a polynomial of the words' random values, modulo 2**64."""
    count = len(words) - NGRAM_WORDS + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    row = values[np.asarray(words, dtype=np.int64)]
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(NGRAM_WORDS):
        hashes = hashes * _BASE + row[offset : offset + count]
    return hashes


# Any odd multiplier keeps the words' order apart; this one is Knuth's for 64-bit linear generators
# (The Art of Computer Programming, vol. 2, section 3.3.4).
_BASE = np.uint64(6364136223846793005)
