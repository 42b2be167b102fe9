"""Choose the predictor of a set of runs by honest cross-validation over mixtures, and calibrate it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import DataError, FitError
from dcpt.core.mixture_table import LEAST_MIXTURES, MixtureTable
from dcpt.fit.mixtures.additive_ridge import AdditiveRidge
from dcpt.fit.mixtures.bimix import BimixPredictor
from dcpt.fit.mixtures.boosted_trees import LEAST_RUNS as TREE_RUNS
from dcpt.fit.mixtures.boosted_trees import BoostedTreesPredictor
from dcpt.fit.mixtures.calibrate import held_coverage, stretch_of
from dcpt.fit.mixtures.choice import Choice, Tried
from dcpt.fit.mixtures.combine import combine
from dcpt.fit.mixtures.contender import DRAWS, Contender, lead, race
from dcpt.fit.mixtures.exponential import ExponentialPredictor
from dcpt.fit.mixtures.folds import mixture_folds
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.predictor import Predictor
from dcpt.fit.mixtures.process import ProcessPredictor
from dcpt.fit.mixtures.process_race import race_processes
from dcpt.fit.mixtures.scores import LEVEL, MixtureScore, flat_targets, score
from dcpt.fit.paired import paired_differences

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FOLDS = 8
"""Folds over mixtures by default."""

LEAST_GIVEN = 4
"""Distinct mixtures that can choose between predictors that are given."""

TREE_TARGETS = 3
"""Targets that decide whether boosted trees, the slowest contender, go on."""

SAME_SIZE = 1.01
"""Sizes or tokens within this factor count as one."""


def choose(
    table: MixtureTable,
    seed: int = 0,
    candidates: Sequence[Predictor] | None = None,
    folds: int = FOLDS,
) -> MixtureFit:
    """Race predictors on held-out mixtures, average the best where that pays, calibrate the intervals.

    Parameters
    ----------
    table : MixtureTable
        Runs of one size and, unless only BiMix is wanted, of one number of tokens.
    seed : int
        Seed of folds and subsamples.
    candidates : sequence of Predictor, optional
        The contenders, all of which run to the end; by default every predictor there is, and those
        that clearly lose are dropped early.
    folds : int
        Folds over mixtures; with fewer mixtures each is one.

    Returns
    -------
    MixtureFit
        The average, with scores of everything tried in `choice`.

    Raises
    ------
    DataError
        When the runs differ in size.
    FitError
        When there are fewer than six distinct mixtures (four for given candidates), or no predictor can
        be fitted.

    Examples
    --------
    >>> import numpy as np
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    >>> losses = 2 + 0.1 / (shares[:, :1] + 0.1)
    >>> table = MixtureTable(("a", "b", "c"), ("loss",), shares, losses, tuple(map(str, range(30))))
    >>> fit = choose(table)
    >>> bool(abs(fit.mean({"a": 0.5, "b": 0.3, "c": 0.2})[0, 0] - 2.1667) < 0.01)
    True
    """
    begin = time.perf_counter()
    warnings = _check(table, LEAST_MIXTURES if candidates is None else LEAST_GIVEN)
    fold = mixture_folds(table, folds, seed)
    contenders = _run(table, fold, seed, candidates)
    alive = [item for item in contenders if item.held is not None and not item.dropped]
    if not alive:
        reasons = "; ".join(f"{item.predictor.name}: {item.dropped}" for item in contenders)
        raise FitError(f"{table.where}: no predictor could be fitted ({reasons}).")
    held = np.logical_and.reduce([item.held.held for item in alive if item.held is not None])
    predicted = np.stack([item.held.mean[held] for item in alive if item.held is not None])
    measured = table.losses[held]
    ties = _ties(predicted, measured, seed)
    combination = combine(predicted, measured, fold[held], ties)
    used = [place for place, row in enumerate(combination.weights) if row.any()]
    weights = combination.weights[used]
    mean = np.einsum("mk,mnk->nk", weights, predicted[used])
    spreads = np.stack(
        [held_sd.held.sd[held] for held_sd in (alive[place] for place in used) if held_sd.held]
    )
    sd = np.einsum("mk,mnk->nk", weights, spreads)
    ratios, mixtures = np.abs(mean - measured) / sd, table.mixtures[held]
    stretch = stretch_of(ratios, len(np.unique(mixtures)))
    coverage = held_coverage(ratios, fold[held], mixtures)
    parts = tuple(alive[place].fitted or alive[place].predictor.fit(table, seed) for place in used)
    tried = _tried(contenders, alive, table, combination.weights, ties)
    columns = range(len(table.targets))
    choice = Choice(
        tried=tried,
        chosen=replace(score(mean, sd * stretch, measured), coverage=float(coverage.mean())),
        way=combination.way,
        folds=len(np.unique(fold)),
        by_target=tuple(
            replace(
                score(mean[:, [k]], (sd * stretch)[:, [k]], measured[:, [k]]), coverage=float(coverage[k])
            )
            for k in columns
        ),
        seconds=time.perf_counter() - begin,
    )
    return MixtureFit(
        corpora=table.corpora,
        targets=table.targets,
        parts=parts,
        weights=weights,
        stretch=stretch,
        choice=choice,
        shares=table.shares,
        losses=table.losses,
        warnings=(*warnings, *_doubts(choice.chosen, table)),
        fingerprint=table.fingerprint,
        seed=seed,
        sides=table.sides,
        base=None if table.base is None else table.base.mean(axis=0),
        N=_common(table.N),
        D=_common(table.D),
    )


def _common(values: Array | None) -> float | None:
    """What all runs have; None where it is not known or they differ."""
    if values is None or values.max() > SAME_SIZE * values.min():
        return None
    return float(values.mean())


def _check(table: MixtureTable, least: int) -> list[str]:
    """Refuse runs that no predictor here can read; say what is left out."""
    several = int(table.mixtures.max()) + 1
    if several < least:
        raise FitError(
            f"{table.where}: holds {several} distinct mixtures; wanted at least {least} to choose "
            "a predictor by leaving mixtures out."
        )
    if table.N is not None and table.N.max() > SAME_SIZE * table.N.min():
        raise DataError(
            f"{table.where}: the runs have {len(np.unique(table.N))} sizes N; wanted one.",
            hint="fit the size with most runs, and carry it over to the larger ones with fit_transfer",
        )
    if _tokens_vary(table):
        return ["The runs differ in tokens D: only bimix reads them, and it was taken without a race."]
    return []


def _tokens_vary(table: MixtureTable) -> bool:
    return table.D is not None and bool(table.D.max() > SAME_SIZE * table.D.min())


def _run(
    table: MixtureTable, folds: Integers, seed: int, candidates: Sequence[Predictor] | None
) -> list[Contender]:
    """Held-out predictions of every contender, as far as it got."""
    if candidates is not None:
        return [lead(item, table, folds, seed) for item in candidates]
    if _tokens_vary(table):
        return [lead(BimixPredictor(), table, folds, seed)]
    try:
        leaders = [lead(item, table, folds, seed) for item in race_processes(table, folds, seed)]
    except FitError as error:
        leaders = [Contender(ProcessPredictor(), None, dropped=error.message)]
    first = next((item for item in leaders if item.held is not None), None)
    others: list[Predictor] = [
        AdditiveRidge("log"),
        AdditiveRidge("power"),
        ExponentialPredictor(),
        BimixPredictor(),
    ]
    raced = [race(item, table, folds, first, seed) for item in others]
    if len(table) >= TREE_RUNS:
        few = np.random.default_rng(seed).permutation(len(table.targets))[:TREE_TARGETS]
        raced.append(race(BoostedTreesPredictor(held=False), table, folds, first, seed, np.sort(few)))
    return [*leaders, *raced]


def _ties(predicted: Array, measured: Array, seed: int) -> NDArray[np.bool_]:
    """Predictors whose error cannot be told from the least, shape (m,)."""
    spread = measured.std(axis=0) + 1e-300
    errors = (np.abs(predicted - measured) / spread).reshape(len(predicted), -1)
    best = int(np.argmin(errors.mean(axis=1)))
    found = np.ones(len(errors), dtype=bool)
    if len(errors) > 1:
        runs = np.repeat(np.arange(len(measured)), measured.shape[1])
        differences = paired_differences(errors, best, runs, level=LEVEL, draws=DRAWS, seed=seed)
        others = [place for place in range(len(errors)) if place != best]
        found[others] = [item.tie for item in differences]
    return found


def _tried(
    contenders: Sequence[Contender],
    alive: Sequence[Contender],
    table: MixtureTable,
    weights: Array,
    ties: NDArray[np.bool_],
) -> tuple[Tried, ...]:
    """Everything that ran, best first."""
    spread = table.losses.std(axis=0) + 1e-300
    found = []
    for item in contenders:
        place = next((number for number, one in enumerate(alive) if one is item), None)
        weight = 0.0 if place is None else float(weights[place].mean())
        tie = bool(place is not None and ties[place])
        scored, size = _score(item, table, spread)
        found.append((size, Tried(item.predictor.name, scored, weight, tie, item.dropped)))
    return tuple(item for _, item in sorted(found, key=lambda pair: pair[0]))


def _score(item: Contender, table: MixtureTable, spread: Array) -> tuple[MixtureScore | None, float]:
    if item.held is None:
        return None, np.inf
    seen = np.isfinite(item.held.mean[item.held.held]).all(axis=0)
    rows = np.ix_(item.held.held, seen)
    mean, sd, measured = item.held.mean[rows], item.held.sd[rows], table.losses[rows]
    return score(mean, sd, measured), float((np.abs(mean - measured) / spread[seen]).mean())


def _doubts(chosen: MixtureScore, table: MixtureTable) -> list[str]:
    """Sentences about a fit that should not be leant on."""
    found = []
    if chosen.r2 < 0.5:
        found.append(
            f"Held-out R2 is {chosen.r2:.2f}: mixtures explain little of the losses, or the runs are too few."
        )
    flat = [name for name, same in zip(table.targets, flat_targets(table.losses), strict=True) if same]
    if flat:
        found.append(
            f"Losses that hardly vary, whatever the mixture, say nothing about it: {', '.join(flat)}."
        )
    several, width = int(table.mixtures.max()) + 1, len(table.corpora)
    if several <= width:
        found.append(f"{several} distinct mixtures of {width} corpora: wanted more mixtures than corpora.")
    return found
