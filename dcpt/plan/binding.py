"""What may keep an objective from falling further, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Binding = Literal["ceiling", "range", "none", "pool", "epochs", "tokens", "budget"]

BINDING_WORDS: Mapping[Binding, str] = {
    "ceiling": "the {name} loss reaches its ceiling",
    "range": "the searched range of {name} ends",
    "none": "nothing binds: the {what} has its minimum here",
    "pool": "the pool of {name} tokens is used up",
    "epochs": "the {name} pool may not be passed over more often",
    "tokens": "no more tokens may be trained on",
    "budget": "the budget is spent",
}

_RANGES = {"r": "ratios", "D": "tokens", "N": "sizes"}


def binding_words(binding: Binding, name: str, what: str = "loss") -> str:
    """What binds, in words.

    Parameters
    ----------
    binding : str
        Its kind.
    name : str
        The evaluation set of a ceiling, the side of a pool or its epochs, ``r``, ``D`` or ``N`` of a range.
    what : str
        What is minimised.
    """
    name = _RANGES.get(name, "ratios") if binding == "range" else name
    return BINDING_WORDS[binding].format(name=name, what=what)
