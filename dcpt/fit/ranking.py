"""Rows of a tournament: every model of one evaluation set, kind by kind, ranked by its error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcpt.fit.dataset import FitData
from dcpt.fit.held_out import HeldOut
from dcpt.fit.paired import paired_differences
from dcpt.fit.splits import Split

OVERALL = "all"
"""The average over the kinds of hold-out, each counting once."""

COLUMNS = (
    *("eval_set", "metric", "unit", "kind", "model", "law", "parameters", "splits", "rows"),
    *("mae", "mape", "bias", "mae_fitted", "rank", "difference", "lo", "hi", "tie", "unconverged"),
)


def rank_models(
    data: FitData, splits: Sequence[Split], judged: Sequence[HeldOut], level: float, seed: int
) -> list[dict[str, Any]]:
    """Rows with `COLUMNS`, best first within a kind; models refused on a split of a kind are not in it."""
    rows: list[dict[str, Any]] = []
    kinds = list(dict.fromkeys(split.kind for split in splits))
    for kind in [*kinds, *([OVERALL] if len(kinds) > 1 else [])]:
        mine = [number for number, split in enumerate(splits) if kind in (split.kind, OVERALL)]
        models = [item for item in judged if not item.refused.keys() & set(mine)]
        if not models:
            continue
        out = [np.flatnonzero(splits[number].out) for number in mine]
        place = np.concatenate(out)
        split = np.repeat(np.arange(len(mine)), [len(part) for part in out])
        families = np.array([kinds.index(splits[number].kind) for number in mine])
        worth = 1.0 / (np.bincount(split) * np.bincount(families)[families])[split]
        worth /= worth.sum()  # rows of a split, splits of a kind and kinds count alike
        predicted = np.stack([np.concatenate([item.predicted[number] for number in mine]) for item in models])
        error = predicted - data.loss[place]
        mae = np.abs(error) @ worth
        order = [int(index) for index in np.argsort(mae, kind="stable")]
        gaps = paired_differences(
            np.abs(error)[order], 0, data.groups[place], split, families[split], level=level, seed=seed
        )
        for rank, index in enumerate(order):
            item, gap = models[index], gaps[rank - 1] if rank else None
            rows.append(
                {
                    **{"eval_set": data.eval_set, "metric": data.metric, "unit": data.unit, "kind": kind},
                    **{"model": item.model, "law": item.law, "parameters": item.parameters},
                    **{"splits": len(mine), "rows": len(place), "mae": float(mae[index])},
                    "mape": float((np.abs(error[index]) / data.loss[place]) @ worth),
                    "bias": float(error[index] @ worth),
                    "mae_fitted": float(np.abs(item.fitted - data.loss).mean()),
                    "rank": rank + 1,
                    "difference": gap.difference if gap else 0.0,
                    "lo": gap.lo if gap else 0.0,
                    "hi": gap.hi if gap else 0.0,
                    "tie": gap.tie if gap else True,
                    "unconverged": len(set(mine) & set(item.unconverged)),
                }
            )
    return rows
