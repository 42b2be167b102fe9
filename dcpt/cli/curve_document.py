"""Fits of curves as plain values: what ``dcpt fit --json`` prints of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcpt.fit.loss_curves.curve_file import CurveFits
    from dcpt.fit.loss_curves.curve_fit import CurveFit
    from dcpt.fit.loss_curves.fit_sets import SetFits


def describe(fits: CurveFits, seconds: Mapping[str, float]) -> dict[str, Any]:
    """All fits in plain values; the fields of the only one stand beside the list, too."""
    items = [
        {**describe_fit(fit, item), "set_seconds": seconds[item.eval_set]}
        for item in fits.sets
        for fit in item.fits
    ]
    alone = items[0] if len(items) == 1 else {}
    sets = [
        {
            "eval_set": item.eval_set,
            "side": item.side,
            "best": list(item.best),
            "choice": [dict(row) for row in item.choice],
            "refused": dict(item.refused),
            "tests": {name: [dict(row) for row in rows] for name, rows in item.tests.items()},
            "test_mae": _mean_of(item, "mae"),
            "test_mae_whole": _mean_of(item, "mae_whole"),
        }
        for item in fits.sets
    ]
    return {**alone, "fits": items, "sets": sets, "base_schedules": list(fits.base_schedules)}


def _mean_of(item: SetFits, name: str) -> float | None:
    rows = item.tests.get(" & ".join(item.best), ())
    return sum(row[name] for row in rows) / len(rows) if rows else None


def describe_fit(fit: CurveFit, item: SetFits) -> dict[str, Any]:
    """One fit of curves in plain values."""
    from dcpt.fit.loss_curves.summary import LEVEL, parameter_intervals

    return {
        "law": fit.law.name,
        "formula": fit.law.formula,
        "reference": fit.law.reference,
        "eval_set": fit.eval_set,
        "side": fit.side,
        "unit": "nats_per_token",
        "objective": fit.objective,
        "delta": fit.delta,
        "params": dict(fit.params),
        "intervals": {name: list(ends) for name, ends in parameter_intervals(fit).items()},
        "level": LEVEL,
        "derived": fit.derived,
        "fixed": dict(fit.fixed),
        "r2": fit.score.r2,
        "mae": fit.score.mae,
        "rmse": fit.score.rmse,
        "mape": fit.score.mape,
        "worst": fit.score.worst,
        "last": fit.score.last,
        "rows": fit.rows,
        "curves": list(fit.curves),
        "ranges": {name: list(ends) for name, ends in fit.ranges.items()},
        "holdout": {"rmse_log": fit.held_out},
        "test": [dict(row) for row in item.tests.get(fit.law.name, ())],
        "status": fit.status,
        "at_bound": list(fit.at_bound),
        "starts": fit.starts,
        "starts_agree": fit.agree,
        "refits": len(fit.draws),
        "refits_converged": fit.draws_converged,
        "warnings": [vars(warning) for warning in fit.warnings],
        "seconds": fit.seconds,
    }
