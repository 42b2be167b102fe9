"""Which laws there are: those of this room, and those of outside packages."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import warnings
from functools import cache
from importlib import metadata

from dcpt.core.errors import ConfigError, DoubtWarning
from dcpt.laws.law import Law

ENTRY_POINT_GROUP = "dcpt.laws"


def _laws_in(module: object) -> list[type[Law]]:
    here = getattr(module, "__name__", "")
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == here]
    return [kind for kind in classes if issubclass(kind, Law) and kind.name and kind.formula]


@cache
def _catalogue() -> dict[str, Law]:
    package = importlib.import_module("dcpt.laws")
    found: list[type[Law]] = []
    for info in pkgutil.iter_modules(package.__path__):
        found += _laws_in(importlib.import_module(f"dcpt.laws.{info.name}"))
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # an outside package may fail in any way; the other laws stay usable
            message = f"law {point.name!r} of {point.value} cannot be loaded: {error}"
            warnings.warn(message, DoubtWarning, stacklevel=2)
            continue
        found += [loaded] if inspect.isclass(loaded) and issubclass(loaded, Law) else _laws_in(loaded)
    laws: dict[str, Law] = {}
    for kind in found:
        other = laws.get(kind.name)
        if other is not None and type(other) is not kind:
            raise ConfigError(
                f"law {kind.name!r} is declared twice: by {type(other).__module__} and {kind.__module__}.",
                hint="uninstall one of the packages or rename its law",
            )
        laws[kind.name] = kind()
    return dict(sorted(laws.items()))


def list_laws() -> tuple[Law, ...]:
    """Every law there is, by name."""
    return tuple(_catalogue().values())


def get_law(law: str | Law) -> Law:
    """Look a law up by its name; a law is passed through.

    Raises
    ------
    ConfigError
        When there is no such law; the hint says which name is meant.
    """
    if isinstance(law, Law):
        return law
    laws = _catalogue()
    if law not in laws:
        close = difflib.get_close_matches(str(law).lower(), laws, n=1, cutoff=0.5)
        raise ConfigError(
            f"law {law!r} is unknown; known are {', '.join(laws)}.",
            hint=f"did you mean {close[0]!r}?" if close else "list them with: dcpt laws",
        )
    return laws[law]
