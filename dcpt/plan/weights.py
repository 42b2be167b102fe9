"""What is minimised: a loss, or a balance of several by weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from dcpt.core.errors import ConfigError

EXAMPLES = "write 'domain', or a balance such as '0.7*domain + 0.3*general'"

_TERM = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*\*)?\s*([A-Za-z_][\w./-]*)\s*")


def parse_weights(text: str) -> dict[str, float]:
    """Read a weighted sum of losses.

    Parameters
    ----------
    text : str
        ``domain``, ``0.7*domain + 0.3*general`` or ``domain=0.7,general=0.3``.

    Returns
    -------
    dict of str to float
        Side or evaluation set to its weight; terms of weight 0 are left out.

    Raises
    ------
    ConfigError
        When the text is neither, a name stands twice, or no weight is positive.

    Examples
    --------
    >>> parse_weights("0.7*domain + 0.3*general")
    {'domain': 0.7, 'general': 0.3}
    """
    if "=" in text:
        text = "+".join(_as_term(part, text) for part in text.split(",") if part.strip())
    found: dict[str, float] = {}
    for part in text.split("+"):
        match = _TERM.fullmatch(part)
        if match is None:
            raise ConfigError(f"minimise: got {text!r}; wanted a loss or a weighted sum.", hint=EXAMPLES)
        number, name = match.groups()
        if name in found:
            raise ConfigError(f"minimise: got {text!r}; wanted {name!r} once, not twice.", hint=EXAMPLES)
        found[name] = 1.0 if number is None else float(number)
    return check_weights(found)


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Refuse weights that are negative, not finite, or all zero; leave out those that are zero.

    Raises
    ------
    ConfigError
        Naming the first bad one.
    """
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(
                f"minimise: the weight of {name!r} is {weight:g}; wanted a number of 0 or more."
            )
    kept = {name: float(weight) for name, weight in weights.items() if weight > 0}
    if not kept:
        raise ConfigError("minimise: every weight is 0; wanted at least one above it.", hint=EXAMPLES)
    return kept


def spell_weights(weights: Mapping[str, float]) -> str:
    """The weighted sum as text that `parse_weights` reads: ``domain`` alone where it stands alone."""
    if list(weights.values()) == [1.0]:
        return next(iter(weights))
    return " + ".join(f"{weight!r}*{name}" for name, weight in weights.items())


def _as_term(part: str, text: str) -> str:
    name, equals, number = part.partition("=")
    if not equals:
        raise ConfigError(f"minimise: got {text!r}; wanted a loss or a weighted sum.", hint=EXAMPLES)
    return f"{number.strip()}*{name.strip()}"
