"""The card of other mixes beside the answer: common practice, the best run so far, the mix in use."""

from __future__ import annotations

import pandas as pd

from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.baselines import Baseline
from dcpt.plan.plan import Plan
from dcpt.report.cards import Card, Part
from dcpt.report.table import Cell, Table, csv_uri, loss, percent, table

_COLUMNS = ("Mix", "r", "General", "Domain", "Objective", "Difference", "Interval", "Limits")


def baseline_card(plan: Plan) -> Card | None:
    """Other mixes at the planned size and tokens; None for a plan that knows none."""
    if not plan.baselines:
        return None
    body = table(_COLUMNS, [_row(item, plan) for item in plan.baselines], _COLUMNS[1:6])
    frame = pd.DataFrame(
        [
            {"mix": item.name, "r": item.r, **item.losses, "objective": item.value, "kept": item.kept,
             "difference": item.difference, "lo": item.lo, "hi": item.hi}
            for item in plan.baselines
        ]
    )  # fmt: skip
    body = Table(body.columns, body.rows, csv_uri(frame), "other-mixes.csv")
    return Card("Other mixes", _finding(plan), parts=[Part(table=body)])


def _finding(plan: Plan) -> str:
    same = [item.name for item in plan.baselines if item.same]
    if same:
        return f"Not told apart from the answer: {', '.join(same)}."
    kept = [item for item in plan.baselines if item.keeps and item.difference is not None]
    if not kept:
        return "None of the usual mixes keeps the limits."
    best = min(kept, key=lambda item: item.difference or 0.0)
    unit = unit_of_amount(plan.unit)
    gap = f"{abs(best.difference or 0.0):.4f} {unit}"
    return f"The best of them that keeps the limits, {best.name}, is {gap} worse than the answer."


def _row(item: Baseline, plan: Plan) -> tuple[str | Cell, ...]:
    if item.r is None:
        return (item.name, *("–",) * 6, Cell(item.note, "quiet"))
    interval = "–" if item.lo is None else f"{loss(item.lo, signed=True)} to {loss(item.hi, signed=True)}"
    share = "" if item.kept is None else f" in {percent(item.kept)}"
    kept = Cell("none", "quiet")
    if plan.limits:
        broken = f"broken, kept{share}" if share else "broken"
        kept = Cell(f"kept{share}", "good") if item.keeps else Cell(broken, "warn")
    return (
        item.name,
        f"{item.r:.3f}",
        loss(item.losses.get("general")),
        loss(item.losses.get("domain")),
        loss(item.value),
        loss(item.difference, signed=True),
        interval,
        kept,
    )
