"""Fits as plain values: what ``dcpt fit --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit

LEVEL = 0.9
"""Share of the refits inside the intervals of the parameters."""

TOLD_IN_FULL = 2
"""Fits up to which each is told in full, some 40 lines."""


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
    from dcpt.fit.raw_values import raw_draws

    raw, draws = fit.raw_values, raw_draws(fit, fit.draws)
    if raw is None or draws is None:
        params, units, draws = fit.values, {"N": fit.units.N, "D": fit.units.D}, fit.draws
    else:
        params, units, draws = raw, {"N": 1.0, "D": 1.0}, draws[np.isfinite(draws).all(axis=1)]
    tail = (1 - LEVEL) / 2
    ends: Any = np.quantile(draws, [tail, 1 - tail], axis=0).T if len(draws) else []
    return params, {name: [float(lo), float(hi)] for name, (lo, hi) in zip(params, ends, strict=False)}, units


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


def print_fits(
    fits: FitSet,
    seconds: Sequence[float],
    path: Path | None,
    rest: Mapping[str, Any],
    json: bool,
    before: str = "",
    verbose: bool = False,
) -> None:
    """Print fits for people, after the text `before`; or as one document with what `rest` says of them.

    More than `TOLD_IN_FULL` fits are a table, unless `verbose`.
    """
    if json:
        items = [describe_fit(item, took) for item, took in zip(fits, seconds, strict=True)]
        show.document("fit", describe_fits(items, refused=dict(fits.refused), path=path, **rest))
        return
    from dcpt.fit.brief import brief_text

    if before:
        show.result(f"{before}\n")
    if verbose or len(fits) <= TOLD_IN_FULL:
        show.result(fits.summary())
    else:
        show.result(brief_text(fits))
        show.say("parameters, intervals, every hold-out and the doubts in words: --verbose")
    show.say("nothing is written; -o FOLDER keeps the fits" if path is None else f"written: {path}")
