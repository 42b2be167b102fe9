"""Fits as plain values: what ``dcpt fit --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

LEVEL = 0.9
"""Share of the refits inside the intervals of the parameters."""


def describe_fit(fit: LawFit, seconds: float) -> dict[str, Any]:
    """One fit in plain values.

    Parameters are given for N in parameters and D in tokens where the law allows it (`units` is then 1
    for both), otherwise for N and D in the units of the fit. Intervals hold the middle 90 % of the
    refits to resampled runs; they are empty without refits. R2 is that of the logarithm of the loss over
    the fitted rows.
    """
    params, intervals, units = _parameters(fit)
    return {
        "law": fit.law.name,
        "formula": fit.law.formula,
        "reference": fit.law.reference,
        "eval_set": fit.eval_set,
        "side": fit.role,
        "metric": fit.metric,
        "unit": fit.unit,
        "objective": fit.objective,
        "delta": fit.delta,
        "params": params,
        "intervals": intervals,
        "level": LEVEL,
        "units": units,
        "values": fit.values,
        "r2": fit.quality.get("errors", {}).get("r2_log"),
        "mae": fit.mae,
        "mape": fit.mape,
        "rows": fit.rows,
        "runs": fit.runs,
        "ranges": {name: list(pair) for name, pair in fit.ranges.items()},
        "left_out": dict(fit.dropped),
        "holdout": _holdouts(fit),
        "status": fit.status,
        "starts": fit.starts,
        "starts_agree": fit.agree,
        "refits": len(fit.draws),
        "refits_converged": fit.draws_converged,
        "profiles": {name: list(pair) for name, pair in fit.profiles.items()},
        "quality": dict(fit.quality),
        "warnings": [vars(warning) for warning in fit.warnings],
        "seconds": seconds,
    }


def _parameters(fit: LawFit) -> tuple[Mapping[str, float], dict[str, list[float]], dict[str, float]]:
    raw = fit.raw_values
    if raw is None:
        params, units, draws = fit.values, {"N": fit.units.N, "D": fit.units.D}, fit.draws
    else:
        params, units, draws = raw, {"N": 1.0, "D": 1.0}, _raw_draws(fit)
    tail = (1 - LEVEL) / 2
    ends: Any = np.quantile(draws, [tail, 1 - tail], axis=0).T if len(draws) else []
    return params, {name: [float(lo), float(hi)] for name, (lo, hi) in zip(params, ends, strict=False)}, units


def _raw_draws(fit: LawFit) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Draws for N in parameters and D in tokens, each by its own exponents, shape (n_draws, p)."""
    none: dict[str, Any] = {"draws": fit.draws[:0], "resamples": fit.resamples[:0]}
    made = (replace(fit, theta=theta, **none).raw_values for theta in fit.draws)
    return np.array([list(values.values()) for values in made if values is not None])


def _holdouts(fit: LawFit) -> list[dict[str, Any]]:
    """Errors on rows left out of a refit, one entry per hold-out, the baselines' beside the law's."""
    entries: dict[tuple[str, float], dict[str, Any]] = {}
    for score in fit.holdouts:
        entry = entries.setdefault((score.kind, score.level), {"kind": score.kind, "level": score.level})
        if score.model == fit.law.name:
            entry |= {
                name: value for name, value in vars(score).items() if name not in ("kind", "level", "model")
            }
        else:
            entry.setdefault("baselines", {})[score.model] = {"mae": score.mae, "mape": score.mape}
    return list(entries.values())


def describe_fits(items: Sequence[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    """The document: every fit in a list and, where there is one only, its fields beside it."""
    alone = items[0] if len(items) == 1 else {}
    return {**alone, "fits": list(items), **rest}
