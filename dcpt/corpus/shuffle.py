"""Seeded permutations computed element by element: nothing is stored, any part is read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

# Four rounds make a Feistel network of random functions a pseudo-random permutation (Luby and Rackoff 1988,
# SIAM J. Comput. 17:373); small halves need more, and eight cost 0.09 us per element in bulk.
_ROUNDS = 8
# Multipliers and shifts of the SplitMix64 finaliser (Steele, Lea and Flood 2014, OOPSLA, section 5, "Mix13").
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: str | int) -> int:
    """A 64-bit key from words and numbers: the same on every machine and Python.

    Parameters
    ----------
    *parts : str or int
        What the key depends on, in order.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")


def _mix(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))


def _round_keys(key: int) -> _Words:
    return np.array([key_of("round", key, number) for number in range(_ROUNDS)], dtype=np.uint64)


def random_words(key: int, count: int) -> _Words:
    """`count` pseudo-random 64-bit words of a key; shape (count,)."""
    return random_rows([key], count)[0]


def random_rows(keys: Sequence[int], count: int) -> _Words:
    """`random_words` of several keys; shape (keys, count)."""
    start = np.array(keys, dtype=np.uint64)[:, None]
    counter = np.arange(count, dtype=np.uint64)
    return _mix(_mix(start ^ np.uint64(0x9E3779B97F4A7C15)) + _mix(counter + np.uint64(1)))


class Permutation:
    """A bijection of 0 .. size - 1 chosen by a key.

    A Feistel network permutes the numbers of the fewest bits that hold `size` of them; a result outside
    the range is sent through again until it falls inside (cycle walking, fewer than two passes on average).

    Parameters
    ----------
    size : int
        Number of elements, at least 1.
    key : int
        64-bit key, see `key_of`.
    """

    def __init__(self, size: int, key: int) -> None:
        if not 1 <= size < 1 << 62:
            raise ValueError(f"a permutation of {size} elements; wanted 1 to 2**62 - 1")
        self.size = size
        bits = (size - 1).bit_length()
        self._low_bits = np.uint64(bits // 2)
        self._low_mask = np.uint64((1 << bits // 2) - 1)
        self._high_mask = np.uint64((1 << (bits - bits // 2)) - 1)
        self._keys = _round_keys(key)

    def _encrypt(self, words: _Words) -> _Words:
        low = words & self._low_mask
        high = words >> self._low_bits
        for number, key in enumerate(self._keys):
            if number % 2:
                low = low ^ (_mix(high + key) & self._low_mask)
            else:
                high = high ^ (_mix(low + key) & self._high_mask)
        return (high << self._low_bits) | low

    def __call__(self, positions: npt.ArrayLike) -> Indices:
        """Elements at these positions of the order.

        Parameters
        ----------
        positions : array_like of int
            Each in 0 .. size - 1.

        Returns
        -------
        ndarray of int64, same shape

        Raises
        ------
        IndexError
            When a position is outside the range.
        """
        array = np.asarray(positions, dtype=np.int64)
        if array.size and (array.min() < 0 or array.max() >= self.size):
            raise IndexError(f"positions {array.min()} to {array.max()}; wanted 0 to {self.size - 1}")
        words = self._encrypt(array.ravel().astype(np.uint64))
        outside = np.flatnonzero(words >= np.uint64(self.size))
        while outside.size:
            again = self._encrypt(words[outside])
            words[outside] = again
            outside = outside[again >= np.uint64(self.size)]
        return words.astype(np.int64).reshape(array.shape)
