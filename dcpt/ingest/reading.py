"""How somebody's file is to be read: which column is which symbol, in which unit, and which rows count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import parse_quantity
from dcpt.core.table_rows import COLUMNS, RUN, SCHEDULES, TEXT
from dcpt.ingest.symbol_names import SYMBOLS, known_symbol

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Reading:
    """A map of a file's columns to the symbols of the loss table.

    Parameters
    ----------
    columns : mapping of str to str
        Symbol to the file's column; one column may serve several symbols.
    scale : mapping of str to float
        Symbol to the factor its numbers are multiplied with.
    roles : mapping of str to str
        Evaluation set to general or domain.
    extras : mapping of str to str
        Further input of a law to the file's column.
    constants : mapping of str to float or str
        Symbol or further input to its one value in every row; goes before a column of that name.
    run : str, optional
        The file's column that names the independent training runs.
    where : tuple of str
        Conditions on the file's own columns that a row must satisfy (see `read_filter`).
    wide : bool
        Every evaluation set in `roles` (and ``general``, ``domain``) is a column of losses.

    Raises
    ------
    ConfigError
        When a symbol is unknown, or has two sources.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    scale: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    roles: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    extras: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    constants: Mapping[str, float | str] = field(default_factory=lambda: _NOTHING)
    run: str | None = None
    where: tuple[str, ...] = ()
    wide: bool = False

    def __post_init__(self) -> None:
        for name in ("columns", "scale", "roles", "extras", "constants"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        if self.run is not None:
            if self.columns.get(RUN, self.run) != self.run:
                raise ConfigError(f"{RUN} is given twice: {self.columns[RUN]!r} and {self.run!r}.")
            object.__setattr__(self, "columns", {**self.columns, RUN: self.run})
        object.__setattr__(self, "where", tuple(self.where))
        further = [*self.extras, *(name for name in self.constants if name not in SYMBOLS)]
        for symbol in (*self.columns, *self.scale):
            known_symbol(symbol, "map", further)
        for name in self.constants:
            own = self.mapped.get(name)
            if own is not None:
                raise ConfigError(
                    f"{name} is given twice: as the column {own!r} and as the value {self.constants[name]}.",
                    hint="drop --map or --set of it",
                )
        object.__setattr__(
            self, "constants", {name: _constant(name, value) for name, value in self.constants.items()}
        )

    @property
    def mapped(self) -> dict[str, str]:
        """Symbols and further inputs to the file's columns."""
        return {**self.columns, **self.extras}

    @property
    def kept(self) -> tuple[str, ...]:
        """Every name a table read this way may have, in its order."""
        return tuple(dict.fromkeys((*COLUMNS, RUN, *SCHEDULES, *self.extras, *self.constants)))

    def words(self) -> list[str]:
        """The file's columns that hold text."""
        return [self.columns.get(symbol, symbol) for symbol in TEXT]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives the reading back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Any, where: str) -> Reading:
        """Rebuild a reading from `to_dict`.

        Raises
        ------
        DataError
            When the document is no such thing.
        """
        known = {item.name for item in fields(cls)}
        try:
            if set(document) - known:
                raise ConfigError(f"unknown field {sorted(set(document) - known)[0]!r}.")
            scale = {name: float(value) for name, value in dict(document.get("scale", {})).items()}
            return cls(**{**document, "scale": scale})
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{where}: does not say how the losses are read ({error}).") from None


def _constant(name: str, value: float | str) -> float | str:
    if name in TEXT:
        return value if isinstance(value, str) else f"{value:g}"
    return parse_quantity(value, f"--set {name}")
