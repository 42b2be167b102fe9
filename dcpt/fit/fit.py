"""Fitting: a loss table and a law in, a LawFit out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DcptError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import GENERAL, STAND_IN
from dcpt.fit.annealing import table_annealing
from dcpt.fit.bootstrap import DRAWS, resample
from dcpt.fit.constraints import Constraints, read_constraints
from dcpt.fit.dataset import FitData, prepare
from dcpt.fit.default_laws import default_laws, for_side
from dcpt.fit.diagnose import check_design, diagnose
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit_file import FitSet
from dcpt.fit.holdout import LEVEL, score_holdouts
from dcpt.fit.law_fit import LawFit
from dcpt.fit.law_fit_json import round_draws
from dcpt.fit.noise import seed_noise
from dcpt.fit.objective import Problem
from dcpt.fit.profile import profile
from dcpt.fit.report_numbers import fit_quality
from dcpt.fit.residuals import residual_sigma
from dcpt.fit.solve import Solution, solve
from dcpt.fit.space import read_params
from dcpt.fit.starts import start_grid
from dcpt.laws.law import Law
from dcpt.laws.registry import get_law

Array = NDArray[np.float64]


def fit_law(
    law: str | Law,
    table: LossTable,
    eval_set: str,
    *,
    params: Any = None,
    corners: bool = False,
    bootstrap: int = DRAWS,
    seed: int = 0,
    delta: float | None = None,
    holdouts: bool = True,
    profiles: bool = False,
    metric: str = "loss",
) -> LawFit:
    """Fit a law to the losses of one evaluation set.

    The point fit has no random part: it starts from the best cells of a grid of exponents and ends
    at the optimum of the Huber loss of the log residuals.

    Parameters
    ----------
    law : str or Law
        The law or its name.
    table : LossTable
        Measured losses; rows with phase ``end`` and D > 0 are fitted.
    eval_set, metric : str
        Which loss.
    params : lmfit.Parameters or Constraints, optional
        From ``law.lmfit_parameters()``, with parameters fixed, bounded or tied (`expr`), in the units of
        the fit; or `dcpt.fit.constraints.Constraints` in raw ones.
    corners : bool
        Also fit rows with r = 0 or r = 1.
    bootstrap : int
        Number of refits to resampled runs; 0 for none.
    seed : int
        Seed of the resampling.
    delta : float, optional
        Huber threshold of the log residual; by default the law's own (`Law.delta`).
    holdouts : bool
        Whether to score refits that leave out the largest N, each inner ratio and the largest D.
    profiles : bool
        Whether to profile every free parameter: the objective along it, the others refitted.

    Returns
    -------
    LawFit

    Raises
    ------
    ConfigError
        When the law, the evaluation set or a parameter is unknown, or a number is out of range.
    DataError
        When no row can be fitted.
    FitError
        When the design cannot tell the law's parameters apart at all (one size, one ratio, too few rows).
    """
    law = get_law(law)
    data, corner_data = prepare(table, eval_set, metric=metric, corners=corners, law=law)
    fit = fit_data(
        law,
        data,
        params=params,
        bootstrap=bootstrap,
        seed=seed,
        delta=delta,
        holdouts=holdouts,
        profiles=profiles,
    )
    return replace(
        fit,
        corner_errors=_corner_errors(law, fit.theta, corner_data),
        warnings=(*fit.warnings, *_table_doubts(table, eval_set, metric)),
        fingerprint=table.fingerprint,
    )


def fit_data(
    law: str | Law,
    data: FitData,
    *,
    params: Any = None,
    bootstrap: int = DRAWS,
    seed: int = 0,
    delta: float | None = None,
    holdouts: bool = True,
    profiles: bool = False,
) -> LawFit:
    """Fit a law to prepared rows; arguments, result and errors as in `fit_law`.

    Parameters
    ----------
    data : FitData
        From `dcpt.fit.dataset.prepare`, or several of them stacked.
    """
    law = get_law(law)
    if data.role not in law.sides:
        raise ConfigError(
            f"law {law.name} is for the {' and '.join(law.sides)} loss; {data.eval_set} is a {data.role} "
            "loss."
        )
    if bootstrap < 0:
        raise ConfigError(f"fit: bootstrap is {bootstrap}; wanted 0 refits or more.")
    delta = law.delta if delta is None else float(delta)
    if not delta > 0:
        raise ConfigError(f"fit: delta is {delta}; wanted a Huber threshold above 0.")
    if isinstance(params, Constraints):
        space = read_constraints(law, params, data.units)
    else:
        space = read_params(law, params)
    check_design(law, data, space)
    problem = Problem(law, data, space, delta)
    solution = solve(problem, start_grid(law, data, space))
    draws = resample(problem, solution.u, bootstrap, seed)
    residual = problem.residual(solution.u)
    repeated = seed_noise(data)
    error = data.loss * np.expm1(residual)
    scores, doubts = score_holdouts(law, data, space, delta, bootstrap, seed) if holdouts else ((), ())
    return LawFit(
        law=law,
        eval_set=data.eval_set,
        role=data.role,
        metric=data.metric,
        unit=data.unit,
        theta=solution.theta,
        draws=round_draws(draws.theta),
        resamples=draws.resamples,
        units=data.units,
        ranges={name: _range(getattr(data, name)) for name in "NDr"},
        status=solution.status,
        objective=solution.objective,
        delta=delta,
        agree=solution.agree,
        starts=solution.starts,
        draws_converged=draws.converged,
        residual_sigma=max(residual_sigma(residual, len(space.free)), repeated.sigma if repeated else 0.0),
        mae=float(np.abs(error).mean()),
        mape=float(np.abs(error / data.loss).mean()),
        rows=len(data),
        runs=len(np.unique(data.groups)),
        dropped=data.dropped,
        holdouts=scores,
        corner_errors={},
        warnings=(*diagnose(problem, solution, draws), *doubts),
        fixed=space.fixed,
        ties=space.ties,
        fingerprint="",
        seed=seed,
        bases=data.bases,
        quality=fit_quality(problem, solution),
        profiles=_profiles(problem, solution) if profiles else {},
    )


def _profiles(problem: Problem, solution: Solution) -> dict[str, tuple[float, float]]:
    # A coefficient that is free by its raw value has no profile in the units of the fit.
    names = [name for name in problem.space.free_names if name not in problem.space.raw]
    return {name: (item.lo, item.hi) for name, item in profile(problem, solution, names, level=LEVEL).items()}


def _range(values: Array) -> tuple[float, float]:
    """Lowest and highest value; every share where a table has none."""
    return (0.0, 1.0) if np.isnan(values).all() else (float(values.min()), float(values.max()))


def _table_doubts(table: LossTable, eval_set: str, metric: str) -> Iterator[FitWarning]:
    yield from table_annealing(table, eval_set, metric)
    frame = table.select(eval_set, metric).frame
    if metric == "loss" and frame["tokenizer"].nunique() > 1:
        yield FitWarning(
            "mixed_data",
            f"The rows of {eval_set} come from {frame['tokenizer'].nunique()} tokenizers, whose losses per "
            "token do not compare; fit bits per byte (metric bpb) instead.",
        )
    stands_in = {
        name
        for source in frame.loc[frame["role"] == GENERAL, "source"].unique()
        for name in str(source).partition(STAND_IN)[2].split()
    }
    if stands_in:
        yield FitWarning(
            "stand_in",
            f"{', '.join(sorted(stands_in))} stands in for pre-training text that is not known: what "
            f"{eval_set} keeps and forgets, and every limit on it, is that of the stand-in.",
        )


def _corner_errors(law: Law, theta: Array, corners: FitData) -> dict[str, Mapping[str, float]]:
    found: dict[str, Mapping[str, float]] = {}
    for share in (0.0, 1.0):
        rows = corners.take(corners.r == share)
        if len(rows):
            error = law.evaluate(theta, rows.inputs) - rows.loss
            found[f"r = {share:g}"] = {
                "rows": len(rows),
                "mae": float(np.abs(error).mean()),
                "bias": float(error.mean()),
            }
    return found


def fit_table(
    table: LossTable,
    laws: Sequence[str | Law] | None = None,
    eval_sets: Sequence[str] | None = None,
    **options: Any,
) -> FitSet:
    """Fit several laws to several evaluation sets.

    Parameters
    ----------
    table : LossTable
        Measured losses.
    laws : sequence of str or Law, optional
        Laws to fit; by default those of `dcpt.fit.default_laws` that the table has the inputs of.
    eval_sets : sequence of str, optional
        By default ``general`` and ``domain`` when the table has them, otherwise all sets.
    **options
        As in `fit_law`.

    Returns
    -------
    FitSet
        A law whose terms the data cannot tell apart, or that is for the other side, is left out, with
        the reason in ``refused``.

    Raises
    ------
    FitError
        When no law can be fitted to a set.
    """
    if isinstance(laws, str) or (laws is not None and not laws):
        raise ConfigError(f"fit: laws is {laws!r}; wanted a sequence of names such as ('d-cpt',).")
    pooled = tuple(name for name in table.eval_sets if name in ("general", "domain"))
    names = tuple(eval_sets) if eval_sets is not None else pooled or table.eval_sets
    fits: list[LawFit] = []
    refused: dict[str, str] = {}
    for eval_set in names:
        reasons: list[DcptError] = []
        chosen, left_out = default_laws(table, eval_set, str(options.get("metric", "loss")))
        if laws is not None:
            chosen, left_out = for_side([get_law(law) for law in laws], table, eval_set)
        refused |= {f"{name} on {eval_set}": why for name, why in left_out.items()}
        for law in chosen:
            try:
                fits.append(fit_law(law, table, eval_set, **options))
            except FitError as error:
                refused[f"{law.name} on {eval_set}"] = str(error)
                reasons.append(error)
        if reasons and len(reasons) == len(chosen):
            raise reasons[0]
    if not fits:
        raise FitError(
            f"nothing can be fitted: {'; '.join(f'{key}: {why}' for key, why in refused.items())}."
        )
    return FitSet(tuple(fits), refused)
