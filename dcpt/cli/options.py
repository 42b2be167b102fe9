"""What several commands read the same way from their flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from dcpt.core.errors import ConfigError

Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
Precision = Annotated[
    Literal["fp32", "bf16"],
    typer.Option(help="Arithmetic of the forward pass; not part of a run's id: keep it for a whole sweep."),
]


def share(text: str | float) -> float:
    """What a flag reads that takes a share: 0.2 or 20%."""
    from dcpt.core.quantity import parse_share

    try:
        return parse_share(text)
    except ConfigError as error:
        raise typer.BadParameter(error.message.removeprefix("share: ")) from None


def example(command: str) -> str:
    """The last paragraph of a command's help; click's mark for it keeps the line from being wrapped."""
    return f"\b\nExample:\n  {command}"


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


def lists(items: Sequence[str] | None, flag: str) -> dict[str, str]:
    """``["a=b,c=d", "e=f"]`` as a mapping; a part without = belongs to the value before it.

    Raises
    ------
    ConfigError
        When an item is not name=value, or a name stands twice.

    Examples
    --------
    >>> lists(["N=params,value=loss, nats"], "--map")
    {'N': 'params', 'value': 'loss, nats'}
    """
    parts: list[str] = []
    for item in items or ():
        first = len(parts)
        for piece in item.split(","):
            if "=" in piece or len(parts) == first:
                parts.append(piece.strip())
            else:
                parts[-1] += f",{piece}"
    return pairs(parts, flag)


def fresh(path: Path, force: bool) -> None:
    """Refuse to write over a file unless asked, and over a folder always.

    Raises
    ------
    ConfigError
        When the file exists and `force` is false, or the path cannot be a file.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; wanted the name of a file.")
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already.", hint="pass --force to replace it")


def fresh_in(folder: Path, name: str, force: bool) -> Path:
    """The file of that name in a folder that may have to be made; refused as in `fresh`.

    Raises
    ------
    ConfigError
        When the folder is a file, or the file in it exists and `force` is false.
    """
    if not folder.is_dir() and (folder.suffix == ".json" or folder.exists()):
        raise ConfigError(f"{folder}: wanted a folder, not a file.", hint=f"{name} is written into it")
    fresh(folder / name, force)
    return folder / name
