"""Where a sweep stands, run by run."""

from __future__ import annotations

import pandas as pd

from dcpt.core.run_record import RunRecord
from dcpt.run import store
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.shares import DIGITS

COLUMNS = ("run_id", "size", "kind", "r", "seed", "status", "step", "steps", "r_seen", "seconds", "reason")


def status_frame(sweep: Sweep) -> pd.DataFrame:
    """One row per run: `COLUMNS`.

    ``r`` is the domain share asked for and ``r_seen`` the one realised; ``step`` is the last
    evaluated step of an unfinished run.
    """
    rows = []
    for run in sweep.design.runs:
        folder = store.run_folder(sweep.root, run.run_id)
        record = RunRecord.load(folder) if folder.exists() else None
        state = record.status if record else store.status(folder)
        step = run.schedule.steps if state == "finished" else 0
        if state not in ("finished", "waiting"):
            logged = store.read_metrics(folder, "eval") + store.read_metrics(folder, "eval_base")
            step = max((int(row["step"]) for row in logged), default=0)
        rows.append(
            {
                "run_id": run.run_id,
                "size": run.size,
                "kind": run.kind,
                "r": round(run.r, DIGITS),
                "seed": run.seed,
                "status": state,
                "step": step,
                "steps": run.schedule.steps,
                "r_seen": record.r_seen if record else None,
                "seconds": record.seconds if record else None,
                "reason": record.reason if record else "",
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
