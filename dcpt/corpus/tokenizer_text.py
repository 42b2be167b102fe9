"""The text a tokenizer is trained on: as much of the general side as of the domain side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dcpt.core.symbols import ROLES
from dcpt.corpus.documents import PartedDocuments

# Text of one side the tokenizer sees at most. A 1k vocabulary is settled long before; 10 MB of each side
# train in under 10 s on one core.
SIDE_BYTES = 10_000_000


def tokenizer_text(corpora: Sequence[PartedDocuments], side_bytes: int = SIDE_BYTES) -> Iterator[str]:
    """Training documents for the tokenizer, the two sides in equal bytes.

    The documents of a side's corpora are taken in the order of their hashes, so each corpus counts by its
    size, up to `side_bytes` or the size of the smaller side; they come corpus by corpus. With one side only,
    that side alone is taken. Held-out documents are never among them.

    Parameters
    ----------
    corpora : sequence of PartedDocuments
        All corpora of the sweep.
    side_bytes : int
        UTF-8 bytes per side at most. The last document of a side may pass the limit.
    """
    sides = [[corpus for corpus in corpora if corpus.spec.role == role] for role in ROLES]
    totals = [sum(sum(corpus.train_sizes) for corpus in side) for side in sides if side]
    limit = min([side_bytes, *totals])
    for side in sides:
        chosen: list[list[int]] = [[] for _ in side]
        order = sorted(
            (digest, number, place)
            for number, corpus in enumerate(side)
            for place, digest in enumerate(corpus.train_digests)
        )
        total = 0
        for _, number, place in order:
            if total >= limit:
                break
            chosen[number].append(place)
            total += side[number].train_sizes[place]
        for corpus, places in zip(side, chosen, strict=True):
            yield from corpus.train_reader.at(corpus.train[np.array(sorted(places), dtype=np.int64)])
