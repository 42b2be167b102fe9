"""The numbers a report of a fit must hold: how it converged, how well it fits, what it leaves over."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.curvature import curvature
from dcpt.fit.noise import seed_noise
from dcpt.fit.objective import Problem
from dcpt.fit.residuals import NORMAL, hardly_varies, lag_correlation, outliers
from dcpt.fit.solve import Solution

Array = NDArray[np.float64]

CORRELATION = 0.9
"""Correlation from which a pair of parameters is reported."""

MOST_LEVELS = 12
"""Most values of N, D or r whose residuals are listed one by one; more are put in `BINS` bins."""

BINS = 10


def fit_quality(problem: Problem, solution: Solution) -> dict[str, Any]:
    """Quality of a point fit, as plain JSON values.

    Parameters
    ----------
    problem : Problem
        What was fitted to what.
    solution : Solution
        Its optimum.

    Returns
    -------
    dict
        With the parts

        - ``convergence``: status, max_scaled_gradient (`Solution.gradient`: 0 at an optimum, at most 1),
          optima (different ends of the starts), agree, starts, at_bound;
        - ``identification``: rank, parameters, idle, condition (None without full rank), correlations
          above 0.9 as [one, two, value];
        - ``errors``: objective, r2_log, rmse, mae, mape, bias (loss units; rmse_log of the logarithm);
        - ``scatter``: mad_sigma of the log residuals beside seed_sigma (between repeated runs, None without)
          and delta, inlier_share (within delta), outliers,
          lag1 (correlation of neighbouring residuals of a run);
        - ``residuals_by``: N, D, r, run: a list of level (or lo and hi), rows, mean and rms of the log
          residuals (law over measurement); of runs only their number, the standard deviation of their
          means and the share of the variance between them;
        - ``information``: aic and bic of a Laplace likelihood with as many observations as runs. Secondary
          to hold-outs: the Huber objective is no likelihood.
    """
    residual = problem.residual(solution.u)
    return {
        "convergence": {
            "status": solution.status,
            "max_scaled_gradient": _finite(solution.gradient),
            "optima": int(solution.optima),
            "agree": int(solution.agree),
            "starts": int(solution.starts),
            "at_bound": list(solution.at_bound),
        },
        "identification": _identification(problem, solution),
        "errors": _errors(problem, solution, residual),
        "scatter": _scatter(problem, residual),
        "residuals_by": _residuals_by(problem, residual),
        "information": _information(problem, solution, residual),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _identification(problem: Problem, solution: Solution) -> dict[str, Any]:
    found = curvature(problem, solution)
    return {
        "rank": found.rank,
        "parameters": len(found.names),
        "idle": list(found.idle),
        "condition": _finite(found.condition),
        "correlations": [[one, two, value] for one, two, value in found.pairs(CORRELATION)],
    }


def _errors(problem: Problem, solution: Solution, residual: Array) -> dict[str, float | None]:
    loss, logs = problem.data.loss, problem.data.log_loss
    error = loss * np.expm1(residual)
    total = 0.0 if hardly_varies(loss) else float(((logs - logs.mean()) ** 2).sum())
    return {
        "objective": float(solution.objective),
        "r2_log": 1.0 - float((residual**2).sum()) / total if total > 0 else None,
        "rmse": float(np.sqrt((error**2).mean())),
        "rmse_log": float(np.sqrt((residual**2).mean())),
        "mae": float(np.abs(error).mean()),
        "mape": float((np.abs(error) / loss).mean()),
        "bias": float(error.mean()),
    }


def _scatter(problem: Problem, residual: Array) -> dict[str, float | int | None]:
    noise = seed_noise(problem.data)
    return {
        "mad_sigma": float(NORMAL * np.median(np.abs(residual))),
        "seed_sigma": None if noise is None else noise.sigma,
        "delta": float(problem.delta),
        "inlier_share": float((np.abs(residual) <= problem.delta).mean()),
        "outliers": len(outliers(residual, problem.delta)),
        "lag1": lag_correlation(residual, problem.data.groups, problem.data.D),
    }


def _residuals_by(problem: Problem, residual: Array) -> dict[str, Any]:
    data = problem.data
    found: dict[str, Any] = {}
    for name, values in (("N", data.N), ("D", data.D), ("r", data.r)):
        if np.isfinite(values).all():
            found[name] = _by_level(values, residual)
    runs, code, counts = np.unique(data.groups, return_inverse=True, return_counts=True)
    means = np.bincount(code, residual) / counts
    total = float(((residual - residual.mean()) ** 2).sum())
    between = float((counts * (means - residual.mean()) ** 2).sum())
    found["run"] = {
        "runs": len(runs),
        "sd_of_means": float(means.std(ddof=1)) if len(runs) > 1 else None,
        "between_share": between / total if total > 0 else None,
    }
    return found


def _by_level(values: Array, residual: Array) -> list[dict[str, float | int]]:
    levels, code = np.unique(values, return_inverse=True)
    if len(levels) > MOST_LEVELS:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
        code = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        names = [{"lo": float(lo), "hi": float(hi)} for lo, hi in pairwise(edges)]
    else:
        names = [{"level": float(level)} for level in levels]
    rows: list[dict[str, float | int]] = []
    for index, name in enumerate(names):
        mine = residual[code == index]
        if len(mine):
            spread = float(np.sqrt((mine**2).mean()))
            rows.append({**name, "rows": len(mine), "mean": float(mine.mean()), "rms": spread})
    return rows


def _information(problem: Problem, solution: Solution, residual: Array) -> dict[str, float | int | None]:
    # With a threshold far below the scatter the Huber loss is nearly the absolute value, whose
    # likelihood is Laplace's; its scale is one more parameter. Rows of a run are not independent, so
    # the mean log-likelihood counts once per run.
    runs = len(np.unique(problem.data.groups))
    count = len(problem.space.free) - len(solution.at_bound) + 1
    scale = float(np.abs(residual).mean())
    aic: float | None = None
    bic: float | None = None
    if scale > 0:
        twice = 2 * runs * float(np.log(2 * scale) + 1.0)  # -2 log-likelihood at the best scale
        aic, bic = 2 * count + twice, count * float(np.log(runs)) + twice
    return {"observations": runs, "parameters": count, "aic": aic, "bic": bic}
