"""Which laws there are: those of this room, and those of outside packages."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Collection, Iterator
from functools import cache, cached_property
from importlib import metadata
from typing import Any, Generic, TypeVar

from dcpt.core.errors import ConfigError, DoubtWarning
from dcpt.laws.declared_law import DeclaredLaw
from dcpt.laws.family import LawFamily
from dcpt.laws.law import Law

ENTRY_POINT_GROUP = "dcpt.laws"
FORMER_GROUP = "dcpt.curve_laws"
"""Laws of curves were declared under a group of their own; they are still found there."""

L = TypeVar("L", bound=DeclaredLaw)


@cache
def _outside() -> tuple[Any, ...]:
    """Laws, families and modules of them that outside packages declare, of whatever kind."""
    found = []
    groups = (metadata.entry_points(group=group) for group in (ENTRY_POINT_GROUP, FORMER_GROUP))
    points = {(point.name, point.value): point for group in groups for point in group}
    for point in points.values():
        try:
            loaded = point.load()
        except Exception as error:  # an outside package may fail in any way; the other laws stay usable
            message = f"law {point.name!r} of {point.value} cannot be loaded: {error}"
            warnings.warn(message, DoubtWarning, stacklevel=2)
            continue
        is_law = inspect.isclass(loaded) and issubclass(loaded, DeclaredLaw)
        if is_law or isinstance(loaded, LawFamily) or inspect.ismodule(loaded):
            found.append(loaded)
        else:
            message = f"{point.value} is neither a law, nor a family of laws, nor a module of them"
            warnings.warn(f"law {point.name!r}: {message}", DoubtWarning, stacklevel=2)
    return tuple(found)


def _declared_in(thing: Any) -> Iterator[Any]:
    """The classes and families of a module; anything else is itself."""
    if not inspect.ismodule(thing):
        yield thing
        return
    for value in vars(thing).values():
        if isinstance(value, LawFamily) or (inspect.isclass(value) and value.__module__ == thing.__name__):
            yield value


class Registry(Generic[L]):
    """The laws of one kind; they are looked for at the first use.

    Parameters
    ----------
    kind : type
        Base class of the laws: `Law` or `CurveLaw`.
    package : str
        Package of this distribution whose modules declare them. Outside packages name theirs, of either
        kind, under the entry-point group ``dcpt.laws``.
    word : str
        What messages call such a law.
    """

    def __init__(self, kind: type[L], package: str, word: str) -> None:
        self._kind, self._package, self._word = kind, package, word
        self._made: dict[str, L | None] = {}

    @cached_property
    def _declared(self) -> tuple[Any, ...]:
        package = importlib.import_module(self._package)
        names = [info.name for info in pkgutil.iter_modules(package.__path__)]
        # Tests alone need the conformance classes, and those need scipy.
        modules = [
            importlib.import_module(f"{self._package}.{name}") for name in names if name != "conformance"
        ]
        return tuple(value for thing in (*modules, *_outside()) for value in _declared_in(thing))

    @cached_property
    def laws(self) -> dict[str, L]:
        """The laws with a name of their own, by name.

        Raises
        ------
        ConfigError
            When two classes declare one name.
        """
        laws: dict[str, L] = {}
        for kind in self._declared:
            if not (inspect.isclass(kind) and issubclass(kind, self._kind) and kind.name and kind.formula):
                continue
            other = laws.get(kind.name)
            if other is not None and type(other) is not kind:
                raise ConfigError(
                    f"{self._word} {kind.name!r} is declared twice: by {type(other).__module__} and "
                    f"{kind.__module__}.",
                    hint="uninstall one of the packages or rename its law",
                )
            laws[kind.name] = kind()
        return dict(sorted(laws.items()))

    @cached_property
    def families(self) -> tuple[LawFamily, ...]:
        """The patterns of names beyond `laws`."""
        found = [value for value in self._declared if isinstance(value, LawFamily)]
        return tuple(dict.fromkeys(family for family in found if issubclass(family.kind or Law, self._kind)))

    def make(self, name: str) -> L | None:
        """The law a family makes of a name, made once: a fit read back has the very law it was made with."""
        if name not in self._made:
            self._made[name] = self._build(name)
        return self._made[name]

    def _build(self, name: str) -> L | None:
        # A family that does not say what it makes may make laws of this kind.
        silent = (value for value in self._declared if isinstance(value, LawFamily) and value.kind is None)
        made = (family.make(name) for family in dict.fromkeys((*self.families, *silent)))
        return next((law for law in made if isinstance(law, self._kind)), None)

    def get(self, law: str | L) -> L:
        """Look a law up by its name; a law is passed through.

        Raises
        ------
        ConfigError
            When there is no such law; the hint says which name is meant.
        """
        if isinstance(law, self._kind):
            return law
        name = str(law)
        found = self.laws.get(name) or self.make(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name.lower(), self.laws, n=1, cutoff=0.5)
        known = ", ".join((*self.laws, *(family.usage for family in self.families)))
        raise ConfigError(
            f"{self._word} {law!r} is unknown; known are {known}.",
            hint=f"did you mean {close[0]!r}?" if close else "list them with: dcpt laws",
        )


LAWS = Registry(Law, "dcpt.laws", "law")
"""The laws of end points."""


def list_laws() -> tuple[Law, ...]:
    """Every law with a name of its own, by name; those of families are made when asked for."""
    return tuple(LAWS.laws.values())


def list_families() -> tuple[LawFamily, ...]:
    """The patterns of names beyond `list_laws`."""
    return LAWS.families


def offered_laws(columns: Collection[str]) -> tuple[Law, ...]:
    """Laws of families that are worth a trial on a table with these columns.

    Parameters
    ----------
    columns : collection of str
        Columns of the table beside those of every loss table: U, h1, h2.

    Examples
    --------
    >>> [law.name for law in offered_laws(("h1", "h2"))]
    ['additive-mixture-2']
    """
    return tuple(get_law(name) for family in LAWS.families for name in family.offers(columns))


def get_law(law: str | Law) -> Law:
    """Look a law up by its name; a law is passed through.

    Parameters
    ----------
    law : str or Law
        A name of `list_laws`, or one a family makes: ``additive-mixture-3``, ``d-cpt+repetition``.

    Raises
    ------
    ConfigError
        When there is no such law; the hint says which name is meant.

    Examples
    --------
    >>> get_law("chinchilla").formula
    'E + A*N**-alpha + B*D**-beta'
    """
    return LAWS.get(law)
