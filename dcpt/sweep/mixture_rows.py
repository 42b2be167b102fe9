"""The losses of a sweep of mixtures, one row per run: every corpus's share beside every corpus's loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dcpt.core.errors import DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.run_spec import RunSpec
from dcpt.core.symbols import ROLES
from dcpt.core.table_file import write_frame
from dcpt.sweep.variant_names import VARIANT

MIXTURES = "mixtures.csv"
SCHEMA_VERSION = 1
SHARE, LOSS, SIDE, BASE = "share:", "loss:", "side:", "base:"
"""What the columns of shares, of losses, of sides and of the bases' losses begin with; the name of the corpus
follows. `dcpt.fit.mixtures.read_mixtures` reads them."""


def eval_set_of(roles: Mapping[str, str]) -> dict[str, str]:
    """Evaluation set of each corpus, and of each side with several: what a column of losses is called.

    Parameters
    ----------
    roles : mapping of str to str
        Corpus to its side.

    Returns
    -------
    dict of str to str
        Corpus, or side, to its evaluation set in the loss table: a corpus that is alone on its side is
        measured as the side.
    """
    sides = {role: [name for name, own in roles.items() if own == role] for role in ROLES}
    sets = {name: f"{role}/{name}" if len(sides[role]) > 1 else role for name, role in roles.items()}
    return sets | {role: role for role in ROLES if len(sides[role]) > 1}


def mixture_frame(
    runs: Sequence[RunSpec], table: LossTable, variants: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row per end of a schedule: shares of the corpora and losses on them.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs of the sweep.
    table : LossTable
        Their losses; joined on run_id.
    variants : mapping of str to str, optional
        Run id to the name of its options, where a sweep varies them.

    Returns
    -------
    pandas.DataFrame
        Columns ``schema_version run_id size N D seed r schedule``, where there are several ``variant``, a
        ``share:NAME`` for every corpus (the tokens asked for), a ``loss:NAME`` for every corpus (nats per
        token on its held-out text) and for every side with several corpora, a ``base:NAME`` for each of
        these, the loss of the run's base before continual pre-training, and a ``side:NAME`` for every corpus.

    Raises
    ------
    DataError
        When no run of a mixture has finished, or one lacks a loss.
    """
    known = {run.run_id: run for run in runs if run.kind != "base"}
    ends = table.select(phases=("end",)).frame
    before = _base_losses(table)
    rows: list[dict[str, Any]] = []
    for (run_id, _), group in ends[ends["run_id"].isin(list(known))].groupby(["run_id", "step"], sort=False):
        run, first = known[str(run_id)], group.iloc[0]
        losses = dict(zip(group["eval_set"], group["value"], strict=True))
        sets = eval_set_of(run.mixture.roles)
        missing = [name for name, found in sets.items() if found not in losses]
        if missing:
            raise DataError(f"run {run_id}: has no loss on {sets[missing[0]]!r} at its end.")
        rows.append(
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": run_id,
                "size": run.size,
                **{name: first[name] for name in ("N", "D", "seed", "r", "schedule")},
                **({VARIANT: variants[str(run_id)]} if variants else {}),
                **{SHARE + name: share for name, share in run.shares.items()},
                **{LOSS + name: losses[found] for name, found in sets.items()},
                **{BASE + name: before.get((float(first["N"]), found)) for name, found in sets.items()},
                **{SIDE + name: role for name, role in run.mixture.roles.items()},
            }
        )
    if not rows:
        raise DataError(
            "no run of a mixture has finished yet.", hint="dcpt sweep run goes on where it stopped"
        )
    return pd.DataFrame(rows)


def _base_losses(table: LossTable) -> dict[tuple[float, str], float]:
    """Loss of the base of each size on each evaluation set."""
    frame = table.select(phases=("base",)).frame
    keys = zip(frame["N"].astype(float), frame["eval_set"], strict=True)
    return dict(zip(keys, frame["value"].astype(float), strict=True))


def write_mixtures(
    root: Path, runs: Sequence[RunSpec], table: LossTable, variants: Mapping[str, str] | None = None
) -> Path:
    """Write ``mixtures.csv`` into a sweep's folder (see `mixture_frame`); atomically."""
    return write_frame(root / MIXTURES, mixture_frame(runs, table, variants))
