"""Evaluation sets that nobody named: a column that seems to tell them apart and is not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from dcpt.core.loss_table import RUN

MOST_SETS = 50
"""Values from which a column of text is no longer taken for the names of evaluation sets."""

SET_NAMES = (
    "eval",
    "evalset",
    "set",
    "split",
    "dataset",
    "task",
    "valset",
    "val_set",
    "validation",
    "corpus",
)
"""What columns of evaluation sets are called elsewhere."""


def sets_pooled(found: pd.DataFrame, frame: pd.DataFrame, ignored: Sequence[str]) -> Iterator[str]:
    """A note where a column that is not read seems to name evaluation sets that are taken for one.

    It is text of a few values, and is either called what such columns are called or tells rows of one
    design apart.

    Parameters
    ----------
    found : pandas.DataFrame
        The file's cells under its own names.
    frame : pandas.DataFrame
        Those of them that are read, under the names of the loss table.
    ignored : sequence of str
        Columns that are not read.
    """
    if "eval_set" in frame:
        return
    found = found.loc[frame.index]
    design = [name for name in ("N", "D", "r", RUN, "run_id", "step", "seed", "metric") if name in frame]
    repeated = bool(frame.duplicated(design).any())
    for name in ignored:
        if pd.api.types.is_numeric_dtype(found[name].dtype):
            continue
        values = [str(value) for value in found[name].dropna().unique()]
        if not 2 <= len(values) <= MOST_SETS:
            continue
        apart = repeated and not frame[design].assign(**{"": found[name]}).duplicated().any()
        if apart or name.lower() in SET_NAMES:
            listed = ", ".join(values[:3]) + (" ..." if len(values) > 3 else "")
            yield (
                f"There is no column eval_set: the rows are fitted as one set, whatever {name!r} says "
                f"({listed}). If it names evaluation sets, --map eval_set={name}."
            )
            return
