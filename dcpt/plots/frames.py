"""The check every plot function makes first: the frame has the columns it documents."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dcpt.core.errors import DataError

KINDS = ("measured", "mean", "lo", "hi")
"""What a row of a curve frame is: a measured loss, a law's mean, or an end of its interval."""

NATS = "nats per token"
"""Unit of the losses that a label names unless another is given: that of the metric ``loss``."""


def loss_label(side: str, unit: str) -> str:
    """Label of an axis of losses: ``general loss, nats per token``; without a side ``loss, ...``."""
    return f"{side} loss, {unit}".strip()


def check_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Return the frame if it has the columns and at least one row.

    Raises
    ------
    DataError
        Naming the first missing column, or saying that the frame is empty.
    """
    missing = [name for name in columns if name not in frame]
    if missing:
        raise DataError(
            f"{where}: column {missing[0]!r} is missing; found {', '.join(map(str, frame.columns))}."
        )
    if not len(frame):
        raise DataError(f"{where}: the frame is empty.")
    return frame


def check_curves(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Check a curve frame: columns r, N, D, value and kind, the kinds being those of `KINDS`.

    Raises
    ------
    DataError
        When a column is missing or a kind is unknown.
    """
    check_columns(frame, ("r", "N", "D", "value", "kind"), where)
    unknown = sorted(set(frame["kind"]) - set(KINDS))
    if unknown:
        raise DataError(f"{where}: kind {unknown[0]!r} is unknown; wanted one of {', '.join(KINDS)}.")
    return frame
