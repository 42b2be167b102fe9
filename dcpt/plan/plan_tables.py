"""The tables of a plan in words: its front, the sizes there were, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_words
from dcpt.plan.plan import Plan

FRONT_ROWS = 11
"""Rows of a front that are shown; the file has all of them."""


def front_rows(plan: Plan, count: int = FRONT_ROWS) -> pd.DataFrame:
    """Rows of the Pareto front: evenly spaced ones, and the one nearest to the answer.

    Returns
    -------
    pandas.DataFrame
        Columns of `dcpt.plan.front.COLUMNS` and ``answer``, true in one row; no rows where the plan has no
        front.
    """
    front = plan.front
    if not len(front):
        return front.assign(answer=np.empty(0, dtype=bool))
    nearest = int((front["r"] - plan.r).abs().to_numpy().argmin())
    picked = np.unique(np.append(np.linspace(0, len(front) - 1, count).round().astype(int), nearest))
    return front.iloc[picked].assign(answer=picked == nearest).reset_index(drop=True)


def front_lines(plan: Plan) -> Iterator[str]:
    """The Pareto front with its band, from the lowest domain loss on."""
    rows = front_rows(plan)
    level = f"{100 * plan.objective.level:g} %"
    if not len(rows):
        yield "The plan holds no front; make it again."
        return
    size, tokens = format_quantity(plan.N), format_quantity(plan.D)
    yield f"Pareto front of {size} parameters on {tokens} tokens, {unit_words(plan.unit)}:"
    yield f"  {'r':>5}  {'domain':>8}  {'general':>8}  least general loss at that domain loss ({level})"
    for row in rows.to_dict("records"):
        band = "-"
        if np.isfinite(row["general_lo"]):
            band = f"{row['general_lo']:.4f} to {row['general_hi']:.4f}"
            if row["reached"] < 1:
                band += f", reached in {100 * row['reached']:.0f} % of the draws"
        mark = "  nearest to r*" if row["answer"] else ""
        yield f"  {row['r']:>5.3f}  {row['domain']:>8.4f}  {row['general']:>8.4f}  {band}{mark}"


def size_lines(plan: Plan) -> Iterator[str]:
    """The sizes there were to choose from, with the best run of each; nothing where N was given."""
    if not len(plan.by_size):
        return
    yield f"  {'size':<9}{'tokens':>8}{'r':>7}{'objective':>11}{'difference':>12}  {'interval':<18}  best in"
    for row in plan.by_size.to_dict("records"):
        if not row["feasible"] or not np.isfinite(row["value"]):
            yield f"  {format_quantity(row['N']):<9}{'-':>8}  no run of this size keeps the limits"
            continue
        ends = row["difference_lo"], row["difference_hi"]
        interval = f"{ends[0]:+.4f} to {ends[1]:+.4f}" if np.isfinite(ends).all() else "-"
        best = f"{100 * row['best_share']:.0f} % of the draws" if np.isfinite(row["best_share"]) else "-"
        yield (
            f"  {format_quantity(row['N']):<9}{format_quantity(row['D']):>8}{row['r']:>7.3f}"
            f"{row['value']:>11.4f}{row['difference']:>+12.4f}  {interval:<18}  {best}"
        )


def spending(cost: Mapping[str, float], hardware: str | None) -> str:
    """Device hours and money with the range that the utilisation leaves; nothing where they are not known."""
    parts = []
    for name, unit in (("hours", f"{hardware} hours"), ("money", "in money")):
        if name in cost:
            low, high = (format_quantity(cost[f"{name}_{end}"]) for end in ("low", "high"))
            spread = "" if low == high else f" ({low} to {high})"
            parts.append(f"{format_quantity(cost[name])} {unit}{spread}")
    return ", ".join(parts)
