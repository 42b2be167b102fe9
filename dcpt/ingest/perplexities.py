"""Perplexities that pass for losses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from dcpt.core.loss_table import LossTable

WORST_LOSS = math.log(1 << 20)
"""Nats per token of a guess among a million tokens, 13.9: larger vocabularies are not in use, and a model
that errs by more knows less than nothing."""

_NAMES = re.compile(r"(?<![a-z])(ppl|perplexit)", re.IGNORECASE)
_LOGARITHM = re.compile(r"(?<![a-z])(log|ln)(?![a-z])", re.IGNORECASE)


def perplexities(table: LossTable, column: str) -> Iterator[str]:
    """A note for each evaluation set whose losses can only be perplexities, or are called so.

    Parameters
    ----------
    table : LossTable
        What was read.
    column : str
        Name of the values in the file.
    """
    words = column.replace("_", " ")
    called = bool(_NAMES.search(words)) and not _LOGARITHM.search(words)
    frame = table.frame[table.frame["metric"] == "loss"]
    for eval_set, values in frame.groupby("eval_set", sort=False)["value"]:
        middle = float(values.median())
        if middle > WORST_LOSS or (called and float(values.min()) > 1):
            why = (
                f"the column is called {column!r}"
                if middle <= WORST_LOSS
                else f"a guess among a million tokens errs by {WORST_LOSS:.1f} nats"
            )
            yield (
                f"The losses on {eval_set!r}, {middle:.4g} in the middle, look like perplexities ({why}). "
                f"Laws are of losses in nats per token: give the logarithm, {math.log(middle):.4g} there."
            )
