"""Batches for K replicas: gathered on the device where the corpora fit, else on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dcpt.corpus.shards import TokenCorpus
from dcpt.train.inputs import Mixture

RESIDENT_SHARE = 0.25
"""Part of a device's free memory that the token streams may take; the rest is for weights and activations."""

_PIECE = 1 << 25


class ResidentTokens:
    """The training streams of some corpora, one behind the other in a device's memory.

    Tokens are stored in 16 bits where every stream is, else in 32; a gather gives 64-bit ids.

    Parameters
    ----------
    corpora : mapping of str to TokenCorpus
        By name.
    device : torch.device
        Where they are to lie.
    """

    def __init__(self, corpora: Mapping[str, TokenCorpus], device: torch.device) -> None:
        self.starts: dict[str, int] = {}
        total = 0
        for name, corpus in corpora.items():
            self.starts[name] = total
            total += len(corpus.train)
        self.narrow = all(corpus.train.dtype.itemsize == 2 for corpus in corpora.values())
        # torch gathers signed integers only; the bits are the same.
        self.flat = torch.empty(total, dtype=torch.int16 if self.narrow else torch.int32, device=device)
        for name, corpus in corpora.items():
            for first in range(0, len(corpus.train), _PIECE):
                piece = np.asarray(corpus.train[first : first + _PIECE])
                signed = piece.astype("<u2").view("<i2") if self.narrow else piece.astype("<i4")
                place = self.starts[name] + first
                self.flat[place : place + len(signed)] = torch.from_numpy(signed).to(device)

    @staticmethod
    def bytes_needed(corpora: Mapping[str, TokenCorpus]) -> int:
        """Bytes the streams of some corpora take on a device."""
        width = 2 if all(corpus.train.dtype.itemsize == 2 for corpus in corpora.values()) else 4
        return width * sum(len(corpus.train) for corpus in corpora.values())

    def place(self, mixture: Mixture, context: int, first: int, count: int) -> NDArray[np.int64]:
        """First token, in the streams laid end to end, of so many sequences of a run.

        Returns
        -------
        ndarray of int64, shape (count,)
        """
        corpus, window = mixture.sampler.sequences(first, count)
        starts = np.array([self.starts[name] for name in mixture.sampler.names], dtype=np.int64)
        places: NDArray[np.int64] = starts[corpus] + window * context
        return places

    def gather(self, places: torch.Tensor, context: int) -> torch.Tensor:
        """Token ids from each place on.

        Parameters
        ----------
        places : Tensor of int64, shape (...,)
            As `place` gives them, on the device.
        context : int
            Tokens predicted per sequence.

        Returns
        -------
        Tensor of int64, shape (..., context + 1)
        """
        index = places[..., None] + torch.arange(context + 1, device=places.device)
        tokens = self.flat[index].to(torch.int64)
        return tokens & 0xFFFF if self.narrow else tokens


def drawn_corpora(corpora: Mapping[str, TokenCorpus], mixtures: Sequence[Mixture]) -> dict[str, TokenCorpus]:
    """Those of the corpora that some of the mixtures may draw from."""
    names = {name for mixture in mixtures for name in mixture.sampler.names}
    return {name: corpus for name, corpus in corpora.items() if name in names}


def places_of_steps(
    resident: ResidentTokens, mixtures: Sequence[Mixture], context: int, batch: int, first: int, last: int
) -> NDArray[np.int64]:
    """Where the sequences of the steps `first` to `last` (both included, from 1) of each run begin.

    Returns
    -------
    ndarray of int64, shape (steps, K, batch)
    """
    steps = last - first + 1
    rows = [
        resident.place(mixture, context, (first - 1) * batch, steps * batch).reshape(steps, batch)
        for mixture in mixtures
    ]
    return np.stack(rows, axis=1)


def gather_on_host(mixtures: Sequence[Mixture], step: int, device: torch.device) -> torch.Tensor:
    """Token ids of one step of each run, shape (K, batch, context + 1), on the device."""
    tokens = torch.from_numpy(np.stack([mixture.batch(step) for mixture in mixtures]))
    if device.type == "cuda":
        return tokens.pin_memory().to(device, non_blocking=True)
    return tokens


_kept: tuple[tuple[object, ...], ResidentTokens] | None = None


def resident_tokens(corpora: Mapping[str, TokenCorpus], device: torch.device) -> ResidentTokens | None:
    """The corpora on a device, or None on the CPU and where they do not fit; the latest ones stay there."""
    global _kept
    if device.type != "cuda":
        return None
    key = (str(device), *((name, corpus.info.train.sha256) for name, corpus in sorted(corpora.items())))
    if _kept is not None and _kept[0] == key:
        return _kept[1]
    _kept = None
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    if ResidentTokens.bytes_needed(corpora) > RESIDENT_SHARE * free:
        return None
    tokens = ResidentTokens(corpora, device)
    _kept = key, tokens
    return tokens
