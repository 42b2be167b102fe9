"""The folder of a fit: where it is, and which loss table it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core import files
from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable
from dcpt.ingest.csv_table import read_cells, to_table
from dcpt.ingest.reading import Reading

if TYPE_CHECKING:
    from dcpt.cli.given_table import GivenTable

SCHEMA_VERSION = 1
_POINTER = "source.json"


def note_table(folder: Path, losses: Path, table: LossTable, reading: Reading | None = None) -> None:
    """Remember beside the fits which table they were made from, and how its file is read.

    The path is relative, so that both can move.
    """
    pointer: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "losses": os.path.relpath(losses, folder),
        "fingerprint": table.fingerprint,
    }
    if reading is not None and reading != Reading():
        pointer["reading"] = reading.to_dict()
    files.write_json(folder / _POINTER, pointer)


def provenance_of(losses: Path, given: GivenTable) -> dict[str, Any]:
    """What fits were made from: the file's hash, how it was read, which rows became of it."""
    return {"input": _input(losses, given)}


def provenance_of_domains(tables: Mapping[str, Path], given: Mapping[str, GivenTable]) -> dict[str, Any]:
    """The same of fits to several domains, by domain."""
    return {"inputs": {name: _input(path, given[name]) for name, path in tables.items()}}


def forget_table(folder: Path) -> None:
    """Drop what an earlier fit in the folder remembered: fits to several tables have no single one."""
    (folder / _POINTER).unlink(missing_ok=True)


def _input(losses: Path, given: GivenTable) -> dict[str, Any]:
    found: dict[str, Any] = {"file": losses.name, "sha256": files.file_hash(losses)}
    found |= {"rows": given.report.kept, "dropped": dict(given.report.dropped)}
    if given.reading != Reading():
        found["reading"] = given.reading.to_dict()
    return found


def open_table(folder: Path, losses: Path | None) -> LossTable:
    """The loss table of a fit's folder.

    Raises
    ------
    ConfigError
        When it is neither named nor remembered, or is no longer where it was.
    DataError
        When it cannot be read.
    """
    path = folder / _POINTER
    pointer: dict[str, Any] = {}
    if path.exists():
        pointer = files.read_json(path, "the source of a fit", SCHEMA_VERSION)
    elif losses is None:
        raise ConfigError(f"{folder}: does not say which loss table it came from.", hint="pass --losses FILE")
    if losses is None:
        losses = (folder / str(pointer.get("losses"))).resolve()
        if not losses.exists():
            raise ConfigError(f"{losses}: the loss table of these fits is gone.", hint="pass --losses FILE")
    reading = Reading.from_dict(pointer.get("reading", {}), str(path))
    return to_table(read_cells(losses, reading)[0], losses, reading, strict=True)[0]
