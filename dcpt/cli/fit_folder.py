"""The folder of a fit: where it is, and which loss table it came from."""

from __future__ import annotations

import os
from pathlib import Path

from dcpt.core import files
from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import LossTable

SCHEMA_VERSION = 1
_POINTER = "source.json"


def note_table(folder: Path, losses: Path, table: LossTable) -> None:
    """Remember beside the fits which table they were made from (relative, so that both can move)."""
    files.write_json(
        folder / _POINTER,
        {
            "schema_version": SCHEMA_VERSION,
            "losses": os.path.relpath(losses, folder),
            "fingerprint": table.fingerprint,
        },
    )


def open_table(folder: Path, losses: Path | None) -> LossTable:
    """The loss table of a fit's folder.

    Raises
    ------
    ConfigError
        When it is neither named nor remembered, or is no longer where it was.
    DataError
        When it cannot be read.
    """
    if losses is not None:
        return LossTable.read(losses)
    path = folder / _POINTER
    if not path.exists():
        raise ConfigError(f"{folder}: does not say which loss table it came from.", hint="pass --losses FILE")
    pointer = files.read_json(path, "the source of a fit", SCHEMA_VERSION)
    found = (folder / str(pointer["losses"])).resolve()
    if not found.exists():
        raise ConfigError(f"{found}: the loss table of these fits is gone.", hint="pass --losses FILE")
    return LossTable.read(found)
