"""Comparisons of planned and measured losses as JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict

T = TypeVar("T")


def save_comparison(comparison: Any, path: Path | str, name: str, version: int) -> Path:
    """Write a comparison: to the file, or under `name` into the folder."""
    path = Path(path)
    path = path / name if path.is_dir() else path
    return files.write_json(path, {"schema_version": version, **to_dict(comparison)})


def load_comparison(kind: type[T], path: Path | str, name: str, version: int, what: str) -> T:
    """Read a comparison of a kind from its file or from the folder that holds it.

    Raises
    ------
    DataError
        When the file is absent or is not such a comparison.
    """
    path = Path(path)
    path = path / name if path.is_dir() else path
    document: dict[str, Any] = files.read_json(path, what, version)
    document.pop("schema_version")
    try:
        return from_dict(kind, document, str(path))
    except ConfigError as error:
        raise DataError(error.message, hint="make the comparison again") from None
