"""Of a table whose runs were trained in several ways, those of one: a predictor reads mixtures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dcpt.core.errors import ConfigError
from dcpt.ingest.row_filter import keep_rows

VARIANT = "variant"
"""Column that names the options a run was trained with."""


def rows_of_one_variant(
    frame: pd.DataFrame, conditions: Sequence[str], where: str
) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """Rows that satisfy every condition, all of one variant, and how many were dropped, by condition.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per run.
    conditions : sequence of str
        ``variant=mer``, as `dcpt.ingest.row_filter.read_filter` reads them.
    where : str
        The file, for messages.

    Raises
    ------
    ConfigError
        When a condition cannot be read, or rows of several variants are left; the message names them.
    DataError
        When no row is left.
    """
    kept, dropped = keep_rows(frame, conditions, where)
    frame = frame[kept].reset_index(drop=True)
    names = [str(name) for name in frame[VARIANT].dropna().unique()] if VARIANT in frame else []
    if len(names) > 1:
        raise ConfigError(
            f"{where}: its runs are of the variants {', '.join(names)}; a fit is of one of them.",
            hint=f"--where {VARIANT}={names[0]}",
        )
    return frame, dropped
