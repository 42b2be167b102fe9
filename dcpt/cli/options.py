"""What several commands read the same way from their flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dcpt.core.errors import ConfigError


def pairs(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """``["a=b", ...]`` as a mapping.

    Raises
    ------
    ConfigError
        When an item is not name=value, or a name stands twice.
    """
    found: dict[str, str] = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"{flag}: got {item!r}; wanted name=value.")
        if name in found:
            raise ConfigError(f"{flag}: {name!r} stands twice.")
        found[name] = value
    return found


def fresh(path: Path, force: bool) -> None:
    """Refuse to write over a file unless asked.

    Raises
    ------
    ConfigError
        When the file exists and `force` is false.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already.", hint="pass --force to replace it")
