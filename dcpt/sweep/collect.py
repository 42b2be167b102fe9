"""From the folders of finished runs to the loss table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dcpt.core.errors import DataError
from dcpt.core.loss_table import RUN, LossTable
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.core.symbols import DENSE
from dcpt.run import store
from dcpt.sweep.corpus_settings import SOURCE
from dcpt.sweep.mixture_rows import SHARE
from dcpt.sweep.mixtures import Mixture
from dcpt.sweep.option_columns import option_cells, option_names
from dcpt.sweep.shares import DIGITS

_MEASURED = ("step", "phase", "eval_set", "metric", "unit", "value", "sem", "n_eval_tokens")
TOKENIZER_DIGITS = 16
"""Digits of a tokenizer's hash in the loss table: enough to tell tokenizers apart."""

_COPIED = (*_MEASURED, "eta", "S1", "S2", "tokens", "D", "r_seen")


def collect(
    root: Path | str,
    runs: Sequence[RunSpec],
    mixed: bool = False,
    source: str = SOURCE,
    variants: Mapping[str, str] | None = None,
) -> LossTable:
    """Gather the evaluations of the finished runs among `runs`.

    Runs that failed or were abandoned are left out; what they logged stays in their folders.

    Parameters
    ----------
    root : path
        Folder of the sweep.
    runs : sequence of RunSpec
        The runs to look at.
    mixed : bool
        Whether the runs are those of a sweep of mixtures. Two mixtures may then have one r, so the table
        tells runs apart by a column ``run``; it has a ``share:NAME`` for every corpus, empty for bases.
    source : str
        What the table says of where its losses come from.
    variants : mapping of str to str, optional
        Run id to the name of its options, where the sweep varies them: of mixtures they are part of ``run``.

    Returns
    -------
    LossTable
        Base, trunk, decay and end rows, one per evaluation set and metric; of the bases also the dense
        evaluation sets on the way, in phase ``pretraining``.

    Raises
    ------
    DataError
        When no run has finished, or a journal is damaged.
    """
    rows, options = [], option_cells(runs)
    known = {run.run_id: run for run in runs}
    for run in runs:
        folder = store.run_folder(root, run.run_id)
        record = RunRecord.load(folder) if folder.exists() else None
        if record is None or record.status != "finished":
            continue
        found = store.read_metrics(folder)
        _check_whole(run, found, folder)
        found = _curve_before(run, folder) + found
        base = _base_of(run, known)
        same = {
            "run_id": run.run_id,
            "N": record.N,
            # Shares are decimals; so is their sum, but for the last bits of a float.
            "r": round(run.r, DIGITS),
            "seed": run.seed,
            "tokenizer": run.tokenizer_hash[:TOKENIZER_DIGITS],
            "source": source,
            "schedule": _text(run),
            "base_schedule": "" if base is None else _text(base),
        }
        own = {**options(run, record), **(_mixture_of(run, variants or {}) if mixed else {})}
        rows += [{**same, **{name: row[name] for name in _COPIED}, **own} for row in found]
    if not rows:
        raise DataError(f"{root}: no run has finished yet.", hint="dcpt sweep run goes on where it stopped")
    extras = ([SHARE + name for name in runs[0].mixture.roles] if mixed else []) + option_names(runs)
    return LossTable.from_frame(pd.DataFrame(rows), where=str(root), extras=extras)


def _mixture_of(run: RunSpec, variants: Mapping[str, str]) -> dict[str, Any]:
    """The independent run behind a row, and its shares; a base's are those of another phase."""
    shares = run.shares
    if run.kind == "base":
        return {RUN: f"base-s{run.seed}", **{SHARE + name: None for name in shares}}
    named = f"{Mixture.of(shares).label}-s{run.seed}"
    told = " ".join(filter(None, (named, variants.get(run.run_id))))
    return {RUN: told, **{SHARE + name: share for name, share in shares.items()}}


def _curve_before(run: RunSpec, folder: Path) -> list[dict[str, Any]]:
    """Dense evaluations during pre-training, where a loss curve begins."""
    if run.kind != "base":
        return []
    rows = store.read_metrics(folder, "eval_base")
    return [{**row, "phase": "pretraining"} for row in rows if row["eval_set"].endswith(f"/{DENSE}")]


def _base_of(run: RunSpec, known: Mapping[str, RunSpec]) -> RunSpec | None:
    """The base at the beginning of a run, among the known ones; a base has none."""
    while run.kind != "base":
        parent = known.get(run.start.run_id) if run.start is not None else None
        if parent is None or parent.kind == "base":
            return parent
        run = parent
    return None


def _text(run: RunSpec) -> str:
    """A run's schedule as text; for a checkpoint, which was not trained here, what is known of it."""
    return run.schedule.text if run.schedule.steps else run.model.pretraining


def _check_whole(run: RunSpec, rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """A finished run has every field of every evaluation, and one at each end of its schedule."""
    journal = folder / "metrics.jsonl"
    hint = f"delete the folder {folder}: the run is then trained again"
    for row in rows:
        missing = [name for name in _COPIED if name not in row]
        if missing:
            raise DataError(f"{journal}: an evaluation of step {row['step']} has no {missing[0]}.", hint)
    absent = set(run.evaluation.ends) - {row["step"] for row in rows}
    if absent:
        raise DataError(
            f"{journal}: the evaluation of step {min(absent)} is missing; the run is finished.", hint
        )
