"""Laws whose name carries an argument: a number of corpora, another law to build on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import get_type_hints

from dcpt.core.errors import ConfigError
from dcpt.laws.declared_law import DeclaredLaw


def _nothing(columns: Collection[str]) -> tuple[str, ...]:
    return ()


def _returned(build: Callable[..., DeclaredLaw]) -> type[DeclaredLaw] | None:
    """The class of laws that a callable is or is annotated to return; None where it does not say."""
    found: object = build
    if not inspect.isclass(build):
        try:
            found = get_type_hints(build).get("return")
        except (NameError, TypeError, AttributeError):  # names for type checkers alone, or no function
            return None
    declared = inspect.isclass(found) and issubclass(found, DeclaredLaw) and found is not DeclaredLaw
    return found if declared else None  # type: ignore[return-value]


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
    kind : type, optional
        Base class of its laws: `Law`, or `CurveLaw` for laws of loss curves. By default the class that
        `build` is or says it returns; where it says none, that of the law it makes decides, and the family
        is listed among those of `Law`.
    """

    usage: str
    pattern: str
    build: Callable[..., DeclaredLaw]
    columns: tuple[str, ...] = ()
    offered: Callable[[Collection[str]], Iterable[str]] = _nothing
    kind: type[DeclaredLaw] | None = None

    def __post_init__(self) -> None:
        if self.kind is None:
            object.__setattr__(self, "kind", _returned(self.build))

    def make(self, name: str) -> DeclaredLaw | None:
        """The law of that name; None when the name is not of this family.

        Raises
        ------
        ConfigError
            When the law is of another base class than the family says.
        """
        match = re.fullmatch(self.pattern, name)
        if match is None:
            return None
        law = self.build(*match.groups())
        if self.kind is not None and not isinstance(law, self.kind):
            raise ConfigError(
                f"law {name!r}: its family {self.usage} makes a {type(law).__name__}; wanted a "
                f"{self.kind.__name__}, which it says it makes.",
                hint="the family's kind is the base class of its laws: kind=CurveLaw for laws of loss curves",
            )
        return law

    def offers(self, columns: Collection[str]) -> tuple[str, ...]:
        """Names of the laws of this family that are worth a trial on a table with these columns."""
        return tuple(self.offered(columns))
