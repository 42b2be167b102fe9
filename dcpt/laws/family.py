"""Laws whose name carries an argument: a number of corpora, another law to build on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from dcpt.laws.declared_law import DeclaredLaw
from dcpt.laws.law import Law


def _nothing(columns: Collection[str]) -> tuple[str, ...]:
    return ()


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
    columns : tuple of str
        Columns beside those of every loss table that make a table one for this family.
    offered : callable
        From the columns a table has to the names worth a trial on it; by default none. A family has
        more laws than can be tried, so it says which.
    kind : type
        Base class of its laws: `Law`, or `CurveLaw` for laws of loss curves.
    """

    usage: str
    pattern: str
    build: Callable[..., DeclaredLaw]
    columns: tuple[str, ...] = ()
    offered: Callable[[Collection[str]], Iterable[str]] = _nothing
    kind: type[DeclaredLaw] = Law

    def make(self, name: str) -> DeclaredLaw | None:
        """The law of that name; None when the name is not of this family."""
        match = re.fullmatch(self.pattern, name)
        return None if match is None else self.build(*match.groups())

    def offers(self, columns: Collection[str]) -> tuple[str, ...]:
        """Names of the laws of this family that are worth a trial on a table with these columns."""
        return tuple(self.offered(columns))
