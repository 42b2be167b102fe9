"""The documents of one corpus, parted into train and held out before any is tokenised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dcpt.core.errors import DataError
from dcpt.corpus.sources import describe, read_documents
from dcpt.corpus.spec import CorpusSpec, SourceSpec
from dcpt.corpus.split import digest_is_heldout, document_digest, take_under_caps

# A source below this many characters is read once and kept; a larger one is read again for every pass (to
# part it, to train the tokenizer, to write each of the two streams, to measure leakage).
_KEPT_CHARACTERS = 256 << 20

_NO_DIGESTS: frozenset[bytes] = frozenset()


class DocumentReader:
    """Documents of a source that can be read several times; small ones are read from disk once.

    Parameters
    ----------
    source : SourceSpec
        What to read.
    root : Path
        Folder that relative paths start at.
    """

    def __init__(self, source: SourceSpec, root: Path) -> None:
        self.source = source
        self.dropped: Counter[str] = Counter()
        self._root = root
        self._kept: list[str] | None = None

    def __iter__(self) -> Iterator[str]:
        if self._kept is not None:
            yield from self._kept
            return
        dropped: Counter[str] = Counter()
        kept: list[str] = []
        size = 0
        for document in read_documents(self.source, self._root, dropped):
            size += len(document)
            if size <= _KEPT_CHARACTERS:
                kept.append(document)
            else:
                kept.clear()
            yield document
        self.dropped = dropped
        if size <= _KEPT_CHARACTERS:
            self._kept = kept

    def at(self, positions: npt.NDArray[np.int64]) -> Iterator[str]:
        """Documents at these positions, which grow."""
        wanted = iter(positions.tolist())
        place = next(wanted, None)
        for number, document in enumerate(self):
            if place is None:
                return
            if number == place:
                yield document
                place = next(wanted, None)
        if place is not None:
            raise DataError(
                f"source {describe(self.source)}: has fewer documents than when it was first read.",
                hint="its files changed during the build; run the build again",
            )


@dataclass
class PartedDocuments:
    """Which documents of a corpus are trained on and which are held out.

    Parameters
    ----------
    spec : CorpusSpec
        The corpus.
    train_reader, heldout_reader : DocumentReader
        Where the documents are read; the same object when they are parted by hash.
    train, heldout : ndarray of int64
        Positions in those readers, growing.
    train_digests : list of bytes
        SHA-256 of each training document.
    train_sizes : list of int
        UTF-8 bytes of each training document.
    duplicates_removed : int
        Documents left out of train because a held-out source, or another corpus's held-out part, has them
        word for word.
    dropped : dict
        Documents read and not used, by reason.
    """

    spec: CorpusSpec
    train_reader: DocumentReader
    heldout_reader: DocumentReader
    train: npt.NDArray[np.int64]
    heldout: npt.NDArray[np.int64]
    train_digests: list[bytes]
    train_sizes: list[int]
    duplicates_removed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def train_documents(self) -> Iterator[str]:
        """Training documents, in the order of the source."""
        return self.train_reader.at(self.train)

    def heldout_documents(self) -> Iterator[str]:
        """Held-out documents, in the order of the source."""
        return self.heldout_reader.at(self.heldout)


@dataclass(frozen=True)
class ScannedDocuments:
    """What one reading of a corpus gives: the documents offered for training and those held out.

    Parameters
    ----------
    spec : CorpusSpec
        The corpus.
    train_reader, heldout_reader : DocumentReader
        Where the documents are read; the same object when they are parted by hash.
    digests : list of bytes
        SHA-256 of each document of the source.
    sizes : list of int
        UTF-8 bytes of each document of the source.
    offered : list of int
        Positions of the documents that this corpus does not hold out itself.
    heldout : list of int
        Positions, in their reader, of the documents held out.
    heldout_digests : frozenset of bytes
        SHA-256 of the documents held out.
    """

    spec: CorpusSpec
    train_reader: DocumentReader
    heldout_reader: DocumentReader
    digests: list[bytes]
    sizes: list[int]
    offered: list[int]
    heldout: list[int]
    heldout_digests: frozenset[bytes]


def scan_documents(spec: CorpusSpec, root: Path) -> ScannedDocuments:
    """Read a corpus once and decide which documents are held out.

    Parameters
    ----------
    spec : CorpusSpec
        The corpus.
    root : Path
        Folder that relative paths start at.

    Raises
    ------
    DataError
        When a document cannot be read, or none is held out.
    """
    reader = DocumentReader(spec.source, root)
    digests: list[bytes] = []
    sizes: list[int] = []
    for document in reader:
        digests.append(document_digest(document))
        sizes.append(len(document.encode("utf-8")))
    if spec.heldout is None:
        heldout_reader = reader
        places = range(len(digests))
        heldout = [place for place in places if digest_is_heldout(digests[place], spec.heldout_share)]
        known = frozenset(digests[place] for place in heldout)
        offered = [place for place in places if digests[place] not in known]
        if len(digests) == 1:
            raise DataError(
                f"corpus {spec.name}: is one document, which cannot be trained on and held out both.",
                hint="give a folder with a file per document, a jsonl file with a row per document, a longer "
                "text (one text file is cut at blank lines about every 4 kB), or a heldout source",
            )
        if not heldout:
            raise DataError(
                f"corpus {spec.name}: no document of {len(digests)} is held out "
                f"at share {spec.heldout_share}.",
                hint="raise heldout_share, or give a heldout source",
            )
    else:
        heldout_reader = DocumentReader(spec.heldout, root)
        out_digests = [document_digest(document) for document in heldout_reader]
        heldout = list(range(len(out_digests)))
        known = frozenset(out_digests)
        offered = list(range(len(digests)))
    return ScannedDocuments(spec, reader, heldout_reader, digests, sizes, offered, heldout, known)


def part_documents(
    scanned: ScannedDocuments, heldout_elsewhere: frozenset[bytes] = _NO_DIGESTS
) -> PartedDocuments:
    """Take the training documents of a corpus: under its caps, and held out nowhere.

    Parameters
    ----------
    scanned : ScannedDocuments
        The corpus, read once.
    heldout_elsewhere : frozenset of bytes
        SHA-256 of the documents that other corpora hold out.

    Raises
    ------
    DataError
        When nothing is left to train on.
    """
    spec, digests, sizes = scanned.spec, scanned.digests, scanned.sizes
    out = scanned.heldout_digests | heldout_elsewhere
    train = [place for place in scanned.offered if digests[place] not in out]
    duplicates = len(scanned.offered) - len(train)
    taken = take_under_caps(
        [digests[place] for place in train],
        [sizes[place] for place in train],
        spec.max_documents,
        spec.max_bytes,
    )
    dropped = Counter(scanned.train_reader.dropped)
    if scanned.heldout_reader is not scanned.train_reader:
        dropped += scanned.heldout_reader.dropped
    dropped["over the cap"] = len(train) - len(taken)
    places = np.asarray(train, dtype=np.int64)[taken]
    if not len(places):
        raise DataError(
            f"corpus {spec.name}: none of {len(digests)} documents is left to train on "
            f"({len(scanned.heldout)} held out, {duplicates} held out elsewhere word for word, "
            f"{dropped['over the cap']} over the cap).",
            hint="lower heldout_share, raise max_bytes, or cut the text into smaller documents",
        )
    return PartedDocuments(
        spec=spec,
        train_reader=scanned.train_reader,
        heldout_reader=scanned.heldout_reader,
        train=places,
        heldout=np.asarray(scanned.heldout, dtype=np.int64),
        train_digests=[digests[place] for place in places],
        train_sizes=[sizes[place] for place in places],
        duplicates_removed=duplicates,
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
    )


def part_corpora(specs: Sequence[CorpusSpec], root: Path) -> dict[str, PartedDocuments]:
    """Part every corpus such that what one holds out is training text of none.

    Parameters
    ----------
    specs : sequence of CorpusSpec
        The corpora, each name once.
    root : Path
        Folder that relative paths start at.

    Raises
    ------
    DataError
        As `scan_documents` and `part_documents`.
    """
    scans = [scan_documents(spec, root) for spec in specs]
    everywhere = frozenset().union(*(scanned.heldout_digests for scanned in scans))
    return {scanned.spec.name: part_documents(scanned, everywhere) for scanned in scans}
