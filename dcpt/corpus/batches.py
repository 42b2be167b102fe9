"""Token batches of a run, and the fixed held-out windows every run is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcpt.core.errors import ConfigError, DataError
from dcpt.corpus.sampler import MixtureSampler
from dcpt.corpus.shards import Corpus, Split, TokenCorpus, Tokens

# A mean over fewer windows has no usable standard error (8 windows: the standard error itself is uncertain
# by 1 / sqrt(2 * 7), about 27 %).
LEAST_HELDOUT_WINDOWS = 8


class BatchReader:
    """Batches of token ids in the order of a mixture.

    Parameters
    ----------
    corpora : mapping
        Corpus name to the open corpus; every corpus of the mixture is there.
    sampler : MixtureSampler
        Made with the corpora's training windows at this context length.
    context : int
        Tokens predicted per sequence.
    batch : int
        Sequences per step.

    Raises
    ------
    ConfigError
        When the sampler was made for other window counts, or batch is below 1.
    """

    def __init__(
        self, corpora: Mapping[str, TokenCorpus], sampler: MixtureSampler, context: int, batch: int
    ) -> None:
        if batch < 1:
            raise ConfigError(f"batches: batch is {batch}; wanted at least 1 sequence.")
        for name in sampler.names:
            if name not in corpora:
                raise ConfigError(f"batches: corpus {name} of the mixture is missing; got {sorted(corpora)}.")
            count = corpora[name].n_windows(context)
            if count != sampler.windows[name]:
                raise ConfigError(
                    f"batches: corpus {name} has {count} windows at context {context}; "
                    f"the sampler was made for {sampler.windows[name]}."
                )
        # Plain arrays: each look into a memory map makes a new map object.
        self._streams = [np.asarray(corpora[name].train) for name in sampler.names]
        self._sampler = sampler
        self.context = context
        self.batch_size = batch

    def batch(self, step: int) -> npt.NDArray[np.int64]:
        """Token ids of a step: sequences ``(step - 1) * batch`` to ``step * batch - 1`` of the run.

        Parameters
        ----------
        step : int
            Counted from 1.

        Returns
        -------
        ndarray of int64, shape (batch, context + 1)
            Inputs are columns 0 to context - 1, targets columns 1 to context.
        """
        if step < 1:
            raise ConfigError(f"batches: step is {step}; wanted 1 or more.")
        corpus, window = self._sampler.sequences((step - 1) * self.batch_size, self.batch_size)
        tokens = np.empty((self.batch_size, self.context + 1), dtype=np.int64)
        length = self.context + 1
        starts = (window * self.context).tolist()
        for row, place, start in zip(tokens, corpus.tolist(), starts, strict=True):
            row[:] = self._streams[place][start : start + length]
        return tokens


def heldout_windows_available(corpus: Corpus, context: int) -> int:
    """Held-out windows of a corpus; an evaluation needs `LEAST_HELDOUT_WINDOWS`.

    Parameters
    ----------
    corpus : Corpus
        Its description.
    context : int
        Tokens predicted per window.
    """
    return max(0, corpus.heldout.tokens - 1) // context


def heldout_windows(
    corpus: TokenCorpus, context: int, count: int, split: Split = "heldout"
) -> npt.NDArray[np.int64]:
    """Evenly spaced windows of a split: the same ones every time.

    Parameters
    ----------
    corpus : TokenCorpus
        Where they are read.
    context : int
        Tokens predicted per window.
    count : int
        Windows wanted; all of them are taken when there are fewer.
    split : {"heldout", "train"}
        Stream to read.

    Returns
    -------
    ndarray of int64, shape (at most count, context + 1)

    Raises
    ------
    DataError
        When the split has fewer than `LEAST_HELDOUT_WINDOWS` windows.
    """
    if count < 1:
        raise ConfigError(f"corpus {corpus.info.name}: {count} held-out windows asked for; wanted 1 or more.")
    available = corpus.n_windows(context, split)
    if available < LEAST_HELDOUT_WINDOWS:
        raise DataError(
            f"corpus {corpus.info.name}: {split} has {available} windows of {context} tokens; "
            f"wanted at least {LEAST_HELDOUT_WINDOWS}.",
            hint="raise heldout_share, give a larger held-out source, or shorten the context",
        )
    taken = min(count, available)
    indices = np.arange(taken, dtype=np.int64) * available // taken
    stream: Tokens = getattr(corpus, split)
    return _gather(stream, indices, context).astype(np.int64)


def _gather(stream: Tokens, windows: npt.NDArray[np.int64], context: int) -> npt.NDArray[Any]:
    rows: npt.NDArray[Any] = stream[windows[:, None] * context + np.arange(context + 1)]
    return rows
