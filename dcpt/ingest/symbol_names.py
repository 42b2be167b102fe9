"""Names a column may be mapped to, and what people call them instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from dcpt.core.errors import ConfigError
from dcpt.core.table_rows import COLUMNS, RUN, SCHEDULES

SYMBOLS = (*COLUMNS, RUN, *SCHEDULES)
"""What a column may be mapped to; s follows from r and the side, so it is never read."""

_OTHER_NAMES = {
    **dict.fromkeys(("loss", "val_loss", "L", "y"), "value"),
    **dict.fromkeys(("params", "parameters", "size", "model_size"), "N"),
    **dict.fromkeys(("D0", "data", "n_tokens"), "D"),
    **dict.fromkeys(("ratio", "share", "mix", "mixture", "s"), "r"),
    **dict.fromkeys(("eval", "dataset", "set"), "eval_set"),
    **dict.fromkeys(("lr", "learning_rate"), "eta"),
}
"""What people call a symbol, for the hint when they do."""


def known_symbol(name: str, where: str = "", also: Collection[str] = ()) -> str:
    """Pass a symbol of the loss table through.

    Parameters
    ----------
    name : str
        What was written.
    where : str
        Flag or file, for the message.
    also : collection of str
        Further names that are known: inputs of the law that is to be fitted.

    Raises
    ------
    ConfigError
        When it is none; the hint says which one is meant.
    """
    known = (*SYMBOLS, *(item for item in also if item not in SYMBOLS))
    if name in known:
        return name
    close = [item for item in known if item.lower() == name.lower()]
    close += [_OTHER_NAMES[name]] if name in _OTHER_NAMES else difflib.get_close_matches(name, known, n=1)
    place = f"{where}: " if where else ""
    raise ConfigError(
        f"{place}{name!r} is not a column of the loss table"
        + (" nor an input of the law" if also else "")
        + f"; known are {', '.join(known)}.",
        hint=f"did you mean {close[0]!r}?" if close else None,
    )
