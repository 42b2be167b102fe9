"""Which law errs least on what it has not seen, and which ones the data cannot tell from it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit.baselines import BASELINES
from dcpt.fit.dataset import FitData, prepare
from dcpt.fit.held_out import (
    baseline_fitter,
    checked_side,
    hold_out,
    law_fitter,
    laws_of,
    rows_for,
    sets_of,
)
from dcpt.fit.ranking import COLUMNS, OVERALL, rank_models
from dcpt.fit.splits import DEFAULT, check_kinds, make_splits
from dcpt.fit.threads import one_thread
from dcpt.laws.law import Law

__all__ = ["OVERALL", "Tournament", "rank_laws", "run_tournament"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Tournament:
    """Laws and baselines ranked by their error on rows left out. Made by `run_tournament`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row for each evaluation set, kind of hold-out (and ``all``) and model, best first: eval_set,
        metric, unit, kind, model, law (whether it is one), parameters, splits, rows, mae, mape, bias,
        mae_fitted (of the fit to all rows), rank, difference (mae minus that of the best), lo and hi
        (its interval, infinite where one run only was left out), tie (the interval holds 0),
        unconverged (refits that stopped early).
    refused : mapping
        "law on set" (or "law on set, kind") to why it was not judged.
    level : float
        Probability of the intervals.
    delta : float, optional
        Huber threshold of the refits; None: each law's own.
    seed : int
        Seed of the intervals.
    fingerprint : str
        Hash of the loss table.
    """

    frame: pd.DataFrame
    refused: Mapping[str, str]
    level: float
    delta: float | None
    seed: int
    fingerprint: str

    @property
    def eval_sets(self) -> tuple[str, ...]:
        """Evaluation sets judged."""
        return tuple(dict.fromkeys(self.frame["eval_set"]))

    def ranking(self, eval_set: str, kind: str | None = None) -> pd.DataFrame:
        """Rows of `frame` of one set and kind (by default over all kinds), best first.

        Raises
        ------
        ConfigError
            When nothing was judged under these names.
        """
        rows = self.frame[self.frame["eval_set"] == eval_set]
        if not len(rows):
            raise ConfigError(
                f"tournament: {eval_set!r} was not judged; there are {', '.join(self.eval_sets)}."
            )
        kind = str(rows["kind"].iloc[-1]) if kind is None else kind
        found = rows[rows["kind"] == kind].reset_index(drop=True)
        if not len(found):
            kinds = list(dict.fromkeys(rows["kind"]))
            close = difflib.get_close_matches(kind, kinds, n=1)
            raise ConfigError(
                f"tournament: no model was judged on {kind!r} of {eval_set!r}; there are {', '.join(kinds)}.",
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
        return found

    def winner(self, eval_set: str, kind: str | None = None, *, laws_only: bool = False) -> str:
        """The model of the least error; a baseline may win, unless laws only are asked for.

        Raises
        ------
        ConfigError
            When nothing, or no law, was judged under these names.
        """
        rows = self.ranking(eval_set, kind)
        rows = rows[rows["law"]] if laws_only else rows
        if not len(rows):
            raise ConfigError(f"tournament: no law was judged on {kind or OVERALL!r} of {eval_set!r}.")
        return str(rows["model"].iloc[0])

    def tied(self, eval_set: str, kind: str | None = None) -> tuple[str, ...]:
        """Models that cannot be told from the winner, which is not among them."""
        rows = self.ranking(eval_set, kind)[1:]
        return tuple(rows.loc[rows["tie"], "model"])

    def summary(self) -> str:
        """A table of errors for each evaluation set, and the winner in words."""
        from dcpt.fit.tournament_text import tournament_text

        return tournament_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ends of intervals that are not finite are null."""
        rows = [
            {
                str(name): None if isinstance(value, float) and not np.isfinite(value) else value
                for name, value in row.items()
            }
            for row in self.frame.to_dict("records")
        ]
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "tournament",
            "level": self.level,
            "delta": self.delta,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "winners": {name: self._winners(name) for name in self.eval_sets},
            "refused": dict(self.refused),
            "rows": rows,
        }

    def _winners(self, eval_set: str) -> dict[str, dict[str, Any]]:
        kinds = dict.fromkeys(self.frame.loc[self.frame["eval_set"] == eval_set, "kind"])
        return {
            kind: {"model": self.winner(eval_set, kind), "tied": list(self.tied(eval_set, kind))}
            for kind in kinds
        }

    def __repr__(self) -> str:
        best = ", ".join(f"{self.winner(name)} on {name}" for name in self.eval_sets)
        return f"Tournament({self.frame['model'].nunique()} models; best: {best})"


def run_tournament(
    table: LossTable,
    eval_sets: str | Sequence[str] | None = None,
    laws: str | Law | Sequence[str | Law] = "auto",
    splits: Sequence[str] = DEFAULT,
    *,
    metric: str = "loss",
    corners: bool = False,
    delta: float | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Tournament:
    """Rank laws and baselines by their error on rows that were left out of a refit.

    Every model is refitted without each split, by a point fit with all parameters free, and judged on
    the same rows. Errors are means over the rows of a split, then over the splits of a kind, then over
    kinds. The difference to the best model has an interval from resampled runs and splits
    (`dcpt.fit.paired`); a model whose interval holds 0 ties with the best. The least of many errors is
    itself a little lucky: among ties, choose by what the form means, or by its number of parameters.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    eval_sets : sequence of str, optional
        By default ``general`` and ``domain`` when the table has them, otherwise all sets.
    laws : "auto" or sequence of str or Law
        Laws to judge; ``"auto"`` takes every registered law whose inputs the table has and whose sides
        hold the set's, and what families of laws offer for the table's extra columns.
    splits : sequence of str
        Kinds of hold-out, keys of `dcpt.fit.splits.SPLITS`.
    metric, corners, delta
        As in `fit_law`.
    level, seed : float, int
        Probability of the intervals, and the seed of their resamples.

    Returns
    -------
    Tournament

    Raises
    ------
    ConfigError
        When a set, law or kind is unknown, or a number is out of range.
    DataError
        When a set has no row to fit.
    FitError
        When no law or no split could be judged on a set.
    """
    kinds = check_kinds(splits)
    _check_numbers(delta, level)
    sets = []
    for eval_set in sets_of(table, eval_sets):
        data, _ = prepare(table, eval_set, metric=metric, corners=corners)
        sets.append((data, partial(rows_for, table=table, data=data, corners=corners)))
    return _judge(sets, laws_of(laws, table.extras), kinds, delta, level, seed, table.fingerprint)


def rank_laws(
    data: FitData,
    laws: str | Law | Sequence[str | Law] = "auto",
    splits: Sequence[str] = DEFAULT,
    *,
    delta: float | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Tournament:
    """Rank laws and baselines on prepared rows, such as those of several domains stacked.

    Arguments, result and errors as in `run_tournament`; a law whose inputs the rows lack is refused.

    Parameters
    ----------
    data : FitData
        From `dcpt.fit.dataset.prepare`, or several of them stacked.
    """
    kinds = check_kinds(splits)
    _check_numbers(delta, level)
    judged = laws_of(laws, data.extra)
    return _judge([(data, lambda law: checked_side(law, data))], judged, kinds, delta, level, seed, "")


def _check_numbers(delta: float | None, level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"tournament: level is {level}; wanted a share between 0 and 1.")
    if delta is not None and not delta > 0:
        raise ConfigError(f"tournament: delta is {delta}; wanted a Huber threshold above 0.")


def _judge(
    sets: Sequence[tuple[FitData, Callable[[Law], FitData]]],
    laws: Sequence[Law],
    kinds: tuple[str, ...],
    delta: float | None,
    level: float,
    seed: int,
    fingerprint: str,
) -> Tournament:
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    with one_thread():
        for data, rows_of in sets:
            splits = make_splits(data, kinds)
            if not splits:
                raise FitError(
                    f"{data.eval_set} allows no hold-out of the kinds {', '.join(kinds)}.",
                    hint="measure several sizes, ratios or numbers of tokens",
                )
            judged = [hold_out(baseline_fitter(name), name, data, splits, None) for name in BASELINES]
            lost: list[str] = []
            for law in laws:
                try:
                    judged.append(hold_out(law_fitter(law, delta), law.name, rows_of(law), splits, law))
                except (ConfigError, DataError, FitError) as error:
                    refused[f"{law.name} on {data.eval_set}"] = error.message
                    lost.append(error.message)
            if len(lost) == len(laws):
                raise FitError(f"no law could be judged on {data.eval_set}: {' '.join(lost)}")
            for item in judged:
                for number, reason in item.refused.items():
                    refused.setdefault(f"{item.model} on {data.eval_set}, {splits[number].kind}", reason)
            rows += rank_models(data, splits, judged, level, seed)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Tournament(frame, MappingProxyType(refused), level, delta, seed, fingerprint)
