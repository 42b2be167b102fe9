"""Which laws of curves there are: those of this folder, and those of outside packages."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from dcpt.core.errors import ConfigError, DoubtWarning
from dcpt.laws.curves.curve_law import CurveLaw

ENTRY_POINT_GROUP = "dcpt.curve_laws"


@dataclass(frozen=True)
class CurveLawFamily:
    """A pattern of names, and the law of curves each of them stands for.

    Parameters
    ----------
    usage : str
        How a name looks, for messages: ``cpt-dynamics+FACTOR``.
    pattern : str
        Regular expression that a whole name must match.
    build : callable
        From the pattern's groups to the law; raises ConfigError when they make none.
    """

    usage: str
    pattern: str
    build: Callable[..., CurveLaw]

    def make(self, name: str) -> CurveLaw | None:
        """The law of that name; None when the name is not of this family."""
        match = re.fullmatch(self.pattern, name)
        return None if match is None else self.build(*match.groups())


def _laws_in(module: object) -> list[type[CurveLaw]]:
    here = getattr(module, "__name__", "")
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == here]
    return [kind for kind in classes if issubclass(kind, CurveLaw) and kind.name and kind.formula]


def _families_in(module: object) -> list[CurveLawFamily]:
    return [value for value in vars(module).values() if isinstance(value, CurveLawFamily)]


@cache
def _found() -> tuple[dict[str, CurveLaw], tuple[CurveLawFamily, ...]]:
    package = importlib.import_module("dcpt.laws.curves")
    found: list[type[CurveLaw]] = []
    families: list[CurveLawFamily] = []
    for info in pkgutil.iter_modules(package.__path__):
        if info.name == "conformance":  # tests alone need it, and it needs scipy
            continue
        module = importlib.import_module(f"dcpt.laws.curves.{info.name}")
        found += _laws_in(module)
        families += _families_in(module)
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # an outside package may fail in any way; the other laws stay usable
            message = f"curve law {point.name!r} of {point.value} cannot be loaded: {error}"
            warnings.warn(message, DoubtWarning, stacklevel=2)
            continue
        if inspect.isclass(loaded) and issubclass(loaded, CurveLaw):
            found.append(loaded)
        elif isinstance(loaded, CurveLawFamily):
            families.append(loaded)
        elif inspect.ismodule(loaded):
            found += _laws_in(loaded)
            families += _families_in(loaded)
        else:
            message = f"{point.value} is neither a law of curves, nor a family, nor a module of them"
            warnings.warn(f"curve law {point.name!r}: {message}", DoubtWarning, stacklevel=2)
    laws: dict[str, CurveLaw] = {}
    for kind in found:
        other = laws.get(kind.name)
        if other is not None and type(other) is not kind:
            raise ConfigError(
                f"curve law {kind.name!r} is declared twice: by {type(other).__module__} and "
                f"{kind.__module__}.",
                hint="uninstall one of the packages or rename its law",
            )
        laws[kind.name] = kind()
    return dict(sorted(laws.items())), tuple(dict.fromkeys(families))


@cache
def _made(name: str) -> CurveLaw | None:
    laws, families = _found()
    base, mark, policy = name.rpartition("+")
    if mark and policy in ("skip", "signed", "peak"):
        law = laws.get(base) or _made(base)
        return None if law is None else law.with_warmup(policy)  # type: ignore[arg-type]
    made = (family.make(name) for family in families)
    return next((law for law in made if law is not None), None)


def list_curve_laws() -> tuple[CurveLaw, ...]:
    """Every law of curves with a name of its own, by name."""
    return tuple(_found()[0].values())


def list_curve_families() -> tuple[CurveLawFamily, ...]:
    """The patterns of names beyond `list_curve_laws`."""
    return _found()[1]


def get_curve_law(law: str | CurveLaw) -> CurveLaw:
    """Look a law of curves up by its name; a law is passed through.

    Parameters
    ----------
    law : str or CurveLaw
        A name of `list_curve_laws` or of a family; ``+skip``, ``+signed`` or ``+peak`` at its end says
        how the warm-up counts, where the law's own way does not suit.

    Raises
    ------
    ConfigError
        When there is no such law; the hint says which name is meant.

    Examples
    --------
    >>> get_curve_law("momentum").names
    ('L0', 'A', 'alpha', 'C', 'tau')
    """
    if isinstance(law, CurveLaw):
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
        f"curve law {law!r} is unknown; known are {known}.",
        hint=f"did you mean {close[0]!r}?" if close else None,
    )
