"""Numbers as people write them: 7B, 1.3M, 20e9."""

from __future__ import annotations

import math
import re

from dcpt.core.errors import ConfigError

_SCALE = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
SHARES = ("r", "r_seen", "r_min", "r_max")
"""Symbols that are shares of tokens."""

LETTERS = tuple(letter for letter in _SCALE if letter)
"""Letters of magnitude that a number may end in."""

_PATTERN = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([kKMGBT]?)\s*")


def parse_quantity(text: str | int | float, what: str = "quantity") -> float:
    """Parse a number with an optional magnitude letter (k, M, B or G, T).

    Parameters
    ----------
    text : str, int or float
        ``"7B"``, ``"1.3M"``, ``"20e9"`` or a plain number.
    what : str
        Name of the quantity, for the error message.

    Returns
    -------
    float

    Raises
    ------
    ConfigError
        When the text is not such a number, or the number is not finite.

    Examples
    --------
    >>> parse_quantity("1.3M")
    1300000.0
    """
    if isinstance(text, bool):
        raise ConfigError(f"{what}: got {text!r}; wanted a number such as 7B or 1.3M.")
    if isinstance(text, (int, float)):
        value = float(text)
    else:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"{what}: got {text!r}; wanted a number such as 7B, 1.3M or 20e9.",
                hint=_hint(text),
            )
        value = float(match.group(1)) * _SCALE[match.group(2)]
    if not math.isfinite(value):
        raise ConfigError(f"{what}: got {text!r}; wanted a finite number.")
    return value


def parse_share(text: str | int | float, what: str = "share") -> float:
    """Parse a share: a number, or one with a per cent sign. Its range is the caller's to check.

    Raises
    ------
    ConfigError
        When the text is neither.

    Examples
    --------
    >>> parse_share("20%"), parse_share("0.2")
    (0.2, 0.2)
    """
    if not isinstance(text, str):
        return parse_quantity(text, what)
    percent = text.rstrip().endswith("%")
    try:
        value = parse_quantity(text.rstrip().removesuffix("%"), what)
    except ConfigError:
        raise ConfigError(f"{what}: got {text!r}; wanted a share such as 0.2 or 20%.") from None
    return round(value / 100, 12) if percent else value  # 7 % is 0.07, not a bit more


def parse_named(name: str, text: str, what: str) -> float:
    """Parse the value of a symbol: a share where the symbol is one (r), a quantity else.

    Raises
    ------
    ConfigError
        When it cannot be read.
    """
    return parse_share(text, what) if name in SHARES else parse_quantity(text, what)


def _hint(text: str) -> str:
    if text.rstrip().endswith("%"):
        return "only a share is written in per cent; elsewhere write 0.4 for 40 %"
    return "magnitudes are k, M, B (or G) and T"


def format_quantity(value: float, digits: int = 3) -> str:
    """Spell a number with a magnitude letter: 1300000 -> ``1.3M``.

    Examples
    --------
    >>> format_quantity(7e9)
    '7B'
    """
    if abs(value) >= 1e15:
        return f"{value:.{digits}g}"
    for letter, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale * (1 - 0.5 * 10**-digits):
            return f"{value / scale:.{digits}g}{letter}"
    return f"{value:.{digits}g}"


def parse_assignments(text: str, what: str) -> dict[str, str]:
    """Split ``"N=7B,D=20B"`` into its pairs.

    Raises
    ------
    ConfigError
        When a part is not ``name=value`` or a name stands twice.
    """
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ConfigError(f"{what}: got {part!r}; wanted name=value pairs such as N=7B,D=20B.")
        if name.strip() in pairs:
            raise ConfigError(f"{what}: {name.strip()!r} stands twice in {text!r}.")
        pairs[name.strip()] = value.strip()
    return pairs
