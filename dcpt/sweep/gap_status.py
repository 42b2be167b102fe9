"""The stability gap of a sweep as far as it has come, in one line; only runs that can show one are read.

The rules are those of `dcpt.sweep.stability_gap`; the journals are read as they are, without a loss table,
because the status of thousands of runs is asked for again and again.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from dcpt.core.symbols import DENSE
from dcpt.run import store
from dcpt.sweep.prepare import Sweep
from dcpt.sweep.stability_gap import LEAST_EVALUATIONS, LEAST_RATE, find_gap
from dcpt.sweep.work import count_evaluations

Curve = dict[int, tuple[float, float]]
"""Step to the loss and the learning rate there."""


def gap_status(sweep: Sweep) -> dict[str, Any]:
    """What the curves of the runs that begin with a base say of the stability gap.

    A branch begins where its trunk's curve has been; a run with fewer than `LEAST_EVALUATIONS` evaluations
    has no curve. Neither is read. A run that is under way counts as far as it has come.

    Parameters
    ----------
    sweep : Sweep
        A prepared sweep.

    Returns
    -------
    dict
        ``runs`` with curves, ``gaps`` (those whose loss rose and fell again), and where there are some
        ``depth`` (nats per token), ``eval_set``, ``step`` and ``run_id`` of the deepest, ``recovered`` (runs
        that are back at their base's loss on every set that rose), and ``first`` and ``last`` (steps by which
        the first and the last of them was).
    """
    bases: dict[str, dict[str, Curve]] = {}
    runs, depths, back = 0, [], {}
    for run in sweep.design.runs:
        if run.start is None or run.first_step or count_evaluations(run) < LEAST_EVALUATIONS:
            continue
        curves = _curves(store.run_folder(sweep.root, run.run_id))
        curves = {name: curve for name, curve in curves.items() if f"{name}/{DENSE}" not in curves}
        if not any(len(curve) >= LEAST_EVALUATIONS for curve in curves.values()):
            continue
        base = run.start.run_id
        if base not in bases:
            bases[base] = _curves(store.run_folder(sweep.root, base))
        runs += 1
        recovered: list[int | None] = []
        for name, curve in curves.items():
            if not (start := bases[base].get(name)):
                continue
            found = _gap(curve, start[max(start)][0])
            if found is not None:
                depth, worst, when = found
                depths.append((depth, worst, name.removesuffix(f"/{DENSE}"), run.run_id))
                recovered.append(when)
        if recovered:
            back[run.run_id] = None if None in recovered else max(step for step in recovered if step)
    if not depths:
        return {"runs": runs, "gaps": 0}
    depth, step, eval_set, name = max(depths)
    steps = [when for when in back.values() if when is not None]
    return {
        **{"runs": runs, "gaps": len(back), "depth": depth, "eval_set": eval_set, "step": step},
        **{"run_id": name, "recovered": len(steps), "first": min(steps, default=None)},
        "last": max(steps, default=None),
    }


def gap_sentence(found: dict[str, Any]) -> str:
    """What `gap_status` found, in a sentence; empty where no run has a curve."""
    runs, gaps = found["runs"], found["gaps"]
    if not runs:
        return ""
    if not gaps:
        return f"stability gap: none in the curves of {runs} runs"
    back, first, last = found["recovered"], found["first"], found["last"]
    came = f"{back} came back to the base's loss" if back else "none has come back to the base's loss"
    when = f", by step {first}" + (f" to {last}" if last > first else "") if back else ""
    deepest = f"{found['depth']:.3f} on {found['eval_set']} at step {found['step']} ({found['run_id']})"
    return (
        f"stability gap: the loss of {gaps} of {runs} runs with curves rose after the start and fell again, "
        f"by up to {deepest}; {came}{when}"
    )


def _gap(curve: Curve, start: float) -> tuple[float, int, int | None] | None:
    """Depth, step of the highest loss, and step of the return to the loss at the start."""
    steps = sorted(step for step in curve if step > 0)
    most = max((curve[step][1] for step in steps), default=0.0)
    steps = [step for step in steps if not curve[step][1] < LEAST_RATE * most]
    gap = find_gap(np.array([curve[step][0] for step in steps]), start)
    if gap is None:
        return None
    return gap.depth, steps[gap.worst], None if gap.recovered is None else steps[gap.recovered]


def _curves(folder: Path) -> dict[str, Curve]:
    """Losses by evaluation set, of a journal of any length; a torn line is passed over."""
    found: dict[str, Curve] = {}
    try:
        lines = (folder / "metrics.jsonl").read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        if b'"eval"' not in line or b'"loss"' not in line:
            continue
        with contextlib.suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            if row["kind"] == "eval" and row["metric"] == "loss":
                step, eta = int(row["step"]), float(row["eta"])
                found.setdefault(str(row["eval_set"]), {})[step] = (float(row["value"]), eta)
    return found
