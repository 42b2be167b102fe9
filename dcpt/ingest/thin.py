"""Fewer rows of a very long table, spread evenly over its design."""

from __future__ import annotations

import numpy as np

from dcpt.core.loss_table import LossTable


def thin_rows(table: LossTable, most: int) -> tuple[LossTable, dict[str, tuple[int, int]]]:
    """Keep at most so many rows of every evaluation set and metric.

    The rows are put in the order of N, r, D and run, and every k-th is kept, the first and the last
    among them: sizes, ratios and ranges of tokens keep their shares, and nothing is drawn at random.
    Rows of base models (D = 0) all stay.

    Parameters
    ----------
    table : LossTable
        The losses.
    most : int
        Rows with D > 0 to keep of each evaluation set and metric.

    Returns
    -------
    LossTable
        The same table when nothing is too long.
    dict of str to (int, int)
        Evaluation set to its rows before and after, where rows were left out.
    """
    frame = table.frame
    keep = np.ones(len(frame), dtype=bool)
    counts: dict[str, tuple[int, int]] = {}
    trained = frame["D"].to_numpy() > 0
    for (eval_set, metric), rows in frame.groupby(["eval_set", "metric"], sort=False).indices.items():
        rows = rows[trained[rows]]
        if len(rows) <= most:
            continue
        order = frame.iloc[rows].reset_index(drop=True).sort_values(["N", "r", "D", "run_id"], kind="stable")
        chosen = np.unique(np.linspace(0, len(rows) - 1, most).round().astype(np.int64))
        keep[rows] = False
        keep[rows[order.index.to_numpy()[chosen]]] = True
        counts[str(eval_set) if metric == "loss" else f"{eval_set} ({metric})"] = (len(rows), len(chosen))
    if not counts:
        return table, counts
    return LossTable(frame[keep].reset_index(drop=True)), counts
