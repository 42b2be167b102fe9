"""The tables of a plan on the page: the front with its band, and the sizes there were to choose from."""

from __future__ import annotations

import numpy as np

from dcpt.core.quantity import format_quantity
from dcpt.fit.unit_words import unit_words
from dcpt.plan.plan import Plan
from dcpt.plan.plan_tables import front_rows
from dcpt.report.cards import Card, Part
from dcpt.report.table import Cell, Table, csv_uri, loss, percent, table

_SIZES = ("Size", "Tokens", "r", "Objective", "Difference", "Interval", "Best in draws")


def front_part(plan: Plan) -> list[Part]:
    """The Pareto front, a few rows of it, with all of them to save; nothing where the plan has none."""
    rows = front_rows(plan)
    if not len(rows):
        return []
    level = percent(plan.objective.level)
    head = ("r", "Domain", "General", f"{level} interval", "Reached in draws")
    body = [
        (
            Cell(f"{row['r']:.3f}", "best" if row["answer"] else ""),
            loss(row["domain"]),
            loss(row["general"]),
            _ends(row["general_lo"], row["general_hi"]),
            "–" if np.isnan(row["reached"]) else percent(row["reached"]),
        )
        for row in rows.to_dict("records")
    ]
    made = table(head, body, head[:3])
    made = Table(made.columns, made.rows, csv_uri(plan.front), "front.csv")
    return [Part(f"Pareto front, {unit_words(plan.unit)}; the row nearest to r* is bold", made)]


def size_card(plan: Plan) -> Card | None:
    """Every size with its best run; None where the size was given."""
    if not len(plan.by_size):
        return None
    body: list[tuple[str | Cell, ...]] = []
    for row in plan.by_size.to_dict("records"):
        size = format_quantity(row["N"])
        if not row["feasible"] or np.isnan(row["value"]):
            body.append((size, *("–",) * 5, Cell("no run keeps the limits", "quiet")))
            continue
        body.append(
            (
                Cell(size, "best" if row["N"] == plan.N else ""),
                format_quantity(row["D"]),
                f"{row['r']:.3f}",
                loss(row["value"]),
                loss(row["difference"], signed=True),
                _ends(row["difference_lo"], row["difference_hi"], signed=True),
                "–" if np.isnan(row["best_share"]) else percent(row["best_share"]),
            )
        )
    made = table(_SIZES, body, _SIZES[:5])
    made = Table(made.columns, made.rows, csv_uri(plan.by_size), "sizes.csv")
    ends = plan.intervals.get("N")
    finding = f"The best size is {format_quantity(plan.N)}"
    if ends is not None:
        finding += f", {percent(plan.objective.level)} interval {_sizes(ends)}"
    return Card(
        "Sizes", f"{finding}. Each size with its best run within the budget.", parts=[Part(table=made)]
    )


def _ends(low: float, high: float, signed: bool = False) -> str:
    return "–" if np.isnan(low) or np.isnan(high) else f"{loss(low, signed)} to {loss(high, signed)}"


def _sizes(ends: tuple[float, ...]) -> str:
    return " to ".join(format_quantity(end) for end in ends)
