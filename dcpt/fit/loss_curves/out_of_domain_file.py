"""Combinations for third data sets in a file of their own, ``out_of_domain.json`` beside ``curves.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.errors import DataError
from dcpt.fit.fit_file import made_with
from dcpt.fit.loss_curves.out_of_domain_fit import OutOfDomainFit

SCHEMA_VERSION = 1
FILE_NAME = "out_of_domain.json"
KIND = "out-of-domain fits"


def save_out_of_domain(
    path: Path | str, fits: Sequence[OutOfDomainFit], provenance: Mapping[str, Any]
) -> Path:
    """Write them atomically, with what they were made from."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "provenance": {**made_with(), **provenance},
        "sets": [fit.to_json() for fit in fits],
    }
    return files.write_json(path, document)


def load_out_of_domain(folder: Path | str) -> tuple[OutOfDomainFit, ...]:
    """Those beside the fits of curves in a folder; none where there is no such file.

    Raises
    ------
    DataError
        When the file is no such file.
    """
    file = Path(folder) / FILE_NAME
    if not file.exists():
        return ()
    document = files.read_json(file, "a file of combinations", SCHEMA_VERSION)
    if document.get("kind") != KIND or not isinstance(document.get("sets"), list):
        raise DataError(f"{file}: is a file of {document.get('kind')!r}; wanted {KIND}.")
    return tuple(OutOfDomainFit.from_json(item, str(file)) for item in document["sets"])
