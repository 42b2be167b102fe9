"""Fits of curves in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dcpt.fit.loss_curves.curve_file import CurveFits
from dcpt.fit.loss_curves.curve_fit import CurveFit
from dcpt.fit.loss_curves.fit_sets import SetFits

LEVEL = 0.9
"""Share of the refits inside the intervals of the parameters."""

_STATUS = {
    "converged": "converged",
    "bound_hit": "converged, with a parameter on a bound",
    "max_iter": "NOT converged",
}
_ERRORS = ("mae", "rmse", "mape", "worst", "last", "mae_whole")


def parameter_frame(fit: CurveFit, level: float = LEVEL) -> pd.DataFrame:
    """Parameters with intervals: name, value, lo, hi, unit, meaning, note; one row each."""
    ends = parameter_intervals(fit, level)
    rows = []
    for item in fit.law.parameters:
        lo, hi = ends.get(item.name, (np.nan, np.nan))
        notes = ["fixed"] if item.name in fit.fixed else []
        notes += ["on a bound"] if item.name in fit.at_bound else []
        notes += [] if ends or notes else ["no interval without bootstrap"]
        rows.append((item.name, fit.params[item.name], lo, hi, item.unit, item.meaning, ", ".join(notes)))
    return pd.DataFrame(rows, columns=["name", "value", "lo", "hi", "unit", "meaning", "note"])


def parameter_intervals(fit: CurveFit, level: float = LEVEL) -> dict[str, tuple[float, float]]:
    """Quantiles of every parameter over the refits, the estimate always inside; empty without refits."""
    if not len(fit.draws):
        return {}
    tail = (1 - level) / 2
    ends = np.quantile(fit.draws, [tail, 1 - tail], axis=0).T
    return {
        name: (min(float(lo), fit.params[name]), max(float(hi), fit.params[name]))
        for name, (lo, hi) in zip(fit.law.names, ends, strict=True)
    }


def fit_text(fit: CurveFit) -> str:
    """A fit in words: what was fitted, how well, parameters, doubts."""
    score, peak, horizon = fit.score, fit.ranges["peak"], fit.ranges["horizon"]
    held = (
        ""
        if fit.held_out is None
        else f"; {100 * fit.held_out:.2f} % (root mean square) where schedules or late parts were left out"
    )
    lines = [
        f"{fit.law.name} on {fit.eval_set}: L = {fit.law.formula}",
        f"  {fit.rows} losses of {_count(len(fit.curves), 'curve')}; peak {_span(peak)}, "
        f"{_span(horizon)} steps{_constants(fit)}",
        f"  {_STATUS[fit.status]}; {fit.agree} of {fit.starts} starts end in this optimum",
        f"  mean absolute error {score.mae:.4f} nats/token ({100 * score.mape:.2f} %) on the fitted curves, "
        f"{score.last:.4f} at their ends{held}",
        f"  R2 {score.r2:.4f}, RMSE {score.rmse:.4f}, worst {100 * score.worst:.2f} %",
        "",
        *_indented(parameter_frame(fit)),
    ]
    if fit.derived:
        lines.append("  " + ", ".join(f"{name} = {value:.6g}" for name, value in fit.derived.items()))
    if fit.warnings:
        lines += ["", "  doubts:", *(f"  - {item}" for item in fit.warnings)]
    return "\n".join(lines)


def fits_text(fits: CurveFits) -> str:
    """Every fit in words, which law predicts best, and the errors on curves that were not fitted."""
    parts = [fit_text(fit) for fit in fits]
    for item in fits.sets:
        parts += ["\n".join(lines) for lines in (list(_choice(item)), list(_tests(item))) if lines]
    return "\n\n".join(parts)


def _choice(item: SetFits) -> Iterator[str]:
    if not item.choice:
        return
    if item.choice[0]["error"] is None:
        yield f"{item.eval_set}: the curves do not tell laws apart; {item.best[0]} is taken"
        yield from _refused(item)
        return
    taken = " & ".join(item.best)
    ties = [str(row["name"]) for row in item.choice if row["tied"] and row["name"] != taken]
    parted = f"; not told from {', '.join(ties[:4])}" if ties else ""
    if taken == item.choice[0]["name"]:
        yield f"{item.eval_set}: {taken} errs least where {_folds(item)} were left out{parted}"
    else:
        yield (
            f"{item.eval_set}: {taken} is taken, which erred least on other data; that another errs less "
            f"where {_folds(item)} were left out may be chance"
        )
    for row in item.choice[:8]:
        yield f"  {row['name']:<44} {100 * row['error']:.3f} %"
    yield from _refused(item)


def _refused(item: SetFits) -> Iterator[str]:
    for name, why in item.refused.items():
        yield f"  {name:<44} left out: {why}"


def _folds(item: SetFits) -> str:
    names = list(item.choice[0]["folds"])
    if all(name.startswith("after ") for name in names):
        return "late parts"
    several = any(name.endswith(" more") for name in names)
    return f"{len(names)} {'groups of curves' if several else 'schedules'} in turn"


def _tests(item: SetFits) -> Iterator[str]:
    for name, rows in item.tests.items():
        mean = np.mean([row["mae"] for row in rows])
        yield f"{name} on {_count(len(rows), 'curve')} not fitted: mean absolute error {mean:.4f} nats/token"
        yield from _indented(error_frame(rows))


def error_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Errors of curves as a table: name, losses, mae, rmse, mape, worst, last, mae_whole."""
    return pd.DataFrame([{name: row[name] for name in ("name", "losses", *_ERRORS)} for row in rows])


def _indented(frame: pd.DataFrame) -> list[str]:
    def cell(value: Any) -> str:
        if isinstance(value, float):
            return "-" if np.isnan(value) else f"{value:.4g}"
        return str(value)

    table = [list(map(str, frame.columns)), *([cell(value) for value in row] for row in frame.to_numpy())]
    widths = [max(len(row[column]) for row in table) for column in range(len(frame.columns))]
    text = [isinstance(value, str) for value in frame.to_numpy()[0]]
    return [
        "  "
        + "  ".join(
            part.ljust(width) if left else part.rjust(width)
            for part, width, left in zip(row, widths, text, strict=True)
        ).rstrip()
        for row in table
    ]


def _constants(fit: CurveFit) -> str:
    found = [f"{name} {_span(fit.ranges[name])}" for name in ("N", "r") if name in fit.ranges]
    return f"; {', '.join(found)}" if found else ""


def _span(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
