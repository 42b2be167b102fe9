"""Which laws there are: those of this room, and those of outside packages."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Collection
from functools import cache
from importlib import metadata

from dcpt.core.errors import ConfigError, DoubtWarning
from dcpt.laws.family import LawFamily
from dcpt.laws.law import Law

ENTRY_POINT_GROUP = "dcpt.laws"


def _laws_in(module: object) -> list[type[Law]]:
    here = getattr(module, "__name__", "")
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == here]
    return [kind for kind in classes if issubclass(kind, Law) and kind.name and kind.formula]


def _families_in(module: object) -> list[LawFamily]:
    return [value for value in vars(module).values() if isinstance(value, LawFamily)]


@cache
def _found() -> tuple[dict[str, Law], tuple[LawFamily, ...]]:
    package = importlib.import_module("dcpt.laws")
    found: list[type[Law]] = []
    families: list[LawFamily] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"dcpt.laws.{info.name}")
        found += _laws_in(module)
        families += _families_in(module)
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # an outside package may fail in any way; the other laws stay usable
            message = f"law {point.name!r} of {point.value} cannot be loaded: {error}"
            warnings.warn(message, DoubtWarning, stacklevel=2)
            continue
        if inspect.isclass(loaded) and issubclass(loaded, Law):
            found.append(loaded)
        elif isinstance(loaded, LawFamily):
            families.append(loaded)
        elif inspect.ismodule(loaded):
            found += _laws_in(loaded)
            families += _families_in(loaded)
        else:
            message = f"{point.value} is neither a law, nor a family of laws, nor a module of them"
            warnings.warn(f"law {point.name!r}: {message}", DoubtWarning, stacklevel=2)
    laws: dict[str, Law] = {}
    for kind in found:
        other = laws.get(kind.name)
        if other is not None and type(other) is not kind:
            raise ConfigError(
                f"law {kind.name!r} is declared twice: by {type(other).__module__} and {kind.__module__}.",
                hint="uninstall one of the packages or rename its law",
            )
        laws[kind.name] = kind()
    return dict(sorted(laws.items())), tuple(dict.fromkeys(families))


@cache
def _made(name: str) -> Law | None:
    """The law of a family, made once: a fit read back from a file has the very law it was made with."""
    made = (family.make(name) for family in _found()[1])
    return next((law for law in made if law is not None), None)


def list_laws() -> tuple[Law, ...]:
    """Every law with a name of its own, by name; those of families are made when asked for."""
    return tuple(_found()[0].values())


def list_families() -> tuple[LawFamily, ...]:
    """The patterns of names beyond `list_laws`."""
    return _found()[1]


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
    return tuple(get_law(name) for family in _found()[1] for name in family.offers(columns))


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
    if isinstance(law, Law):
        return law
    laws, families = _found()
    if law in laws:
        return laws[law]
    made = _made(str(law))
    if made is not None:
        return made
    close = difflib.get_close_matches(str(law).lower(), laws, n=1, cutoff=0.5)
    known = ", ".join((*laws, *(family.usage for family in families)))
    raise ConfigError(
        f"law {law!r} is unknown; known are {known}.",
        hint=f"did you mean {close[0]!r}?" if close else "list them with: dcpt laws",
    )
