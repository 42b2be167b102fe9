"""Fits in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcpt.core.quantity import format_quantity
from dcpt.fit.baselines import BASELINES
from dcpt.fit.score import LARGEST_D, LARGEST_N, RATIO, HoldoutScore
from dcpt.fit.unit_words import unit_sign

if TYPE_CHECKING:
    from dcpt.fit.fit_file import FitSet
    from dcpt.fit.law_fit import LawFit


def parameter_frame(fit: LawFit, level: float = 0.9) -> pd.DataFrame:
    """Parameters with intervals: name, value, lo, hi, unit, meaning, note; one row each.

    Without draws lo and hi are missing and the note says why.
    """
    tail = (1 - level) / 2
    doubts: dict[str, list[str]] = {name: [] for name in fit.law.names}
    for doubt in fit.warnings:
        if doubt.kind in ("bound_hit", "not_identified"):
            for name in doubt.parameters:
                doubts[name].append("on a bound" if doubt.kind == "bound_hit" else "not identified")
    rows = []
    for index, item in enumerate(fit.law.parameters):
        notes = list(doubts[item.name])
        lo: float | None = None
        hi: float | None = None
        if item.name in fit.fixed:
            notes.append("fixed")
        if item.name in fit.ties:
            notes.append(f"= {fit.ties[item.name]}")
        if len(fit.draws):
            # On a ridge the refits may all end elsewhere; an interval without its estimate would be a riddle.
            ends = (*np.quantile(fit.draws[:, index], [tail, 1 - tail]), fit.theta[index])
            lo, hi = float(min(ends)), float(max(ends))
        else:
            notes.append("no interval without bootstrap")
        unit = unit_sign(fit.unit) if item.unit == "nats/token" else item.unit
        rows.append((item.name, float(fit.theta[index]), lo, hi, unit, item.meaning, ", ".join(notes)))
    return pd.DataFrame(rows, columns=["name", "value", "lo", "hi", "unit", "meaning", "note"])


def summary_text(fit: LawFit, level: float = 0.9) -> str:
    """A fit in words: what was fitted, parameters, errors beside the baselines', doubts."""
    unit = unit_sign(fit.unit)
    status = {
        "converged": "converged",
        "bound_hit": "converged, with a parameter on a bound",
        "max_iter": "NOT converged",
    }[fit.status]
    lines = [
        f"{fit.law.name} on {fit.eval_set}: L = {fit.law.formula}",
        f"  {_share(fit)}N in {format_quantity(fit.units.N)}, D in {format_quantity(fit.units.D)} tokens",
        f"  {fit.rows} points of {fit.runs} runs; N {_span(fit, 'N')}, D {_span(fit, 'D')}{_ratios(fit)}",
    ]
    if fit.dropped:
        parts = ", ".join(f"{count} ({reason})" for reason, count in fit.dropped.items())
        lines.append(f"  left out: {parts}")
    lines += [
        f"  {status}; {fit.agree} of {fit.starts} starts end in this optimum",
        f"  mean absolute error {fit.mae:.4f} {unit} ({100 * fit.mape:.2f} %) on the fitted points",
        *quality_lines(getattr(fit, "quality", None) or {}),
        "",
        *_parameter_lines(fit, level),
    ]
    if fit.holdouts:
        lines += ["", *_holdout_lines(fit, unit)]
    for name, errors in fit.corner_errors.items():
        lines.append(
            f"  at {name}, not fitted: mean absolute error {errors['mae']:.4f} {unit}, "
            f"bias {errors['bias']:+.4f} ({errors['rows']:g} points)"
        )
    if fit.warnings:
        lines += ["", "  doubts:", *_doubt_lines(fit)]
    return "\n".join(lines)


def compare_text(fits: FitSet) -> str:
    """Which law errs least on the largest size left out, per evaluation set."""
    lines = []
    for eval_set, unit in dict.fromkeys((fit.eval_set, fit.unit) for fit in fits):
        scores: dict[str, HoldoutScore] = {}
        for fit in fits:
            if (fit.eval_set, fit.unit) == (eval_set, unit):
                scores.update({item.model: item for item in fit.holdouts if item.kind == LARGEST_N})
        if scores:
            ranked = sorted(scores.values(), key=lambda item: item.mae)
            parts = ", ".join(f"{item.model} {item.mae:.4f}" for item in ranked)
            lines.append(f"{eval_set}: error on the largest size left out ({unit_sign(unit)}): {parts}")
    for which, reason in fits.refused.items():
        lines.append(f"{which} was not fitted: {reason}")
    return "\n".join(lines) if lines else "No hold-out was scored."


def quality_lines(quality: Mapping[str, Any]) -> list[str]:
    """What `dcpt.fit.report_numbers.fit_quality` found, in two lines; none without it."""
    if not quality:
        return []
    errors, scatter = quality["errors"], quality["scatter"]
    found, information = quality["identification"], quality["information"]
    r2 = "-" if errors["r2_log"] is None else f"{errors['r2_log']:.4f}"
    noise = f", {100 * scatter['seed_sigma']:.2g} % between repeated runs" if scatter["seed_sigma"] else ""
    lag = "" if scatter["lag1"] is None else f", neighbours of a run correlate by {scatter['lag1']:+.2f}"
    condition = "without full rank" if found["condition"] is None else f"condition {found['condition']:.2g}"
    lines = [
        f"  R2 of log loss {r2}, RMSE {errors['rmse']:.4f}; residuals scatter by "
        f"{100 * scatter['mad_sigma']:.2g} %{noise}; {100 * scatter['inlier_share']:.0f} % within the Huber "
        f"threshold {scatter['delta']:g}{lag}",
        f"  rank {found['rank']} of {found['parameters']}, {condition}",
    ]
    if information["aic"] is not None:
        lines[-1] += f"; AIC {information['aic']:.1f}, BIC {information['bic']:.1f} (runs as observations)"
    return lines


def _doubt_lines(fit: LawFit) -> list[str]:
    """One line each; the pairs that are hardly told apart, of which there may be many, in one."""
    pairs = [item.parameters for item in fit.warnings if item.kind == "correlated"]
    lines = [f"  - {item.message}" for item in fit.warnings if item.kind != "correlated" or len(pairs) == 1]
    if len(pairs) > 1:
        names = ", ".join(" and ".join(pair) for pair in pairs)
        lines.append(f"  - These are hardly told apart: {names}; read predictions, not their values.")
    return lines


def _share(fit: LawFit) -> str:
    return f"s is the {fit.role} share of tokens; " if "s" in fit.law.inputs else ""


def _ratios(fit: LawFit) -> str:
    lo, hi = fit.ranges["r"]
    return f", r {lo:g} to {hi:g}" if {"s", "r"} & set(fit.law.inputs) else ""


def _span(fit: LawFit, symbol: str) -> str:
    lo, hi = fit.ranges[symbol]
    return f"{format_quantity(lo)} to {format_quantity(hi)}"


def _parameter_lines(fit: LawFit, level: float) -> list[str]:
    frame = parameter_frame(fit, level)
    # Profiles are made at the level that the summary has, see `dcpt.fit.fit`.
    heads = [f"{100 * level:g} % interval", *([f"{100 * level:g} % by profile"] if fit.profiles else [])]
    lines = [f"  {'':6} {'value':>10}" + "".join(f" {head:>22}" for head in heads)]
    for row in frame.to_dict("records"):
        ends = [(row["lo"], row["hi"]) if len(fit.draws) else None]
        if fit.profiles:
            ends.append(fit.profiles.get(row["name"]))
        cells = "".join(f" {'-' if pair is None else f'{pair[0]:.4g} to {pair[1]:.4g}':>22}" for pair in ends)
        note = f"  [{row['note']}]" if row["note"] else ""
        lines.append(f"  {row['name']:6} {row['value']:10.5g}{cells}  {row['meaning']}{note}")
    return lines


def _holdout_lines(fit: LawFit, unit: str) -> list[str]:
    models = (fit.law.name, *BASELINES)
    lines = [
        f"  error on points left out of the fit ({unit})",
        f"  {'':24} " + " ".join(f"{name:>12}" for name in models) + "  inside 90 %",
    ]
    seen = dict.fromkeys((item.kind, item.level) for item in fit.holdouts)
    for kind, level in seen:
        scores = {item.model: item for item in fit.holdouts if (item.kind, item.level) == (kind, level)}
        label = f"r = {level:g}" if kind == RATIO else f"{kind}, {format_quantity(level)}"
        cells = " ".join(f"{scores[name].mae:12.4f}" if name in scores else f"{'-':>12}" for name in models)
        own = scores.get(fit.law.name)
        inside = "" if own is None or own.coverage is None else f"  {100 * own.coverage:.0f} %"
        lines.append(f"  {label:24} {cells}{inside}")
    beyond = [kind for kind in (LARGEST_N, LARGEST_D) if any(item.reach > 0 for item in fit.holdout(kind))]
    if beyond:
        lines.append("  (intervals beyond the fitted N and D are widened by these errors)")
    return lines
