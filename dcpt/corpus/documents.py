"""The documents of one corpus, parted into train and held out before any is tokenised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
        Documents left out of train because they are held out word for word.
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


def part_documents(spec: CorpusSpec, root: Path) -> PartedDocuments:
    """Read a corpus once and decide for every document which side of the split it is on.

    Parameters
    ----------
    spec : CorpusSpec
        The corpus.
    root : Path
        Folder that relative paths start at.

    Raises
    ------
    DataError
        When a document cannot be read, or nothing is left to train on or to hold out.
    """
    reader = DocumentReader(spec.source, root)
    digests: list[bytes] = []
    sizes: list[int] = []
    for document in reader:
        digests.append(document_digest(document))
        sizes.append(len(document.encode("utf-8")))
    dropped = Counter(reader.dropped)
    if spec.heldout is None:
        heldout_reader = reader
        parted = [digest_is_heldout(digest, spec.heldout_share) for digest in digests]
        heldout = [place for place, is_out in enumerate(parted) if is_out]
        train = [place for place, is_out in enumerate(parted) if not is_out]
        duplicates = 0
    else:
        heldout_reader = DocumentReader(spec.heldout, root)
        out_digests = [document_digest(document) for document in heldout_reader]
        dropped += heldout_reader.dropped
        heldout = list(range(len(out_digests)))
        known = frozenset(out_digests)
        train = [place for place, digest in enumerate(digests) if digest not in known]
        duplicates = len(digests) - len(train)
    if not heldout:
        raise DataError(
            f"corpus {spec.name}: no document of {len(digests)} is held out at share {spec.heldout_share}.",
            hint="raise heldout_share, or give a heldout source",
        )
    taken = take_under_caps(
        [digests[place] for place in train],
        [sizes[place] for place in train],
        spec.max_documents,
        spec.max_bytes,
    )
    dropped["over the cap"] = len(train) - len(taken)
    places = np.asarray(train, dtype=np.int64)[taken]
    if not len(places):
        raise DataError(
            f"corpus {spec.name}: none of {len(digests)} documents is left to train on "
            f"({len(heldout)} held out, {duplicates} duplicates, {dropped['over the cap']} over the cap).",
            hint="lower heldout_share, raise max_bytes, or cut the text into smaller documents",
        )
    return PartedDocuments(
        spec=spec,
        train_reader=reader,
        heldout_reader=heldout_reader,
        train=places,
        heldout=np.asarray(heldout, dtype=np.int64),
        train_digests=[digests[place] for place in places],
        train_sizes=[sizes[place] for place in places],
        duplicates_removed=duplicates,
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
    )
