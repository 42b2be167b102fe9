"""The column map: which column of somebody's file is which symbol, in which unit, on which side."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dcpt.core.errors import ConfigError
from dcpt.core.settings import Quantity, Settings, validate
from dcpt.core.strict_yaml import read_yaml
from dcpt.core.symbols import LEGEND

SYMBOLS = tuple(name for name in LEGEND if name != "s")
"""What a column may be mapped to; s follows from r and the side, so it is never read."""


def known_symbol(name: str, where: str = "") -> str:
    """Pass a symbol of the loss table through.

    Raises
    ------
    ConfigError
        When it is none; the hint says which one is meant.
    """
    if name in SYMBOLS:
        return name
    close = difflib.get_close_matches(name, SYMBOLS, n=1)
    place = f"{where}: " if where else ""
    raise ConfigError(
        f"{place}{name!r} is not a column of the loss table; known are {', '.join(SYMBOLS)}.",
        hint=f"did you mean {close[0]!r}?" if close else None,
    )


SymbolName = Annotated[str, AfterValidator(known_symbol), Field(json_schema_extra={"enum": list(SYMBOLS)})]


class ColumnMap(Settings):
    """A column map file (schema version 1).

    Attributes
    ----------
    columns : mapping
        Symbol of the loss table to the file's column.
    scale : mapping
        Symbol to the factor that brings its numbers to dcpt's units: N in parameters, D in tokens, r a
        share, the value in nats per token.
    roles : mapping
        Evaluation set to its side.
    wide : bool
        Each evaluation set is a column of losses, one line per run.
    """

    schema_version: Literal[1]
    columns: dict[SymbolName, str] = Field(
        default_factory=dict, description="Symbol to the file's column: {value: eval/loss}."
    )
    scale: dict[SymbolName, Quantity] = Field(
        default_factory=dict,
        description="Symbol to the factor that brings its numbers to parameters, tokens, shares and nats per "
        "token: {r: 0.01} for percentages, {N: 1M} for millions, {value: 0.693147} for bits.",
    )
    roles: dict[str, Literal["general", "domain"]] = Field(
        default_factory=dict, description="Evaluation set to its side: {medical: domain}."
    )
    wide: bool = Field(False, description="Each evaluation set is a column of losses, one line per run.")


def read_column_map(path: Path | str) -> ColumnMap:
    """Read and check a column map.

    Raises
    ------
    ConfigError
        Naming the file, the key, what was found and what was wanted.
    """
    return validate(ColumnMap, read_yaml(path), str(path))
