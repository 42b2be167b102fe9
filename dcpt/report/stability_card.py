"""The page's card on the stability gap, where the loss table has curves that show one."""

from __future__ import annotations

from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.report.cards import Card, Part
from dcpt.report.table import Table, csv_uri, loss, table
from dcpt.sweep.stability_gap import gap_lines, stability_gaps

ROWS = 12
"""Curves shown, the deepest; all of them are in the file to save."""


def stability_card(losses: LossTable) -> list[Card]:
    """Losses that rise in the first steps and come back, run by run; nothing where none does."""
    gaps = stability_gaps(losses)
    if gaps.empty:
        return []
    deepest = gaps.sort_values("depth", ascending=False, kind="stable").head(ROWS)
    body = [
        (
            str(row["eval_set"]),
            format_quantity(float(row["N"])),
            f"{row['r']:.3g}",
            loss(row["start"]),
            loss(row["depth"], signed=True),
            f"{row['worst_step']:.0f}",
            "not back" if row["recovered_step"] != row["recovered_step"] else f"{row['recovered_step']:.0f}",
            loss(row["noise"]),
        )
        for row in deepest.to_dict("records")
    ]
    head = ("Set", "Size", "Domain share", "Base", "Rise", "Worst step", "Back at step", "Noise")
    shown = table(head, body, head[1:])
    return [
        Card(
            "The first steps: losses that rise and come back",
            ". ".join(line[0].upper() + line[1:] for line in gap_lines(losses)) + ".",
            parts=[Part(table=Table(shown.columns, shown.rows, csv_uri(gaps), "stability-gaps.csv"))],
        )
    ]
