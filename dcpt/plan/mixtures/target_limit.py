"""Limits on targets of a mixture, as people write them."""

from __future__ import annotations

import re

from dcpt.core.errors import ConfigError
from dcpt.plan.limit import Limit, LimitKind

EXAMPLES = (
    "write 'wiki <= 3.1' (a ceiling), 'wiki <= +1%' or 'wiki <= +0.05' (above the mixture compared with)"
)

_TEXT = re.compile(r"\s*([^\W\d][\w./-]*)\s*(?:<=|≤)\s*([+-]?)\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*")


def parse_limit(text: str) -> Limit:
    """Read a limit on a target; a sign or a per cent makes it relative.

    Raises
    ------
    ConfigError
        When the text is no limit.

    Examples
    --------
    >>> parse_limit("wiki <= +1%")
    Limit(eval_set='wiki', kind='relative', amount=0.01)
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ConfigError(f"keep: got {text!r}; wanted a limit on a target.", hint=EXAMPLES)
    name, sign, digits, percent = match.groups()
    number = float(f"{sign}{digits}")
    kind: LimitKind = "relative" if percent else ("increase" if sign else "ceiling")
    try:
        return Limit(eval_set=name, kind=kind, amount=round(number / 100, 12) if percent else number)
    except ConfigError as error:
        reason = error.message.removeprefix("Limit: ")
        raise ConfigError(f"keep: got {text!r}; {reason}", hint=EXAMPLES) from None
