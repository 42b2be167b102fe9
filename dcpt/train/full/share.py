"""Which sequences of a step are a process's own: a function of step, rank and number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from dcpt.corpus.batches import BatchReader
from dcpt.corpus.shards import TokenCorpus
from dcpt.train.inputs import Mixture


def share_bounds(sequences: int, rank: int, size: int) -> tuple[int, int]:
    """First sequence of a rank's part and the one after its last; the parts differ by one at most."""
    return sequences * rank // size, sequences * (rank + 1) // size


class RankBatches:
    """A rank's part of every batch: the same sequences of the run whatever the number of processes.

    Parameters
    ----------
    corpora : mapping
        Corpus name to the open corpus.
    mixture : Mixture
        The run's batches and their sampler.
    batch : int
        Sequences per step of the whole run.
    rank, size : int
        Number of this process and of all.
    """

    def __init__(
        self, corpora: Mapping[str, TokenCorpus], mixture: Mixture, batch: int, rank: int, size: int
    ) -> None:
        self.mixture, self.rank, self.size = mixture, rank, size
        self.first, self.last = share_bounds(batch, rank, size)
        # Equal parts are read without the rest of the batch: part `rank` of step t is number
        # (t - 1) * size + rank + 1 of batches of that size.
        self._own = None
        if batch % size == 0:
            reader = mixture.reader
            self._own = BatchReader(corpora, mixture.sampler, reader.context, batch // size)

    def batch(self, step: int) -> NDArray[np.int64]:
        """Token ids of this rank's sequences of a step, shape (own sequences, context + 1)."""
        if self._own is not None:
            return self._own.batch((step - 1) * self.size + self.rank + 1)
        return self.mixture.batch(step)[self.first : self.last]


def split_rows(rows: NDArray[np.int64], micro: int, most: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """A rank's sequences in passes of `micro`, with how many of each count.

    Every rank makes as many passes as the one with the `most` sequences needs, because layers are gathered
    together: where a rank has run out, a pass repeats a sequence and none counts.

    Yields
    ------
    rows : ndarray, shape (up to micro, context + 1)
    count : int
        Of the first so many the loss counts.
    """
    for first in range(0, most, micro):
        part = rows[first : first + micro]
        if len(part):
            yield part, len(part)
        else:
            yield np.zeros((1, rows.shape[1]), dtype=rows.dtype), 0
