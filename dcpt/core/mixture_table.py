"""Losses by mixture: which corpora, in which shares, gave which losses; one row per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.core.symbols import ROLES

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SUM_TOLERANCE = 0.01
"""How far a row of shares may sum from 1 before it is refused; what is nearer is divided by its sum.

Published mixtures are rounded to three digits, so 17 shares sum to 1 within 0.004 (RegMix's tables).
"""

SAME_MIXTURE = 1e-6
"""Shares that differ by less than this in every corpus are one mixture, trained again."""

LEAST_MIXTURES = 6
"""Distinct mixtures from which a predictor can be chosen by leaving mixtures out."""

SIZES = ("N", "D", "seed")
"""Columns of numbers a table of mixtures may have beside shares and losses; see `dcpt.core.symbols`."""


@dataclass(frozen=True)
class MixtureTable:
    """Losses of runs on mixtures of any number of corpora.

    The constructor checks the numbers; `dcpt.fit.mixtures.read_mixtures` reads files.

    Parameters
    ----------
    corpora : tuple of str, length p
        Names of the corpora, in the order of the columns of `shares`.
    targets : tuple of str, length k
        Names of the losses, in the order of the columns of `losses`.
    shares : ndarray, shape (n, p)
        Token share of each corpus in each run; rows sum to 1 (they are divided by their sum on
        construction, which must be within `SUM_TOLERANCE` of 1).
    losses : ndarray, shape (n, k)
        Loss of each run on each target, positive, in one unit per target.
    index : tuple of str, length n
        Name of each run; unique.
    N, D, seed : ndarray, shape (n,), optional
        Model size, training tokens and seed of each run, where they are known.
    sides : tuple of str, length p, optional
        Side of each corpus, ``general`` or ``domain``, where it is known.
    base : ndarray, shape (n, k), optional
        Loss on each target, before continual pre-training, of the model that each run began with.
    where : str
        The file, for messages.

    Raises
    ------
    DataError
        Naming file, run and column, what was found and what was wanted.

    Examples
    --------
    >>> MixtureTable(("web", "law"), ("law",), [[0.7, 0.3], [0.2, 0.8]], [[3.1], [2.9]], ("1", "2"))
    MixtureTable(2 runs, 2 corpora, 1 target)
    """

    corpora: tuple[str, ...]
    targets: tuple[str, ...]
    shares: Array
    losses: Array
    index: tuple[str, ...]
    N: Array | None = None
    D: Array | None = None
    seed: Array | None = None
    sides: tuple[str, ...] | None = None
    base: Array | None = None
    where: str = "table of mixtures"

    def __post_init__(self) -> None:
        for name in ("corpora", "targets", "index"):
            object.__setattr__(self, name, tuple(str(item) for item in getattr(self, name)))
            _check_unique(getattr(self, name), {"index": "run"}.get(name, name), self.where)
        shares = np.array(self.shares, dtype=np.float64)
        losses = np.array(self.losses, dtype=np.float64)
        rows = len(self.index)
        for name, array, names in (("shares", shares, self.corpora), ("losses", losses, self.targets)):
            if array.shape != (rows, len(names)):
                raise DataError(
                    f"{self.where}: {name} have the shape {array.shape}; "
                    f"wanted {rows} runs times {len(names)}."
                )
        if not rows or not self.targets or len(self.corpora) < 2:
            raise DataError(
                f"{self.where}: got {rows} runs, {len(self.corpora)} corpora and {len(self.targets)} "
                "targets; wanted at least one run, two corpora and one target."
            )
        _check_cells(self, losses, self.targets, "loss", losses <= 0, "a positive number")
        object.__setattr__(self, "shares", _frozen(normalised(self, shares)))
        object.__setattr__(self, "losses", _frozen(losses))
        for name in SIZES:
            self._check_size(name)
        self._check_sides()
        if self.base is not None:
            base = np.array(self.base, dtype=np.float64)
            if base.shape != losses.shape:
                raise DataError(
                    f"{self.where}: base losses have the shape {base.shape}; wanted {losses.shape}."
                )
            _check_cells(self, base, self.targets, "base loss", base <= 0, "a positive number")
            object.__setattr__(self, "base", _frozen(base))

    def _check_sides(self) -> None:
        if self.sides is None:
            return
        sides = tuple(map(str, self.sides))
        odd = [side for side in sides if side not in ROLES]
        if odd or len(sides) != len(self.corpora):
            got = f"{odd[0]!r} is one of the sides" if odd else f"there are {len(sides)} sides"
            raise DataError(
                f"{self.where}: {got}; wanted {' or '.join(ROLES)} for each of {len(self.corpora)} corpora."
            )
        object.__setattr__(self, "sides", sides)

    def _check_size(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            return
        values = np.array(values, dtype=np.float64)
        if values.shape != (len(self.index),):
            raise DataError(
                f"{self.where}: {name} has the shape {values.shape}; wanted one for each of "
                f"{len(self.index)} runs."
            )
        bad = ~np.isfinite(values) | ((values <= 0) if name != "seed" else False)
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(
                f"{self.where} run {self.index[at]}: {name} is {values[at]}; wanted a "
                f"{'number' if name == 'seed' else 'positive number'}."
            )
        object.__setattr__(self, name, _frozen(values))

    def rows(self, rows: ArrayLike) -> MixtureTable:
        """The runs at these positions (or under this mask), in this order, each once."""
        keep = np.arange(len(self))[np.asarray(rows)]
        arrays: dict[str, Any] = {
            name: None if (has := getattr(self, name)) is None else has[keep] for name in (*SIZES, "base")
        }
        names = tuple(self.index[row] for row in keep)
        return replace(self, shares=self.shares[keep], losses=self.losses[keep], index=names, **arrays)

    def only(self, targets: Sequence[str]) -> MixtureTable:
        """The same runs with these targets only.

        Raises
        ------
        DataError
            When there is no such target.
        """
        unknown = [name for name in targets if name not in self.targets]
        if unknown:
            raise DataError(
                f"{self.where}: target {unknown[0]!r} is not there; found {', '.join(self.targets)}."
            )
        columns = [self.targets.index(name) for name in targets]
        base = None if self.base is None else self.base[:, columns]
        return replace(self, targets=tuple(targets), losses=self.losses[:, columns], base=base)

    @property
    def mixtures(self) -> Integers:
        """Number of the mixture behind each run, shape (n,): runs that repeat one share its number."""
        rounded = np.round(self.shares / SAME_MIXTURE).astype(np.int64)
        return np.unique(rounded, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """Hash of the numbers and names, the same whatever the order of runs; stored with every fit."""
        order = np.argsort(np.array(self.index))
        sizes = [None if (has := getattr(self, name)) is None else has[order].tolist() for name in SIZES]
        rows = [self.shares[order].round(10).tolist(), self.losses[order].round(10).tolist(), *sizes]
        # Tables without them keep the hash they had.
        rows += [] if self.base is None else [self.base[order].round(10).tolist()]
        rows += [] if self.sides is None else [list(self.sides)]
        return files.content_hash([self.corpora, self.targets, sorted(self.index), rows])

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        word = "target" if len(self.targets) == 1 else "targets"
        return f"MixtureTable({len(self)} runs, {len(self.corpora)} corpora, {len(self.targets)} {word})"


def normalised(table: MixtureTable, shares: Array) -> Array:
    """Shares divided by their sums, which must be about 1.

    Raises
    ------
    DataError
        For a share that is missing or negative, and for a row that does not sum to about 1.
    """
    _check_cells(table, shares, table.corpora, "share", shares < 0, "a number from 0 to 1")
    sums = shares.sum(axis=1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        at = int(np.argmax(off))
        percent = abs(sums[at] / 100 - 1) <= SUM_TOLERANCE
        raise DataError(
            f"{table.where} run {table.index[at]}: the shares sum to {sums[at]:.6g}; "
            f"wanted 1 within {SUM_TOLERANCE:g} ({int(off.sum())} of {len(sums)} runs are like this).",
            hint="these are percentages: divide them by 100"
            if percent
            else "give every corpus of the run a column, and shares of tokens rather than weights",
        )
    return np.asarray(shares / sums[:, None], dtype=np.float64)


def _check_unique(names: tuple[str, ...], what: str, where: str) -> None:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise DataError(
        f"{where}: {what} {twice!r} stands twice; wanted each once.",
        hint="a mixture trained again needs a name of its own" if what == "run" else "rename one of them",
    )


def _check_cells(
    table: MixtureTable,
    values: Array,
    columns: Sequence[str],
    what: str,
    low: NDArray[np.bool_],
    wanted: str,
) -> None:
    bad = ~np.isfinite(values) | low
    if bad.any():
        row, column = (int(number) for number in np.argwhere(bad)[0])
        value = values[row, column]
        hint = "write 0 for a corpus that a run did not use" if what == "share" and np.isnan(value) else None
        got = "missing" if np.isnan(value) else f"{value:.6g}"
        raise DataError(
            f"{table.where} run {table.index[row]}: the {what} of {columns[column]} is {got}; "
            f"wanted {wanted}.",
            hint=hint,
        )


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
