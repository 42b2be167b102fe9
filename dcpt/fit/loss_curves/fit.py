"""Loss curves + law -> CurveFit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.curve import Curve
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.files import content_hash
from dcpt.fit.doubt import FitWarning
from dcpt.fit.law_fit_json import round_draws
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.curve_score import score_curves
from dcpt.fit.loss_curves.folds import held_out_error
from dcpt.fit.loss_curves.guards import data_doubts
from dcpt.fit.loss_curves.identified import identified_doubts
from dcpt.fit.loss_curves.limits import CPT_PEAK
from dcpt.fit.loss_curves.problem import CurveProblem
from dcpt.fit.loss_curves.resample import refit_draws
from dcpt.fit.loss_curves.rows import early_doubts, past_warm_up
from dcpt.fit.loss_curves.solve import CurveSolution, scatter, solve_curves
from dcpt.fit.threads import one_thread
from dcpt.laws.curves.curve_law import CurveLaw
from dcpt.laws.curves.registry import get_curve_law

Array = NDArray[np.float64]

LOG_LIMIT = 0.02
"""Exponent below which a power of the data's range is told from a logarithm by less than a percent."""


def fit_curves(
    law: str | CurveLaw,
    curves: Sequence[Curve],
    *,
    delta: float | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    weights: Sequence[ArrayLike] | None = None,
    holdout: bool = False,
) -> CurveFit:
    """Fit a law to loss curves of one evaluation set.

    The linear parameters are solved for at every step (variable projection, with the signs the law asks
    for); the nonlinear ones follow by damped Gauss-Newton steps from the law's starts.

    Parameters
    ----------
    law : str or CurveLaw
        A law of curves or its name.
    curves : sequence of Curve
        Curves of one model and evaluation set, of some hundreds of losses each (`Curve.averaged` makes
        few of many). Losses measured during the warm-up are left out.
    delta : float, optional
        Threshold of the Huber loss of the log residual; by default the law's own.
    bootstrap : int
        Refits for the intervals; see `dcpt.fit.loss_curves.resample`.
    seed : int
        Seed of the resamples.
    fixed : mapping, optional
        Parameters held at a value.
    weights : sequence of array_like, optional
        One array per curve: how much each loss counts.
    holdout : bool
        Also measure the error on curves left out, which widens the intervals of predictions.

    Raises
    ------
    ConfigError
        When an argument is out of range, or a curve lacks what the law reads.
    DataError
        When there are no curves, or they belong to several evaluation sets.
    FitError
        When there are fewer losses than parameters, or the law is finite nowhere.
    """
    begun = time.perf_counter()
    law = get_curve_law(law)
    curves, parts, dropped = past_warm_up(curves, weights)
    problem = curve_problem(law, curves, delta=delta, fixed=fixed, weights=parts)
    if bootstrap < 0:
        raise ConfigError(f"fit: bootstrap is {bootstrap}; wanted 0 or more refits.")
    with one_thread():
        solution = solve_curves(problem, [problem.start(psi) for psi in law.starts or ({},)])
        draws, converged = refit_draws(problem, solution, curves, bootstrap, seed)
        held = held_out_error(problem, solution, curves) if holdout else None
    return fit_solved(problem, solution, curves, round_draws(draws), converged, held, seed, dropped, begun)


def fit_solved(
    problem: CurveProblem,
    solution: CurveSolution,
    curves: Sequence[Curve],
    draws: Array | None = None,
    converged: float = 1.0,
    held_out: float | None = None,
    seed: int = 0,
    dropped: int = 0,
    begun: float | None = None,
) -> CurveFit:
    """The result of a solved problem.

    Parameters
    ----------
    problem, solution, curves
        What was solved.
    draws, converged, held_out, seed
        As in `CurveFit`.
    dropped : int
        Losses of the warm-up that were left out.
    begun : float, optional
        Reading of `time.perf_counter` when the work began.
    """
    law, point = problem.law, solution.point
    ends = np.cumsum([len(curve) for curve in curves])[:-1]
    params = problem.params(point)
    kept = np.empty((0, len(law.names))) if draws is None else draws
    doubts = (
        *_status(problem, solution, converged),
        *_log_limit(law, params, problem.fixed, kept),
        *identified_doubts(problem, solution),
        *data_doubts(law, curves),
        *early_doubts(curves, np.split(point.residual, ends), scatter(point.residual), dropped),
    )
    return CurveFit(
        law=law,
        params=params,
        status=solution.status,
        at_bound=solution.at_bound,
        agree=solution.agree,
        starts=solution.starts,
        objective=point.objective,
        delta=problem.delta,
        score=score_curves([curve.loss for curve in curves], np.split(point.loss, ends)),
        residual_sigma=scatter(point.residual),
        held_out=held_out,
        draws=kept,
        draws_converged=converged,
        warnings=doubts,
        ranges=_ranges(curves),
        curves=tuple(curve.name for curve in curves),
        rows=len(problem.measured),
        fixed=problem.fixed,
        eval_set=curves[0].eval_set,
        side=curves[0].side,
        fingerprint=_fingerprint(curves),
        seconds=0.0 if begun is None else time.perf_counter() - begun,
        seed=seed,
    )


def curve_problem(
    law: CurveLaw,
    curves: Sequence[Curve],
    *,
    delta: float | None = None,
    fixed: Mapping[str, float] | None = None,
    weights: Sequence[Array] | None = None,
) -> CurveProblem:
    """What `fit_curves` minimises; its parameters and errors."""
    if not curves:
        raise DataError("fit: got no curves.")
    delta = law.delta if delta is None else delta
    if not delta > 0:
        raise ConfigError(f"fit: delta is {delta:g}; wanted a positive threshold.")
    sets = sorted({curve.eval_set for curve in curves})
    if len(sets) > 1:
        raise DataError(
            f"fit: curves of {len(sets)} evaluation sets ({', '.join(sets)}); wanted one.",
            hint="fit every evaluation set by itself",
        )
    if curves[0].side not in law.sides:
        raise ConfigError(
            f"law {law.name} is for the {' and '.join(law.sides)} loss; got {curves[0].side} curves."
        )
    twice = [name for name in {curve.name for curve in curves} if sum(c.name == name for c in curves) > 1]
    if twice:
        raise DataError(f"fit: curve {twice[0]!r} is there twice.")
    flat: Array | None = None
    if weights is not None:
        flat = np.concatenate(weights)
        if not (np.isfinite(flat).all() and (flat >= 0).all() and flat.any()):
            raise ConfigError("fit: weights must be finite, not negative and not all 0.")
    measured = np.concatenate([curve.loss for curve in curves])
    return CurveProblem(law, law.prepare(curves), measured, delta, fixed or {}, flat)


def _status(problem: CurveProblem, solution: CurveSolution, converged: float) -> Iterator[FitWarning]:
    if solution.status == "max_iter":
        yield FitWarning(
            "max_iter", "The solver stopped before it converged; the values are not the optimum."
        )
    limit = problem.law.log_limit
    for name in solution.at_bound:
        if name == limit and problem.psi(solution.point.u)[name] < LOG_LIMIT:
            continue  # said by the log limit
        on = "at 0: its term is off" if name in problem.law.linear_names else "on its bound"
        yield FitWarning("bound_hit", f"{name} sits {on}; the data do not hold it inside.", (name,))
    if solution.starts > 1 and solution.agree < 2:
        yield FitWarning(
            "starts_disagree",
            f"Only one of {solution.starts} starts ends in the best optimum; there may be a better one.",
        )
    if converged < 0.95:
        yield FitWarning("bootstrap", f"Only {100 * converged:.0f} % of the refits converged.")


def _log_limit(
    law: CurveLaw, params: Mapping[str, float], fixed: Mapping[str, float], draws: Array
) -> Iterator[FitWarning]:
    name = law.log_limit
    if not name or name in fixed:
        return
    share = float((draws[:, law.names.index(name)] < LOG_LIMIT).mean()) if len(draws) else 0.0
    if params[name] < LOG_LIMIT or share > 0.25:
        also = f" ({100 * share:.0f} % of the refits below {LOG_LIMIT:g})" if len(draws) else ""
        yield FitWarning(
            "log_limit",
            f"{name} = {params[name]:.3g}{also}: the power is not told from a logarithm, so that the data "
            f"give the product of size and {name} (the parameter that is reported) and neither factor.",
            (name,),
        )


def _ranges(curves: Sequence[Curve]) -> dict[str, tuple[float, float]]:
    columns: dict[str, list[float]] = {"peak": [], "horizon": [], "area": []}
    for curve in curves:
        last = int(curve.steps[-1])
        columns["peak"].append(float(curve.history.rates[:last].max()))
        columns["horizon"].append(float(last))
        columns["area"].append(float(curve.history.S1[last - 1]))
        facts = {name: float(value) for name, value in curve.given.items() if name != CPT_PEAK}
        if curve.history.switch and last > curve.history.switch:
            facts[CPT_PEAK] = float(curve.history.rates[curve.history.switch : last].max())
        for name, value in facts.items():
            columns.setdefault(name, []).append(value)
    return {name: (min(values), max(values)) for name, values in columns.items()}


def _fingerprint(curves: Sequence[Curve]) -> str:
    facts = [
        [curve.name, curve.eval_set, dict(curve.given), curve.steps.tolist(), curve.loss.tolist()]
        for curve in curves
    ]
    sums = [[float(curve.history.S1[-1]), len(curve.history), curve.history.switch] for curve in curves]
    return content_hash([facts, sums])
