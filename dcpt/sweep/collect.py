"""From the folders of finished runs to the loss table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.run import store

_COPIED = (
    "step phase eval_set metric unit value sem n_eval_tokens eta S1 S2 tokens D r_seen".split()
)


def collect(root: Path | str, runs: Sequence[RunSpec]) -> LossTable:
    """Gather the evaluations of the finished runs among `runs`.

    Runs that failed or were abandoned are left out; what they logged stays in their folders.

    Parameters
    ----------
    root : path
        Folder of the sweep.
    runs : sequence of RunSpec
        The runs to look at.

    Returns
    -------
    LossTable
        Base, trunk, decay and end rows, one per evaluation set and metric.

    Raises
    ------
    DataError
        When no run has finished, or a journal is damaged.
    """
    rows = []
    for run in runs:
        folder = store.run_folder(root, run.run_id)
        record = RunRecord.load(folder) if folder.exists() else None
        if record is None or record.status != "finished":
            continue
        for row in store.read_metrics(folder):
            if "value" not in row or "eval_set" not in row:
                raise DataError(f"{folder / 'metrics.jsonl'}: an evaluation of step {row['step']} is incomplete.")
            rows.append(
                {
                    "run_id": run.run_id,
                    "N": record.N,
                    "r": run.r,
                    "seed": run.seed,
                    "tokenizer": run.tokenizer_hash[:16],
                    "source": "dcpt",
                    **{name: row[name] for name in _COPIED},
                }
            )
    if not rows:
        raise DataError(f"{root}: no run has finished yet.", hint="dcpt sweep run goes on where it stopped")
    return LossTable.from_frame(pd.DataFrame(rows), where=str(root))
