"""The mixture as a pure function: which window of which corpus is sequence number i of a run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixtureSpec
from dcpt.core.symbols import DOMAIN
from dcpt.corpus.apportion import Apportionment, SegmentedApportionment
from dcpt.corpus.shuffle import Indices, Permutation, key_of, random_rows, random_words

# Blocks are made many at a time, which costs little more than one: so many sequences, and at most so many
# blocks. Reading a run batch by batch touches a block several times; a few chunks stay in memory.
_CHUNK_SEQUENCES, _CHUNK_BLOCKS = 4096, 64
_KEPT_CHUNKS = 4


class MixtureSampler:
    """Sequences of a mixture, in order, at random access.

    Counts per corpus are exact at the end of every block (see `Apportionment`); inside a block the corpora
    come in a seeded random order, phase by phase. A corpus hands out its windows in a seeded order that
    depends on its name, its pool and the seed and not on the shares: runs of different ratios meet the same
    windows in the same order, and the places that few domain sequences take in a block are among those that
    more of them take. No window comes twice before its pool is used up; then a new order begins.

    The phases of a mixture with `reweighting` begin at ends of blocks and are apportioned one by one (see
    `SegmentedApportionment`): with a phase added, every sequence before it is the same.

    Parameters
    ----------
    spec : MixtureSpec
        What to mix.
    windows : mapping
        Corpus name to its number of windows at the run's context length.

    Attributes
    ----------
    names : tuple of str
        Corpora in the order the index arrays refer to: the domain side by name, then the general side.
    pools : dict
        Corpus name to the number of distinct windows this run may use.

    Raises
    ------
    ConfigError
        When a corpus has no window count, `skip` or `limit` is out of range or names an unknown corpus, or a
        corpus with a positive share has no window left; when a mixture with `reweighting` has a phase that
        begins inside a block.
    """

    def __init__(self, spec: MixtureSpec, windows: Mapping[str, int]) -> None:
        self.spec = spec
        kind = Apportionment if spec.reweighting is None else SegmentedApportionment
        self._apportionment = kind(spec)
        self.names: tuple[str, ...] = self._apportionment.names
        _check(spec, windows)
        self.windows: dict[str, int] = {name: int(windows[name]) for name in self.names}
        self.pools: dict[str, int] = {}
        for name in self.names:
            left = max(self.windows[name] - spec.skip.get(name, 0), 0)
            self.pools[name] = min(left, spec.limit.get(name, left))
            if not self.pools[name] and any(phase.shares[name] > 0 for phase in spec.phases):
                raise ConfigError(
                    f"mixture: corpus {name} has no window left ({self.windows[name]} windows, "
                    f"{spec.skip.get(name, 0)} held back); wanted at least 1 for a share above 0.",
                    hint="use a larger corpus or a shorter base run, or give the corpus a share of 0",
                )
        self._held_back = {
            name: Permutation(self.windows[name], _order_key(spec.skip_seed, name, 0))
            for name in self.names
            if spec.skip.get(name, 0) and self.pools[name]
        }
        # Which windows a limited supply consists of is the same for every seed, and a smaller supply is
        # part of a larger one.
        self._supply = {
            name: Permutation(left, key_of("supply", name))
            for name in self.names
            if self.pools[name] and self.pools[name] < (left := self.windows[name] - spec.skip.get(name, 0))
        }
        self._orders: dict[str, tuple[int, Permutation]] = {}
        self._per_chunk = max(1, min(_CHUNK_BLOCKS, _CHUNK_SEQUENCES // spec.block))
        self._chunks: OrderedDict[int, tuple[Indices, Indices]] = OrderedDict()

    def counts(self, sequences: int) -> dict[str, int]:
        """Sequences of each corpus among the first `sequences` of the run.

        They grow with `sequences` and sum to it. At the end of a block or phase each is within half a
        sequence of share times sequences for two corpora; inside a block the random order decides.

        Parameters
        ----------
        sequences : int
            0 or more.
        """
        _check_range(0, sequences)
        start = max(
            boundary
            for boundary in self._segment_starts(sequences // self.spec.block)
            if boundary <= sequences
        )
        counts = np.array(self._apportionment.counts(start), dtype=np.int64)
        if start < sequences:
            corpus, _ = self.sequences(start, sequences - start)
            counts += np.bincount(corpus, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=True))

    def target(self, sequences: int) -> dict[str, Fraction]:
        """Share times sequences of each corpus, summed over phases: what `counts` approximates."""
        _check_range(0, sequences)
        return dict(zip(self.names, self._apportionment.target(sequences), strict=True))

    def block(self, index: int) -> tuple[Indices, Indices]:
        """Sequences ``index * spec.block`` to ``(index + 1) * spec.block - 1``.

        Parameters
        ----------
        index : int
            0 or more.

        Returns
        -------
        corpus : ndarray of int64, shape (spec.block,)
            Positions in ``names``. Read-only.
        window : ndarray of int64, shape (spec.block,)
            Window of that corpus. Read-only.
        """
        _check_range(index, index)
        number, place = divmod(index, self._per_chunk)
        if number in self._chunks:
            self._chunks.move_to_end(number)
        else:
            corpus, window = self._make_chunk(number * self._per_chunk)
            corpus.flags.writeable = window.flags.writeable = False
            self._chunks[number] = corpus, window
            if len(self._chunks) > _KEPT_CHUNKS:
                self._chunks.popitem(last=False)
        corpus, window = self._chunks[number]
        return corpus[place], window[place]

    def sequences(self, first: int, count: int) -> tuple[Indices, Indices]:
        """Sequences ``first`` to ``first + count - 1``, across blocks.

        Returns
        -------
        corpus, window : ndarray of int64, shape (count,)
            As `block` gives them. May be read-only.
        """
        _check_range(first, first + count)
        size = self.spec.block
        parts = []
        position, end = first, first + count
        while position < end:
            index, offset = divmod(position, size)
            stop = min(size, offset + end - position)
            corpus, window = self.block(index)
            parts.append((corpus[offset:stop], window[offset:stop]))
            position += stop - offset
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def epochs(self, sequences: int) -> dict[str, float]:
        """Passes over each corpus' pool after the first `sequences`; 0 for a corpus without sequences."""
        counts = self.counts(sequences)
        return {name: counts[name] / self.pools[name] if counts[name] else 0.0 for name in self.names}

    def r_seen(self, first: int, last: int) -> float:
        """Domain share of the sequences ``first`` (included) to ``last`` (excluded).

        Raises
        ------
        ConfigError
            When the range is empty.
        """
        _check_range(first, last)
        if first == last:
            raise ConfigError(f"mixture: no sequence from {first} to {last}; wanted at least one.")
        before, after = self.counts(first), self.counts(last)
        domain = sum(after[name] - before[name] for name in self.names if self.spec.roles[name] == DOMAIN)
        return domain / (last - first)

    def _segment_starts(self, block: int) -> list[int]:
        """First sequence of the block and of each phase that begins inside it."""
        first, end = block * self.spec.block, (block + 1) * self.spec.block
        return [first, *(phase.start for phase in self.spec.phases if first < phase.start < end)]

    def _make_chunk(self, first: int) -> tuple[Indices, Indices]:
        """Blocks from `first` on; each of shape (blocks, spec.block)."""
        size, blocks = self.spec.block, range(first, first + self._per_chunk)
        starts = [start for block in blocks for start in self._segment_starts(block)]
        bounds = np.array([*starts, blocks.stop * size])
        counts = np.array([self._apportionment.counts(bound) for bound in bounds.tolist()], dtype=np.int64)
        numbers = np.diff(counts, axis=0)
        corpus = np.empty(len(blocks) * size, dtype=np.int64)
        # Corpora in order, as often as each comes in its part; then every part in its random order.
        ordered = np.repeat(np.tile(np.arange(len(self.names)), len(starts)), numbers.ravel())
        keys = [key_of("block", self.spec.seed, start) for start in starts]
        if len(starts) == len(blocks):
            order = np.argsort(random_rows(keys, size), axis=1, kind="stable")
            np.put_along_axis(corpus.reshape(-1, size), order, ordered.reshape(-1, size), axis=1)
        else:  # a phase begins inside a block, which then has more than one part
            for key, start, end in zip(keys, bounds - starts[0], bounds[1:] - starts[0], strict=False):
                order = start + np.argsort(random_words(key, end - start), kind="stable")
                corpus[order] = ordered[start:end]
        window = np.empty_like(corpus)
        for place, name in enumerate(self.names):
            total = int(counts[-1, place] - counts[0, place])
            if total:
                window[corpus == place] = self._windows_of(name, int(counts[0, place]), total)
        return corpus.reshape(-1, size), window.reshape(-1, size)

    def _windows_of(self, name: str, first: int, count: int) -> Indices:
        """Windows that sequences ``first`` to ``first + count - 1`` of this corpus use."""
        pool = self.pools[name]
        epoch, place = np.divmod(np.arange(first, first + count, dtype=np.int64), pool)
        for number in range(int(epoch[0]), int(epoch[-1]) + 1):
            inside = epoch == number
            place[inside] = self._order(name, number)(place[inside])
        if name in self._supply:
            place = self._supply[name](place)
        if name in self._held_back:
            place = self._held_back[name](place + self.spec.skip[name])
        return place

    def _order(self, name: str, epoch: int) -> Permutation:
        kept = self._orders.get(name)
        if kept is None or kept[0] != epoch:
            order = Permutation(self.pools[name], _order_key(self.spec.seed, name, epoch))
            kept = self._orders[name] = (epoch, order)
        return kept[1]


def _order_key(seed: int, name: str, epoch: int) -> int:
    return key_of("order", seed, name, epoch)


def _check(spec: MixtureSpec, windows: Mapping[str, int]) -> None:
    missing = sorted(set(spec.roles) - set(windows))
    if missing:
        raise ConfigError(f"mixture: no number of windows for corpus {missing[0]}; got {sorted(windows)}.")
    for name in spec.roles:
        if windows[name] < 0:
            raise ConfigError(f"mixture: corpus {name} has {windows[name]} windows; wanted 0 or more.")
    if spec.reweighting is not None:
        for phase in spec.phases:
            if phase.start % spec.block:
                raise ConfigError(
                    f"mixture: a reweighted phase starts at sequence {phase.start}; "
                    f"wanted the end of a block of {spec.block}."
                )
    for field, least in (("skip", 0), ("limit", 1)):
        for name, number in getattr(spec, field).items():
            if name not in spec.roles:
                raise ConfigError(f"mixture: {field} names {name}; wanted one of {sorted(spec.roles)}.")
            if number < least:
                raise ConfigError(f"mixture: {field} of corpus {name} is {number}; wanted {least} or more.")


def _check_range(first: int, last: int) -> None:
    if first < 0 or last < first:
        raise ConfigError(f"mixture: sequences {first} to {last}; wanted 0 <= first <= last.")
