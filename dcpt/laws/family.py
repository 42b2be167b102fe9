"""Laws whose name carries an argument: a number of corpora, another law to build on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dcpt.laws.law import Law


@dataclass(frozen=True)
class LawFamily:
    """A pattern of names, and the law each of them stands for.

    A module of laws declares one as a variable of its own; the registry finds it there.

    Parameters
    ----------
    usage : str
        How a name looks, for messages: ``additive-mixture-K``.
    pattern : str
        Regular expression that a whole name must match.
    build : callable
        From the pattern's groups to the law; raises ConfigError when they make none.
    """

    usage: str
    pattern: str
    build: Callable[..., Law]

    def make(self, name: str) -> Law | None:
        """The law of that name; None when the name is not of this family."""
        match = re.fullmatch(self.pattern, name)
        return None if match is None else self.build(*match.groups())
