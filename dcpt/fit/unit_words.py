"""Units of losses as people write them."""

from __future__ import annotations

from types import MappingProxyType

_WORDS = MappingProxyType(
    {
        "nats_per_token": ("nats per token", "nats", "nats/token"),
        "bits_per_byte": ("bits per byte", "bits per byte", "bits/byte"),
    }
)


def unit_words(unit: str) -> str:
    """A unit in full, for axes and tables: ``nats per token``."""
    return _of(unit)[0]


def unit_of_amount(unit: str) -> str:
    """A unit behind a number in a sentence: ``nats``."""
    return _of(unit)[1]


def unit_sign(unit: str) -> str:
    """A unit in the least room: ``nats/token``."""
    return _of(unit)[2]


def _of(unit: str) -> tuple[str, str, str]:
    # A table may bring a metric of its own; without a unit its losses are plain numbers.
    own = "units" if unit in ("", "unknown") else unit.replace("_", " ")
    return _WORDS.get(unit, (own, own, own))
