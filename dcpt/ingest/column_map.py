"""The column map: which column of somebody's file is which symbol, in which unit, on which side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dcpt.core.settings import Quantity, Settings, validate
from dcpt.core.strict_yaml import read_yaml
from dcpt.ingest.reading import Reading
from dcpt.ingest.symbol_names import SYMBOLS, known_symbol

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
    extras : mapping
        Further input of a law (L0, U, a column of its own) to the file's column.
    constants : mapping
        Symbol to the one value it has in every row, for what the file does not say.
    run : str or None
        The file's column that names the independent training runs.
    where : tuple of str
        Conditions on the file's own columns that a row must satisfy, as in `RowFilter`.
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
    extras: dict[str, str] = Field(
        default_factory=dict,
        description="Further input of a law to the file's column, a column of numbers: {U: unique_tokens}.",
    )
    constants: dict[str, float | str] = Field(
        default_factory=dict,
        description="Symbol to the one value it has in every row: {N: 1.8B, eval_set: domain}.",
    )
    run: str | None = Field(
        None, description="The file's column that names the independent runs: checkpoints of one share it."
    )
    where: tuple[str, ...] = Field(
        (), description="Conditions a row must satisfy, on the file's own columns: [lr<1e-5, eval=c4|pile]."
    )
    wide: bool = Field(False, description="Each evaluation set is a column of losses, one line per run.")

    def reading(self) -> Reading:
        """The map as the importers take it."""
        return Reading(**{name: getattr(self, name) for name in Reading.__dataclass_fields__})


def read_column_map(path: Path | str) -> ColumnMap:
    """Read and check a column map.

    Raises
    ------
    ConfigError
        Naming the file, the key, what was found and what was wanted.
    """
    return validate(ColumnMap, read_yaml(path), str(path))
